//! From drift back to documents: the present values of objects, written into the entries that declare others.
//!
//! Takes a plan that would put the declared state back, and edits the documents so that the plan would be empty. What an
//! edit cannot say (a secret, a value that a tag computes) is left to a person, with the place and the reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    document::{Document, Entry, Pair},
    edit::{self, Edit, Editor, Operation, Step},
    export::{ExportError, References},
    load::Loaded,
    plan::{Action, FieldDiff, Named, ObjectChange, Place, Plan, Shown},
    yaml::{Data, Node},
};
use crate::{
    base::diagnostic::{FileId, Span},
    model::{Change, KindInfo, Model, Need, Reference},
    store::changeset::Ownership,
};

/// Tags that a changed reference may replace.
const REFERENCE_TAGS: [&str; 2] = ["!Find", "!KeyOf"];

/// What adopting came to.
#[derive(Debug, Default)]
pub struct Adoption {
    /// New texts of the documents that change.
    pub texts: BTreeMap<FileId, String>,
    /// What was adopted.
    pub adopted: Vec<Adopted>,
    /// What a person has to change.
    pub left: Vec<Left>,
    /// What a person should look at, because it refers to a removed entry: `file:line: …`.
    pub notes: Vec<String>,
}

/// Something that the documents say now as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Adopted {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The field; none for the existence of the object.
    pub field: Option<String>,
}

/// Something that cannot be adopted.
#[derive(Clone, Debug)]
pub struct Left {
    /// The object.
    pub object: Named,
    /// The field; none for the existence of the object.
    pub field: Option<String>,
    /// `file:line` to look at.
    pub place: Option<String>,
    /// Why.
    pub why: String,
}

/// Edits the documents so that they declare what is there, as far as `wanted` says so of an object and its field.
///
/// # Errors
/// What the model must hold first.
pub fn adopt(
    plan: &Plan,
    loaded: &Loaded,
    model: &Model,
    wanted: &dyn Fn(&Named, Option<&str>) -> bool,
) -> Result<Adoption, Need> {
    let mut work = Work {
        plan,
        loaded,
        model,
        references: References::new(model),
        editors: BTreeMap::new(),
        removals: BTreeSet::new(),
        adoption: Adoption::default(),
    };
    for change in plan.visible() {
        match change.action {
            Action::Update => {
                for diff in change.fields.iter().filter(|diff| wanted(&change.object, Some(&diff.field))) {
                    work.field(change, diff)?;
                }
            }
            Action::Create | Action::Delete if wanted(&change.object, None) => work.existence(change),
            Action::Create | Action::Delete => {}
        }
    }
    work.remove_entries();
    Ok(work.adoption)
}

/// A refusal with the place that it is about.
type Refused = (Option<String>, String);

struct Work<'a> {
    plan: &'a Plan,
    loaded: &'a Loaded,
    model: &'a Model,
    references: References<'a>,
    editors: BTreeMap<FileId, Editor>,
    /// Entries to remove: document and index, with the change that asks for it.
    removals: BTreeSet<(usize, usize, usize)>,
    adoption: Adoption,
}

impl Work<'_> {
    fn left(&mut self, change: &ObjectChange, field: Option<&str>, (place, why): Refused) {
        let (object, field) = (change.object.clone(), field.map(str::to_owned));
        self.adoption.left.push(Left { object, field, place, why });
    }

    fn adopted(&mut self, change: &ObjectChange, field: Option<&str>) {
        let Named { kind, name, .. } = change.object.clone();
        self.adoption.adopted.push(Adopted { kind, name, field: field.map(str::to_owned) });
    }

    fn field(&mut self, change: &ObjectChange, diff: &FieldDiff) -> Result<(), Need> {
        let place = diff.place.as_ref().map(|Place { file, line, .. }| format!("{file}:{line}"));
        if diff.sensitive || [&diff.before, &diff.after].contains(&&Shown::Secret) {
            self.left(change, Some(&diff.field), (place, "its value is a secret".to_owned()));
            return Ok(());
        }
        let sets = |row: &&Ownership| row.object == change.object.id && row.fields.contains(&diff.field);
        let rows: Vec<&Ownership> = self.plan.ownership.iter().filter(sets).collect();
        if rows.is_empty() {
            self.left(change, Some(&diff.field), (place, "no entry of this source sets it".to_owned()));
            return Ok(());
        }
        // All entries that set the field, or none of them.
        let mut edited: BTreeMap<FileId, Editor> = BTreeMap::new();
        for row in rows {
            match self.edit_entry(row, change, diff, &mut edited)? {
                Ok(()) => {}
                Err(refused) => {
                    self.left(change, Some(&diff.field), refused);
                    return Ok(());
                }
            }
        }
        for (file, editor) in edited {
            self.adoption.texts.insert(file, editor.text().to_owned());
            self.editors.insert(file, editor);
        }
        self.adopted(change, Some(&diff.field));
        Ok(())
    }

    fn document(&self, row: &Ownership) -> Option<(usize, &Document, &Entry)> {
        let same = |document: &&Document| document.path == row.document && document.source == row.source;
        let at = self.loaded.documents.iter().position(|document| same(&document))?;
        let document = &self.loaded.documents[at];
        Some((at, document, document.entries.get(row.entry as usize)?))
    }

    fn editor(&self, file: FileId) -> Option<Editor> {
        self.editors.get(&file).cloned().or_else(|| Editor::new(&self.loaded.sources.get(file).text))
    }

    fn edit_entry(
        &mut self,
        row: &Ownership,
        change: &ObjectChange,
        diff: &FieldDiff,
        edited: &mut BTreeMap<FileId, Editor>,
    ) -> Result<Result<(), Refused>, Need> {
        let unusual = || (Some(format!("{}:{}", row.document, row.line)), "the entry cannot be found".to_owned());
        let Some((at, document, entry)) = self.document(row) else { return Ok(Err(unusual())) };
        let file = document.file;
        let Some(mut editor) = edited.remove(&file).or_else(|| self.editor(file)) else { return Ok(Err(unusual())) };
        let info = self.model.registry().get(change.kind);
        let own = |pairs: &[Pair]| pairs.iter().find(|pair| means(info, &pair.key, &diff.field)).cloned();
        let (part, pair) = match (own(&entry.identifiers), own(&entry.attrs)) {
            (Some(pair), None) => ("identifiers", pair),
            (None, Some(pair)) => ("attrs", pair),
            (None, None) => return Ok(Err(unusual())),
            (Some(pair), Some(_)) => {
                let why = "it stands in `identifiers` and in `attrs`".to_owned();
                return Ok(Err((Some(self.loaded.sources.place(pair.key_span)), why)));
            }
        };
        let place = Some(self.loaded.sources.place(pair.key_span));
        let mut path = match edit::entries(editor.root()).into_iter().nth(row.entry as usize) {
            Some(path) => path,
            None => return Ok(Err(unusual())),
        };
        path.extend([part, &pair.key].map(|key| Step::Key(key.to_owned())));
        let reference = info.reference(&diff.field);
        let made = match reference {
            Some(reference) => self.reference_edits(at, &path, &pair.value, reference, diff),
            None => edit::edits(&path, plain(&diff.after), plain(&diff.before), &mut |value| {
                serde_yaml::to_value(value).map_err(ExportError::from)
            }),
        };
        let edits = match made {
            Ok(edits) => edits,
            Err(ExportError::Incomplete(need)) => return Err(need),
            Err(error) => return Ok(Err((place, error.to_string()))),
        };
        let tags: &[&str] = if reference.is_some() { &REFERENCE_TAGS } else { &[] };
        for edit in &edits {
            if let Err(refused) = editor.make(edit, tags) {
                return Ok(Err((place, refused.why.to_string())));
            }
        }
        edited.insert(file, editor);
        Ok(Ok(()))
    }

    /// The edits of a reference field. Items of a list that stay keep their place and form.
    fn reference_edits(
        &mut self,
        at: usize,
        path: &[Step],
        node: &Node,
        reference: &Reference,
        diff: &FieldDiff,
    ) -> Result<Vec<Edit>, ExportError> {
        let (loaded, plan) = (self.loaded, self.plan);
        let document = &loaded.documents[at];
        let entry_id = |id: Uuid| {
            let here = |row: &&Ownership| row.object == id && row.document == document.path;
            let entries = plan.ownership.iter().filter(here).filter_map(|row| document.entries.get(row.entry as usize));
            entries.filter_map(|entry| entry.id.as_ref()).map(|(id, _)| id.to_string()).next()
        };
        let (declared, present) = (ids(&diff.after), ids(&diff.before));
        let text = |id: &Uuid| Json::String(id.to_string());
        let (before, after) = if reference.many {
            let written = match (&node.tag, &node.data) {
                (None, Data::Sequence(items)) => {
                    items.iter().map(|item| self.target(document, item, &declared)).collect()
                }
                _ => None,
            };
            let written: Option<Vec<Uuid>> = written.filter(|written: &Vec<Uuid>| written.len() == declared.len());
            let order: Vec<Uuid> = written.clone().unwrap_or_default();
            let kept = order.iter().filter(|id| present.contains(id));
            let added = present.iter().filter(|id| !order.contains(id));
            let after = Json::Array(kept.chain(added).map(text).collect());
            (written.map_or(Json::Null, |written| Json::Array(written.iter().map(text).collect())), after)
        } else {
            (declared.first().map_or(Json::Null, text), present.first().map_or(Json::Null, text))
        };
        let references = &mut self.references;
        let mut write = |value: &Json| -> Result<serde_yaml::Value, ExportError> {
            let mut one = |value: &Json| match value.as_str().and_then(|text| text.parse().ok()) {
                Some(id) => references.write(id, &entry_id),
                None => Ok(serde_yaml::Value::Null),
            };
            match value {
                Json::Array(items) => Ok(serde_yaml::Value::Sequence(items.iter().map(one).collect::<Result<_, _>>()?)),
                other => one(other),
            }
        };
        edit::edits(path, &before, &after, &mut write)
    }

    /// Which of some objects a written reference means, as far as that shows without evaluating anything.
    fn target(&self, document: &Document, node: &Node, among: &[Uuid]) -> Option<Uuid> {
        among.iter().copied().find(|id| self.means_object(document, node, *id))
    }

    fn means_object(&self, document: &Document, node: &Node, id: Uuid) -> bool {
        let Some(object) = self.model.known(id) else { return false };
        let text = |node: &Node| match &node.data {
            Data::Scalar(scalar) => Some(scalar.text.to_string()),
            _ => None,
        };
        match (node.tag.as_ref().map(|tag| tag.name.as_str()), &node.data) {
            (Some("!KeyOf"), _) => {
                let named = text(node);
                let entry = document
                    .entries
                    .iter()
                    .position(|entry| entry.id.as_ref().is_some_and(|(id, _)| Some(&**id) == named.as_deref()));
                let own = |row: &Ownership| row.object == id && row.document == document.path;
                self.plan.ownership.iter().any(|row| own(row) && Some(row.entry as usize) == entry)
            }
            (Some("!Find"), Data::Sequence(parts)) => {
                let Some((model, conditions)) = parts.split_first() else { return false };
                let info = self.model.registry().get(object.kind);
                let of_kind = model.as_text().is_some_and(|model| info.is_a(model) || info.name == model);
                of_kind
                    && conditions.iter().all(|condition| {
                        let Data::Sequence(pair) = &condition.data else { return false };
                        let [field, value] = pair.as_slice() else { return false };
                        let Some(field) = field.as_text() else { return false };
                        if let Some(target) = object.targets(field).first() {
                            return self.means_object(document, value, *target);
                        }
                        match (value.tag.is_none(), object.attrs.get(field), text(value)) {
                            (true, Some(Json::String(present)), Some(text)) => *present == text,
                            (true, Some(present), Some(text)) => text == format!("{present}"),
                            _ => false,
                        }
                    })
            }
            (None, _) => {
                let written = text(node);
                written.as_deref().and_then(|text| text.parse().ok()) == Some(id)
                    || object.number.is_some() && written == object.number.map(|number| number.to_string())
            }
            _ => false,
        }
    }

    /// An object that is not there any more takes its entries with it; one that should not be there takes the entry that
    /// says so.
    fn existence(&mut self, change: &ObjectChange) {
        let number = self.plan.changes.iter().position(|other| std::ptr::eq(other, change)).unwrap_or_default();
        let own = |row: &&Ownership| row.object == change.object.id;
        let mut entries: Vec<(usize, usize)> = Vec::new();
        for row in self.plan.ownership.iter().filter(own) {
            entries.extend(self.document(row).map(|(at, ..)| (at, row.entry as usize)));
        }
        if change.action == Action::Delete {
            for place in &change.places {
                entries.extend(self.entry_at(place));
            }
        }
        if entries.is_empty() {
            self.left(change, None, (None, "no entry of this source is about it".to_owned()));
            return;
        }
        for (document, entry) in entries {
            self.removals.insert((document, entry, number));
        }
    }

    fn entry_at(&self, place: &Place) -> Option<(usize, usize)> {
        let line = |span: Span| self.loaded.sources.get(span.file).position(span.start).0;
        self.loaded.documents.iter().enumerate().find_map(|(at, document)| {
            let here = *self.loaded.sources.get(document.file).name == *place.file;
            let entry = document.entries.iter().position(|entry| here && line(entry.span) == place.line)?;
            Some((at, entry))
        })
    }

    /// Removes entries from the last to the first, so that their places stay the same.
    fn remove_entries(&mut self) {
        let plan = self.plan;
        let mut refused: BTreeSet<usize> = BTreeSet::new();
        let removals = std::mem::take(&mut self.removals);
        for (at, entry, number) in removals.iter().rev() {
            let document = &self.loaded.documents[*at];
            let span = document.entries[*entry].span;
            let Some(mut editor) = self.editor(document.file) else { continue };
            let paths = edit::entries(editor.root());
            let outcome = match paths.into_iter().nth(*entry) {
                Some(path) => {
                    editor.make(&Edit { path, operation: Operation::Remove }, &[]).map_err(|why| why.why.to_string())
                }
                None => Err("the entry cannot be found".to_owned()),
            };
            match outcome {
                Ok(()) => {
                    self.note_references(document, *entry, &removals);
                    self.adoption.texts.insert(document.file, editor.text().to_owned());
                    self.editors.insert(document.file, editor);
                }
                Err(why) if refused.insert(*number) => {
                    let place = self.loaded.sources.place(span);
                    self.left(&plan.changes[*number], None, (Some(place), why));
                }
                Err(_) => {}
            }
        }
        let numbers: BTreeSet<usize> = removals.iter().map(|(_, _, number)| *number).collect();
        for number in numbers.difference(&refused) {
            self.adopted(&plan.changes[*number], None);
        }
    }

    /// Names the entries that refer to a removed one and stay.
    fn note_references(&mut self, document: &Document, removed: usize, removals: &BTreeSet<(usize, usize, usize)>) {
        let Some((id, _)) = &document.entries[removed].id else { return };
        let gone = |index: usize| {
            removals.iter().any(|(at, entry, _)| std::ptr::eq(&self.loaded.documents[*at], document) && *entry == index)
        };
        let mut spans = Vec::new();
        for (index, entry) in document.entries.iter().enumerate() {
            if !gone(index) {
                let pairs = entry.identifiers.iter().chain(&entry.attrs).map(|pair| &pair.value);
                pairs.chain(&entry.conditions).for_each(|node| key_of(node, id, &mut spans));
            }
        }
        let notes = spans
            .into_iter()
            .map(|span| format!("{}: refers to the removed entry `{id}` by !KeyOf", self.loaded.sources.place(span)));
        let notes: Vec<String> = notes.collect();
        self.adoption.notes.extend(notes);
    }
}

/// Collects the places that refer to an entry by its id.
fn key_of(node: &Node, id: &str, spans: &mut Vec<Span>) {
    match &node.data {
        Data::Scalar(scalar) => {
            if node.tag.as_ref().is_some_and(|tag| tag.name == "!KeyOf") && &*scalar.text == id {
                spans.push(node.span);
            }
        }
        Data::Sequence(items) => items.iter().for_each(|item| key_of(item, id, spans)),
        Data::Mapping(pairs) => pairs.iter().for_each(|(_, value)| key_of(value, id, spans)),
    }
}

/// Whether a key of an entry means a field, by its name here or in another release.
fn means(info: &KindInfo, key: &str, field: &str) -> bool {
    let renamed = |change: &Change| matches!(change, Change::Renamed { from, to, .. } if *from == key && *to == field);
    key == field || !info.fields.contains_key(key) && info.changes.iter().any(renamed)
}

fn plain(shown: &Shown) -> &Json {
    match shown {
        Shown::Json(value) => value,
        _ => &Json::Null,
    }
}

fn ids(shown: &Shown) -> Vec<Uuid> {
    match shown {
        Shown::Objects(objects) => objects.iter().map(|object| object.id).collect(),
        _ => Vec::new(),
    }
}
