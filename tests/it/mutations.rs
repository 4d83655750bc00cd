//! Planted faults: single-place mutations of the stock files give an error on the mutated line.
//!
//! Mutations are made from the tree of each file, so that each is a realistic slip at a place where it matters: no typo
//! inside free text, no change that leaves the document's meaning as it was. Each mutant is judged among the other files
//! of its set, once as `validate` does and once as a plan on an empty system.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use gatewright::{
    base::diagnostic::{Diagnostic, FileId, Sources},
    blueprint::{
        engine::{self, Options},
        inputs::Inputs,
        load::Loaded,
        lookup,
        plan::NoSecrets,
        yaml::{self, Data, Limits, Node, Style, TAGS, Value},
    },
    model::{
        Registry,
        registry::{FieldInfo, KindInfo},
    },
};

use crate::{
    engine::reference_data,
    support::{lab::Lab, seeded::Seeded},
};

/// What was done to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// A typo in a key of the document's structure.
    Key,
    /// A typo in the name of a kind, of an entry or in `!Find`.
    Kind,
    /// A typo in an attribute's, identifier's or condition's name.
    Field,
    /// A value near to one of a fixed set.
    Enum,
    /// A typo where an id is given or used.
    Id,
    /// A value of another type.
    Type,
    /// A typo in a tag.
    Tag,
    /// A line that stands one or two columns off.
    Indentation,
}

/// Mutants judged for each set of files; `GATEWRIGHT_MUTATIONS` raises it.
const WANTED: usize = 200;
/// Share of mutants whose error must be on the mutated line, in percent.
const ON_THE_LINE: usize = 95;
/// A finding that covers more lines than this does not show where the fault is.
const MAX_LINES: usize = 3;

#[derive(Clone)]
struct Mutant {
    file: usize,
    class: Class,
    /// From 1.
    line: usize,
    text: String,
    /// What was done, for the report.
    change: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    OnTheLine,
    /// Where the errors are instead.
    Elsewhere(String),
    Silent,
    Panic,
}

#[test]
fn planted_faults_in_the_shipped_files_are_found() {
    judge_set("shipped", &PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints"));
}

#[test]
fn planted_faults_in_the_reference_files_are_found() {
    let Some(data) = reference_data() else { return };
    judge_set("2024.6.4", &data.join("authentik-2024.6.4/blueprints"));
}

fn judge_set(set: &str, folder: &Path) {
    let files = read(folder);
    let lab = Lab::new();
    let loaded = load(&lab, &borrowed(&files));
    for offline in [true, false] {
        let found = findings(&lab, &loaded, offline);
        assert!(!found.iter().any(Diagnostic::is_error), "{set} before any mutation: {found:#?}");
    }
    let mut seeded = Seeded::new(0x5eed);
    let mut all: BTreeMap<Class, Vec<Mutant>> = BTreeMap::new();
    for (at, (_, text)) in files.iter().enumerate() {
        let mut maker = Maker { registry: lab.model.registry(), file: at, text, seeded: &mut seeded, made: Vec::new() };
        maker.document();
        for mutant in maker.made {
            all.entry(mutant.class).or_default().push(mutant);
        }
    }
    let wanted = std::env::var("GATEWRIGHT_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(WANTED);
    let mutants = choose(all, wanted, &mut seeded);
    assert!(mutants.len() >= 200, "{set}: only {} mutants", mutants.len());

    let mut table: BTreeMap<Class, [usize; 5]> = BTreeMap::new();
    let mut misses = String::new();
    for mutant in &mutants {
        let verdicts = verdicts(&lab, &files, mutant);
        let row = table.entry(mutant.class).or_default();
        row[0] += 1;
        for (at, verdict) in verdicts.iter().enumerate() {
            row[1 + at] += usize::from(*verdict == Verdict::OnTheLine);
            row[3] += usize::from(*verdict == Verdict::Silent);
            row[4] += usize::from(*verdict == Verdict::Panic);
        }
        if verdicts.iter().any(|verdict| *verdict != Verdict::OnTheLine) {
            let name = &files[mutant.file].0;
            misses += &format!("{:?} {name}:{} {}\n", mutant.class, mutant.line, mutant.change);
            for (mode, verdict) in ["validate", "plan"].iter().zip(&verdicts) {
                misses += &format!("    {mode}: {verdict:?}\n");
            }
        }
    }
    println!("{set}: class, mutants, found by validate, by plan, silent, panics");
    let mut sum = [0; 5];
    for (class, row) in &table {
        println!("{class:>12?} {row:>4?}");
        for (total, one) in sum.iter_mut().zip(row) {
            *total += one;
        }
    }
    println!("{:>12} {sum:>4?}\n{misses}", "all");
    let [count, by_validate, by_plan, silent, panics] = sum;
    assert_eq!((silent, panics), (0, 0), "{set}: silent passes and panics\n{misses}");
    for hits in [by_validate, by_plan] {
        assert!(hits * 100 >= count * ON_THE_LINE, "{set}: {hits} of {count} on the line\n{misses}");
    }
}

/// The files of both folders: name and text.
fn read(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for part in ["default", "system"] {
        for entry in std::fs::read_dir(folder.join(part)).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = format!("{part}/{}", path.file_name().expect("a name").to_string_lossy());
                files.push((name, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    files.sort();
    files
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// As many of each class as there are, up to an even share of `wanted`.
fn choose(mut all: BTreeMap<Class, Vec<Mutant>>, wanted: usize, seeded: &mut Seeded) -> Vec<Mutant> {
    for mutants in all.values_mut() {
        for at in (1..mutants.len()).rev() {
            mutants.swap(at, seeded.below(at + 1));
        }
    }
    let mut chosen = Vec::new();
    while chosen.len() < wanted {
        let before = chosen.len();
        chosen.extend(all.values_mut().filter_map(Vec::pop));
        if chosen.len() == before {
            break;
        }
    }
    chosen
}

fn load(lab: &Lab, documents: &[(&str, &str)]) -> Loaded {
    let mut loaded = Loaded::default();
    for (name, text) in documents {
        loaded.add_text(name, name, "test", text);
    }
    loaded.arrange(&lab.model, false);
    loaded
}

/// All findings, as `validate` has them without a database or as a plan has them on an empty one.
fn findings(lab: &Lab, loaded: &Loaded, offline: bool) -> Vec<Diagnostic> {
    let inputs = Inputs { lenient: offline, ..lab.inputs.clone() };
    let options = Options { offline, last_wins: false };
    let outcome = engine::run(loaded, &inputs, &NoSecrets, &lab.model, options).expect("the model is complete");
    loaded.found.iter().cloned().chain(outcome.found).collect()
}

/// What `validate` and a plan on an empty system say.
fn verdicts(lab: &Lab, files: &[(String, String)], mutant: &Mutant) -> [Verdict; 2] {
    let mut documents = borrowed(files);
    let name = documents[mutant.file].0;
    documents[mutant.file].1 = &mutant.text;
    let Ok(loaded) = catch_unwind(AssertUnwindSafe(|| load(lab, &documents))) else {
        return [Verdict::Panic, Verdict::Panic];
    };
    [true, false].map(|offline| {
        let Ok(mut found) = catch_unwind(AssertUnwindSafe(|| findings(lab, &loaded, offline))) else {
            return Verdict::Panic;
        };
        found.retain(Diagnostic::is_error);
        if found.is_empty() {
            return Verdict::Silent;
        }
        if names_line(&loaded.sources, &found, name, mutant.line) {
            return Verdict::OnTheLine;
        }
        let places = found.iter().map(|finding| {
            let place = finding.span().map_or_else(String::new, |span| loaded.sources.place(span));
            format!("{place} {} {}", finding.code, finding.message)
        });
        Verdict::Elsewhere(places.take(3).collect::<Vec<_>>().join(" | "))
    })
}

/// Whether a label of an error is on a line.
fn names_line(sources: &Sources, errors: &[Diagnostic], name: &str, line: usize) -> bool {
    errors.iter().flat_map(|finding| &finding.labels).any(|label| {
        let file = sources.get(label.span.file);
        let (first, last) = (file.position(label.span.start).0, file.position(label.span.end).0);
        file.name == name && first <= line && line <= last && last - first < MAX_LINES
    })
}

/// Makes the mutants of one file.
struct Maker<'a> {
    registry: &'a Registry,
    file: usize,
    text: &'a str,
    seeded: &'a mut Seeded,
    made: Vec<Mutant>,
}

impl Maker<'_> {
    fn document(&mut self) {
        let Some(root) = parse(self.text) else { panic!("a stock file is well-formed") };
        let ids: BTreeSet<String> = entries(&root).iter().filter_map(|entry| text_of(entry.get("id")?)).collect();
        let mut used = BTreeSet::new();
        visit(&root, &mut |node| {
            if node.tag.as_ref().is_some_and(|tag| tag.name == "!KeyOf") {
                used.extend(text_of(node));
            }
        });
        self.keys(&root);
        if let Some(metadata) = root.get("metadata") {
            self.keys(metadata);
        }
        for entry in entries(&root) {
            self.entry(entry, &ids, &used);
        }
        if let Some(version) = root.get("version") {
            for wrong in ["2", "one", "\"1\"", "[1]"] {
                self.replace(Class::Type, version.span(), wrong);
            }
        }
        self.indentation(&root);
    }

    fn entry(&mut self, entry: &Node, ids: &BTreeSet<String>, used: &BTreeSet<String>) {
        self.keys(entry);
        let Some(model) = entry.get("model") else { return };
        let Some(kind) = text_of(model).and_then(|name| self.registry.find(&name)) else { return };
        self.kind(model);
        if let Some(id) = entry.get("id")
            && text_of(id).is_some_and(|text| used.contains(&text))
        {
            self.typo(Class::Id, id.span(), |new| !ids.contains(new));
        }
        if let Some(state) = entry.get("state").filter(|state| state.tag.is_none()) {
            self.typo(Class::Enum, state.span(), |new| {
                !["present", "created", "must_created", "absent"].contains(&new)
            });
        }
        for part in ["identifiers", "attrs"] {
            let Some(node) = entry.get(part) else { continue };
            for (key, value) in pairs(node) {
                let Some(name) = text_of(key) else { continue };
                let registry = self.registry;
                self.typo(Class::Field, key.span(), |new| !is_field(registry, kind, new));
                self.tags(value, ids);
                if let Some(field) = kind.fields.get(&name) {
                    self.value(field, value);
                } else if kind.meta && name == "required" {
                    for wrong in ["maybe", "[true]", "3"] {
                        self.replace(Class::Type, value.span(), wrong);
                    }
                } else if kind.meta {
                    for (key, _) in pairs(value) {
                        self.typo(Class::Field, key.span(), |new| new != "name" && new != "path");
                    }
                }
            }
            self.replace_line(Class::Type, node, "some text");
        }
        if let Some(conditions) = entry.get("conditions") {
            self.tags(conditions, ids);
        }
    }

    /// Typos in the keys of a structural mapping.
    fn keys(&mut self, node: &Node) {
        let known = ["version", "metadata", "context", "entries", "name", "labels"];
        for (key, _) in pairs(node) {
            self.typo(Class::Key, key.span(), |new| !known.contains(&new));
        }
    }

    fn kind(&mut self, node: &Node) {
        let registry = self.registry;
        self.typo(Class::Kind, node.span(), |new| registry.targets(new).is_empty() && registry.find(new).is_none());
    }

    /// Faults in the tags of a value.
    fn tags(&mut self, value: &Node, ids: &BTreeSet<String>) {
        let mut tagged = Vec::new();
        visit(value, &mut |node| {
            if let Some(tag) = &node.tag {
                tagged.push((tag.name.clone(), tag.span.start as usize..tag.span.end as usize, node.span()));
            }
        });
        for (name, range, span) in tagged {
            self.typo(Class::Tag, range.start + 1..range.end, |new| !TAGS.contains(&format!("!{new}").as_str()));
            if name == "!KeyOf" {
                self.typo(Class::Id, span, |new| !ids.contains(new));
            }
        }
        let mut finds = Vec::new();
        visit(value, &mut |node| {
            if let (Some("!Find"), Data::Sequence(items)) = (node.tag.as_ref().map(|tag| tag.name.as_str()), &node.data)
            {
                finds.push(items.clone());
            }
        });
        for items in finds {
            let Some((model, conditions)) = items.split_first() else { continue };
            let Some(name) = text_of(model) else { continue };
            self.kind(model);
            for condition in conditions {
                let Data::Sequence(pair) = &condition.data else { continue };
                let Some(field) = pair.first().filter(|field| text_of(field).is_some()) else { continue };
                let registry = self.registry;
                let kinds = registry.targets(&name);
                self.typo(Class::Field, field.span(), |new| {
                    !kinds.iter().any(|kind| is_field(registry, registry.get(*kind), new))
                });
            }
        }
    }

    /// Faults in the value of a field.
    fn value(&mut self, field: &FieldInfo, value: &Node) {
        let choices = choices(&field.schema);
        if let (None, Data::Sequence(items)) = (&value.tag, &value.data) {
            for item in items {
                if !choices.is_empty() && text_of(item).is_some() {
                    self.typo(Class::Enum, item.span(), |new| !choices.contains(new));
                }
                if field.reference.is_some() {
                    self.replace(Class::Type, item.whole(), "some-name");
                }
            }
            return self.replace_line(Class::Type, value, "3.5");
        }
        if !choices.is_empty() && text_of(value).is_some() {
            self.typo(Class::Enum, value.span(), |new| !choices.contains(new));
        }
        let range = value.whole();
        if self.text[range.clone()].contains('\n') || field.allows("object") {
            return;
        }
        let wrong: &[&str] = if field.reference.is_some() {
            &["some-name", "true", "{name: x}"]
        } else if field.allows("boolean") {
            &["maybe", "[true]", "7"]
        } else if field.allows("integer") || field.allows("number") {
            &["ten", "[1]", "{a: 1}"]
        } else {
            &["[text]", "true", "{a: b}"]
        };
        for wrong in wrong {
            self.replace(Class::Type, range.clone(), wrong);
        }
    }

    /// Lines that begin with a key or a dash, moved by one or two columns.
    fn indentation(&mut self, root: &Node) {
        let mut starts = BTreeSet::new();
        visit(root, &mut |node| {
            let (places, width): (Vec<usize>, usize) = match &node.data {
                Data::Mapping(pairs) => (pairs.iter().map(|(key, _)| key.span().start).collect(), 0),
                Data::Sequence(items) => (items.iter().map(|item| item.whole().start).collect(), 2),
                Data::Scalar(_) => return,
            };
            for place in places {
                let start = self.line_start(place);
                let lead = &self.text[start..place];
                let dash = width == 2 && lead.trim_start_matches(' ') == "- ";
                if dash || lead.bytes().all(|byte| byte == b' ') {
                    starts.insert(start);
                }
            }
        });
        for start in starts {
            let spaces = self.text[start..].bytes().take_while(|byte| *byte == b' ').count();
            for by in [-2_isize, -1, 1, 2] {
                let Some(new) = spaces.checked_add_signed(by) else { continue };
                let text = [&self.text[..start], &" ".repeat(new), &self.text[start + spaces..]].concat();
                if parse(&text).is_some_and(|changed| same(&changed, root) || in_block(&changed, start + new)) {
                    continue;
                }
                let line = self.text[start..].lines().next().unwrap_or_default().trim();
                let change = format!("`{line}` moved by {by}");
                let line = self.line(start);
                self.made.push(Mutant { file: self.file, class: Class::Indentation, line, text, change });
            }
        }
    }

    fn typo(&mut self, class: Class, range: Range<usize>, is_fault: impl Fn(&str) -> bool) {
        let old = &self.text[range.clone()];
        let letters: Vec<char> = old.chars().collect();
        let places: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_ascii_alphabetic()).collect();
        if places.len() < 2 || old.contains('\n') {
            return;
        }
        for slip in 0..4 {
            let at = places[self.seeded.below(places.len())];
            let mut new = letters.clone();
            match slip {
                0 => {
                    new.remove(at);
                }
                1 => new.insert(at, letters[at]),
                2 if at + 1 < new.len() && new[at + 1].is_ascii_alphabetic() => new.swap(at, at + 1),
                _ => new[at] = char::from(b'a' + self.seeded.below(26) as u8),
            }
            let new: String = new.into_iter().collect();
            let inner = new.trim_matches(['"', '\'']);
            if new != old && is_fault(inner) {
                self.replace(class, range.clone(), &new);
            }
        }
    }

    /// Puts a scalar in place of a collection that begins on the line below its key: the key's line gets the scalar, and
    /// the collection goes.
    fn replace_line(&mut self, class: Class, node: &Node, new: &str) {
        let range = node.whole();
        if self.text[range.clone()].contains('\n') || !matches!(node.data, Data::Mapping(_) | Data::Sequence(_)) {
            return;
        }
        let line_start = self.line_start(range.start);
        if self.text[line_start..range.start].contains(": ") {
            self.replace(class, range, new);
        }
    }

    fn replace(&mut self, class: Class, range: Range<usize>, new: &str) {
        let old = &self.text[range.clone()];
        if old == new {
            return;
        }
        let text = [&self.text[..range.start], new, &self.text[range.end..]].concat();
        let line = self.line(range.start);
        self.made.push(Mutant { file: self.file, class, line, text, change: format!("`{old}` became `{new}`") });
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

/// Places of nodes as ranges of the text.
trait Placed {
    /// Of the content.
    fn span(&self) -> Range<usize>;
    /// With the tag.
    fn whole(&self) -> Range<usize>;
}

impl Placed for Node {
    fn span(&self) -> Range<usize> {
        self.span.start as usize..self.span.end as usize
    }

    fn whole(&self) -> Range<usize> {
        let start = self.tag.as_ref().map_or(self.span.start, |tag| tag.span.start);
        start as usize..self.span.end as usize
    }
}

fn parse(text: &str) -> Option<Arc<Node>> {
    yaml::parse(FileId(0), text, &Limits::default(), &mut Vec::new())
}

fn pairs(node: &Node) -> &[(Arc<Node>, Arc<Node>)] {
    match &node.data {
        Data::Mapping(pairs) => pairs,
        _ => &[],
    }
}

fn entries(root: &Node) -> &[Arc<Node>] {
    match root.get("entries").map(|entries| &entries.data) {
        Some(Data::Sequence(items)) => items,
        _ => &[],
    }
}

/// The text of a text scalar on one line, tagged or not.
fn text_of(node: &Node) -> Option<String> {
    match &node.data {
        Data::Scalar(scalar)
            if scalar.value == Value::Text && !matches!(scalar.style, Style::Literal | Style::Folded) =>
        {
            Some(scalar.text.to_string())
        }
        _ => None,
    }
}

fn visit(node: &Node, see: &mut dyn FnMut(&Node)) {
    see(node);
    match &node.data {
        Data::Scalar(_) => {}
        Data::Sequence(items) => items.iter().for_each(|item| visit(item, see)),
        Data::Mapping(pairs) => {
            for (key, value) in pairs {
                visit(key, see);
                visit(value, see);
            }
        }
    }
}

/// Whether two trees mean the same, wherever their parts stand.
fn same(one: &Node, other: &Node) -> bool {
    let tag = |node: &Node| node.tag.as_ref().map(|tag| tag.name.clone());
    tag(one) == tag(other)
        && match (&one.data, &other.data) {
            (Data::Scalar(one), Data::Scalar(other)) => one.text == other.text && one.value == other.value,
            (Data::Sequence(one), Data::Sequence(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
            }
            (Data::Mapping(one), Data::Mapping(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| same(&one.0, &other.0) && same(&one.1, &other.1))
            }
            _ => false,
        }
}

/// Whether a place is inside the text of a `|` or `>` block, where a line that has slipped in is text like any other.
fn in_block(root: &Node, at: usize) -> bool {
    let mut found = false;
    visit(root, &mut |node| {
        let is_block =
            matches!(&node.data, Data::Scalar(scalar) if matches!(scalar.style, Style::Literal | Style::Folded));
        found |= is_block && node.span().contains(&at);
    });
    found
}

/// Whether a kind understands a name in `attrs`, `identifiers` or a condition.
fn is_field(registry: &Registry, kind: &KindInfo, name: &str) -> bool {
    if kind.meta {
        return ["identifiers", "required"].contains(&name);
    }
    kind.read_only.contains(&name) || lookup::parse(registry, &[kind.index], name).is_ok()
}

/// The texts that a schema allows, as far as it lists them.
fn choices(schema: &serde_json::Value) -> BTreeSet<String> {
    let listed = schema.get("enum").and_then(|listed| listed.as_array()).into_iter().flatten();
    let mut choices: BTreeSet<String> = listed.filter_map(|one| one.as_str().map(str::to_owned)).collect();
    choices.extend(schema.get("const").and_then(|one| one.as_str()).map(str::to_owned));
    for part in ["anyOf", "oneOf"] {
        for branch in schema.get(part).and_then(|branches| branches.as_array()).into_iter().flatten() {
            choices.extend(self::choices(branch));
        }
    }
    if let Some(items) = schema.get("items") {
        choices.extend(self::choices(items));
    }
    choices
}
