//! The catalogue of diagnostic codes: what each means, why it matters and what to do.
//!
//! `gatewright explain CODE` prints an entry and `docs/errors.md` is generated from the whole table.
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
}
