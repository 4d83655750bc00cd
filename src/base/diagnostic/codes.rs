//! The catalogue of diagnostic codes: what each means, why it matters and what to do.
//!
//! `gatewright explain CODE` prints an entry ([`explain`](super::explain())) and `docs/errors.md` is generated from the
//! whole table ([`index_markdown`](super::index_markdown)).
//! A code is never reused and its meaning never changes; a retired one stays out of the table.

use std::fmt;

use super::Severity;

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    /// `GW` and four digits.
    pub name: &'static str,
    /// Severity unless the producer says otherwise.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// Why it is a finding and what to do, in plain sentences.
    pub explanation: &'static str,
}

/// A diagnostic code: an index into the catalogue that cannot name a missing entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl Code {
    /// The catalogue entry.
    pub fn info(self) -> &'static Info {
        &CATALOGUE[self.0 as usize]
    }

    /// Finds a code by its printed name, in any letter case.
    pub fn find(name: &str) -> Option<Code> {
        CATALOGUE.iter().position(|info| info.name.eq_ignore_ascii_case(name)).map(|at| Code(at as u16))
    }

    /// All codes in the order of the catalogue.
    pub fn all() -> impl Iterator<Item = Code> {
        (0..CATALOGUE.len()).map(|at| Code(at as u16))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

macro_rules! catalogue {
    ($($constant:ident = $name:literal, $severity:ident, $title:literal, $explanation:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u16)]
        enum Index { $($constant),* }

        impl Code {
            $(#[doc = $title] pub const $constant: Code = Code(Index::$constant as u16);)*
        }

        static CATALOGUE: &[Info] = &[$(Info {
            name: $name, severity: Severity::$severity, title: $title, explanation: $explanation,
        }),*];
    };
}

catalogue! {
    // 00xx: files and YAML
    FILE_UNREADABLE = "GW0001", Error, "a file cannot be read",
        "The path does not exist, is not a regular file, or the process may not read it. The other files are still judged. Check the path and its permissions.";
    FILE_NOT_UTF8 = "GW0002", Error, "a file is not UTF-8",
        "Blueprints are UTF-8 text. Convert the file, for example with iconv.";
    FILE_TOO_LARGE = "GW0003", Error, "a file exceeds the size limit",
        "A document may have at most 16 MiB. Split the file; entries of different files may refer to each other with !Find.";
    FILE_OUTSIDE = "GW0004", Error, "a path leads out of its folder",
        "A symlink or a path with .. leaves the blueprint folder. Such a path is never followed, because whoever can write the folder could otherwise read any file of the machine.";
    FILE_BOM = "GW0005", Note, "a file starts with a byte-order mark",
        "The mark is skipped. Some tools stumble over it; save the file as UTF-8 without it.";
    FILE_CRLF = "GW0006", Note, "a file has Windows line endings",
        "They are read as plain line ends. Multi-line texts such as expressions get plain line ends too, so the file means the same everywhere.";
    FILE_SKIPPED = "GW0007", Note, "a file is not applied",
        "Its label blueprints.goauthentik.io/instantiate says false, as example files do. Name the file itself, not only its folder, to apply it.";
    YAML_SYNTAX = "GW0010", Error, "the text is not valid YAML",
        "The parser stopped at the marked place. Frequent causes: a tab in the indentation, a missing quote, a plain value that starts with %, @ or a backtick.";
    YAML_DOCUMENTS = "GW0011", Error, "more than one YAML document",
        "A blueprint is one document. Move what follows the --- line into a file of its own.";
    YAML_BUDGET = "GW0012", Error, "the document exceeds a parser budget",
        "Nodes, nesting depth and alias expansion are limited so that a small file cannot exhaust memory or stack.";
    YAML_TAG = "GW0013", Error, "unknown YAML tag",
        "Only the tags that blueprints define and the standard !! tags are allowed.";
    YAML_KEY = "GW0014", Error, "a mapping key is not usable",
        "Keys of blueprint mappings are strings. An unquoted no, 1 or 2024-01-01 is a boolean, a number or a date in YAML 1.1; put it in quotes.";
    YAML_SCALAR = "GW0015", Error, "a scalar has no value in YAML 1.1",
        "The plain scalar resolves to a YAML 1.1 type that has no value (such as = or an impossible date). Put it in quotes.";
    YAML_ALIAS = "GW0016", Error, "an alias has no anchor",
        "The name after * is not defined by an & earlier in the document.";
    YAML_DUPLICATE_KEY = "GW0017", Warning, "a key appears twice in one mapping",
        "The last one wins, the earlier one has no effect. Remove one of them.";
    YAML_TRAP = "GW0018", Warning, "a plain scalar is not the text it looks like",
        "YAML 1.1 reads some plain scalars as booleans, octal or base-60 numbers or dates. Where text is expected this is rarely meant. Put the value in quotes.";
    YAML_ANCHOR = "GW0019", Error, "an anchor is defined twice",
        "The names after & are unique within a document, so that an alias can only mean one of them. Rename one.";
    SOPS_NO_KEY = "GW0020", Error, "a file is encrypted and there is no key",
        "The file was encrypted by SOPS. Give the file with an age identity by --age-key-file, GATEWRIGHT_AGE_KEY_FILE or SOPS_AGE_KEY_FILE; in a source, put the identity into age_keys.";
    SOPS_WRONG_KEY = "GW0021", Error, "none of the keys decrypts a file",
        "The file was encrypted by SOPS for the recipients that the message lists, and none of the given age identities belongs to one of them. Only age recipients are supported. Give the right identity, or add a recipient to the file by somebody who can decrypt it.";
    SOPS_CHANGED = "GW0022", Error, "an encrypted file was changed without its key",
        "SOPS protects the values of a file and their places. A value, a key or the order of the file is not as it was when the file was encrypted, so nothing of it is used. Restore the file, and change it with `sops edit`.";
    SOPS_MALFORMED = "GW0023", Error, "an encrypted file cannot be used as it is",
        "The file has the mark of SOPS, but is not what SOPS writes, or uses a feature that is not supported here: groups of keys, rules about comments, or a tag before an encrypted value.";

    // 01xx: documents and entries
    DOCUMENT_ROOT = "GW0101", Error, "the root is not a mapping",
        "A blueprint is a mapping with the keys version, metadata, context and entries.";
    DOCUMENT_VERSION = "GW0102", Error, "the version is not supported",
        "The only version of the blueprint format is 1, written as a number.";
    UNKNOWN_KEY = "GW0103", Error, "a key is not known",
        "The key has no meaning at this place, so whatever it was meant to say would be lost. Most often it is a typing error.";
    WRONG_TYPE = "GW0104", Error, "a value has the wrong type",
        "The value at this place must be of the type named in the message.";
    MISSING_KEY = "GW0105", Error, "a required key is missing",
        "Every entry needs a model, and metadata, where given, need a name.";
    DUPLICATE_ID = "GW0106", Warning, "two entries have the same id",
        "!KeyOf refers to the first entry of an id; the second one cannot be referred to. Give it another id.";
    DUPLICATE_NAME = "GW0107", Warning, "two documents have the same name",
        "Entries that apply other blueprints find them by name; with two of the same name the first one in path order is meant.";
    UNKNOWN_STATE = "GW0108", Error, "an unknown state",
        "An entry's state is present, created, must_created or absent.";
    EMPTY_DOCUMENT = "GW0109", Note, "the file is empty",
        "An empty file is a blueprint without entries: the documented way to disable a shipped file.";
    META_NOT_FOUND = "GW0110", Error, "a required blueprint is not there",
        "The entry applies another blueprint that is neither among the given files nor stored. Add the file, or say required: false.";
    META_CYCLE = "GW0111", Error, "blueprints apply each other in a circle",
        "A blueprint that applies another one cannot be applied by it, directly or through others.";
    NO_IDENTIFIERS = "GW0112", Error, "an entry has no identifiers",
        "Identifiers say which object the entry is about; without them every run would create another one. Use the natural keys of the kind, such as slug or name.";
    NO_DOCUMENTS = "GW0113", Error, "no blueprint files were found",
        "The given paths contain no *.yaml or *.yml file. Hidden files and folders are skipped.";

    // 02xx: tags
    TAG_FORM = "GW0201", Error, "a tag is written in a form that it does not have",
        "Each tag takes either a scalar or a list of a certain length. The message shows the right form.";
    KEY_OF_UNKNOWN = "GW0202", Error, "!KeyOf refers to an unknown id",
        "No entry of this document has the id. Ids are local to their document; to refer to an object of another document use !Find.";
    KEY_OF_SKIPPED = "GW0203", Error, "!KeyOf refers to an entry that is not there",
        "The entry with the id is skipped by its conditions, or its state is absent, so there is no object to refer to.";
    KEY_OF_CYCLE = "GW0204", Error, "entries identify each other in a circle",
        "To know which object an entry is about, its identifiers are needed, and those of every entry that they refer to. Here this leads back to the start.";
    FIND_NOTHING = "GW0205", Warning, "!Find finds nothing",
        "No stored object and no entry matches, so the value is null. In a reference field this is rarely meant.";
    FIND_SEVERAL = "GW0206", Warning, "!Find matches several objects",
        "The first one by name is taken. Add a condition that tells them apart.";
    FIND_FIELD = "GW0207", Error, "!Find names an unknown field or lookup",
        "Conditions name a field of the kind, optionally followed by a relation path or a lookup such as __iexact.";
    ENV_DENIED = "GW0208", Error, "!Env names a variable that is not allowed",
        "Blueprints see only those environment variables that whoever runs them has listed, because a blueprint could otherwise read any secret of the process. Allow it with --allow-env NAME, or put it into a file for --env-file.";
    ENV_INLINE_DEFAULT = "GW0209", Warning, "!Env takes a default only in list form",
        "Written as a scalar, the whole text is the variable's name. Write !Env [NAME, default].";
    FILE_DENIED = "GW0210", Error, "!File names a file that is not allowed",
        "Blueprints may read files below their own folder and below folders given with --allow-files DIR.";
    FILE_MISSING = "GW0211", Warning, "!File cannot read the file",
        "The file is allowed but cannot be read; the default is used, or null.";
    FORMAT_MISMATCH = "GW0212", Error, "!Format and its arguments do not fit",
        "The format follows Python's % operator: one placeholder for each argument, of a fitting type.";
    CONDITION_MODE = "GW0213", Error, "an unknown mode of !Condition",
        "The modes are AND, NAND, OR, NOR, XOR and XNOR.";
    ENUMERATE_SCOPE = "GW0214", Error, "!Index or !Value is outside of !Enumerate",
        "The number counts enclosing !Enumerate tags from the innermost, which is 0.";
    ENUMERATE_VALUE = "GW0215", Error, "!Enumerate cannot use the value",
        "It goes over a list, a mapping or a text; with MAP every round must give a pair of key and value, or a mapping.";
    PARSE_JSON = "GW0216", Error, "!ParseJSON got text that is not JSON",
        "The text must be one complete JSON value.";
    AT_INDEX = "GW0217", Error, "!AtIndex finds nothing at the place",
        "The list is too short or the mapping lacks the key, and there is no default.";
    TAG_AS_KEY = "GW0218", Error, "a tag is used as a mapping key",
        "Keys are never resolved. Use !Enumerate with MAP to make a mapping with computed keys.";
    DEPTH = "GW0219", Error, "entries or tags depend on each other too deeply",
        "Chains of entries that identify each other, and tags inside of tags, are limited so that no input can exhaust the stack.";
    CONTEXT_MISSING = "GW0220", Note, "!Context names a key without a value",
        "Neither the document nor the run gives the key a value, so the result is null.";
    ENV_MISSING = "GW0221", Note, "!Env names a variable without a value",
        "The variable is not set or empty, so the result is null. Write !Env [NAME, null] if that is meant.";

    // 03xx: kinds and attributes
    UNKNOWN_KIND = "GW0301", Error, "an unknown kind",
        "No kind has this name. gatewright schema lists all of them.";
    UNKNOWN_FIELD = "GW0302", Error, "an unknown attribute",
        "The kind has no such attribute, so its value would be lost. Most often it is a typing error.";
    FIELD_VALUE = "GW0303", Error, "a value does not fit its attribute",
        "The JSON Schema of the kind (in schemas/) refuses the value; the message says what it expects.";
    FIELD_COERCED = "GW0304", Warning, "a value was converted to the attribute's type",
        "The value has another type than the attribute, but its meaning is clear. Write it in the attribute's own type.";
    REQUIRED_FIELD = "GW0305", Error, "a required attribute is missing",
        "The object does not exist yet, and cannot be created without this attribute.";
    READ_ONLY_FIELD = "GW0306", Warning, "a read-only attribute is ignored",
        "The attribute is shown by the API but cannot be written. Remove it.";
    REMOVED_FIELD = "GW0307", Warning, "an attribute of another release is ignored",
        "The attribute exists in other releases only and has no meaning here. gatewright migrate --write removes it.";
    RENAMED_FIELD = "GW0308", Warning, "an attribute has another name",
        "The attribute's name differs between releases; it was taken under its present name. gatewright migrate --write renames it.";
    CONVERTED_FIELD = "GW0309", Warning, "an attribute has another shape",
        "The attribute's value has the shape of another release and was converted. gatewright migrate --write rewrites it.";
    RENAMED_KIND = "GW0310", Warning, "a kind has another name",
        "The kind's name differs between releases; it was taken under its present name. gatewright migrate --write renames it.";
    NOT_CREATABLE = "GW0311", Error, "objects of the kind cannot be created by a blueprint",
        "They come into being by themselves, and a blueprint can only match, change or delete them.";
    REFERENCE_VALUE = "GW0312", Error, "a reference does not refer to an object",
        "Reference fields take !KeyOf, !Find, an id, or null where the field may be empty.";
    REFERENCE_KIND = "GW0313", Error, "a reference refers to an object of the wrong kind",
        "The field accepts only objects of the kind or family that the message names.";
    CROSS_FIELD = "GW0314", Error, "the attributes do not fit together",
        "The object as a whole breaks a rule of its kind.";
    IDENTIFIER_FIELD = "GW0315", Error, "an identifier is not a field of the kind",
        "Identifiers are matched against fields of the kind, optionally followed by a relation path or a lookup such as __iexact.";
    IDENTIFIER_PATH = "GW0316", Error, "an identifier cannot be filled",
        "An identifier with a relation path or lookup can find an object but not create one: the field behind it is not given.";
    TEXT_TRAP = "GW0317", Warning, "a text attribute got a value that YAML reads as something else",
        "The scalar is a boolean, number or date in YAML 1.1. Put it in quotes.";
    RESERVED_KEY = "GW0318", Error, "a mapping key is reserved",
        "Keys that start with $gatewright: are used by saved plans. Rename the key.";

    // 04xx: planning
    AMBIGUOUS = "GW0401", Error, "several objects match the identifiers",
        "It is not clear which of them is meant, so none is touched. Add identifiers that tell them apart.";
    IDENTIFIERS_DIFFER = "GW0402", Error, "pk and the other identifiers name different objects",
        "The object with the given pk is not the one that the other identifiers match. Remove the pk, or correct the others.";
    CONFLICT = "GW0403", Error, "two entries set one attribute to different values",
        "Both entries are about the same object, and the result would depend on their order. Remove one of them, or accept the last one with --last-wins.";
    CONFLICT_LAST_WINS = "GW0404", Warning, "two entries set one attribute to different values",
        "With --last-wins the later entry, in the order of arguments and then of paths, has its way.";
    ALREADY_EXISTS = "GW0405", Error, "the object exists already",
        "The entry's state is must_created, which refuses to touch an existing object.";
    PRESENT_AND_ABSENT = "GW0406", Error, "an object is to be present and absent",
        "One entry deletes the object that another one creates or changes. Remove one of them.";
    STILL_REFERRED = "GW0407", Error, "an object cannot be deleted while another one needs it",
        "The other object refers to this one and cannot be without it. Delete or change it as well.";
    KEY_TAKEN = "GW0408", Error, "a unique value is taken",
        "Another object has the same value in a field that must be unique.";
    MEMBERSHIP_CONFLICT = "GW0409", Error, "the two sides of a membership contradict each other",
        "One entry lists the members of an object, another one lists what the member belongs to, and they disagree. State it on one side only.";
    ABSENT_IGNORED = "GW0410", Note, "the object to delete does not exist",
        "There is nothing to do.";
    UNIQUE_TARGET = "GW0411", Error, "an object is referred to twice where once is allowed",
        "The reference is one-to-one: at most one object may refer to the target by this field.";

    CIRCULAR = "GW0412", Error, "a reference leads back to its object",
        "Following the reference from object to object comes back to the start, so none of them would be the topmost. Clear it at one of them.";

    // 05xx: applying
    STALE_PLAN = "GW0501", Error, "the plan is stale",
        "What the plan was made for has changed since. Make a new plan and look at it again.";
    PLAN_FILE = "GW0502", Error, "a plan file cannot be used",
        "The file is no saved plan, is of another version, was changed, or belongs to another database.";
}
