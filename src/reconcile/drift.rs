//! Drift: where the running state is not what the source left behind, by full comparison; who changed it, from where and
//! when, by the change log; and how the documents of the source can take it over.

mod patch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    attempt::{self, AttemptError},
    content::{Content, Revision, SourceFile},
    documents, obtain,
    settings::Settings,
    state::{State, Tolerated},
    surroundings::Surroundings,
    tolerate,
};
use crate::{
    base::diagnostic::Diagnostic,
    blueprint::{
        adopt::{self, Adopted, Left},
        drive::{self, SourcePlan},
        load::Loaded,
        plan::{Action, Counts, FieldDiff, Named, ObjectChange, Place, Plan, Shown, label},
        render,
    },
    model::{Model, Registry},
    store::{ChangeRecord, Store, StoreError, changeset::Ownership},
};

/// How the running state compares with a source.
#[derive(Debug)]
pub struct Report {
    /// Name of the source.
    pub source: String,
    /// Whether a comparison could be made, and what with.
    pub standing: Standing,
    /// The revision that was looked at.
    pub revision: Option<Revision>,
    /// Objects that differ.
    pub objects: Vec<Drifted>,
    /// Objects that the source owns and no longer declares.
    pub orphans: Vec<Orphan>,
}

/// What a source could be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// With the content that was applied.
    Compared,
    /// Nothing was ever applied, so that nothing can have drifted.
    NothingApplied,
    /// The newest content is not what was applied; what differs from it is to be applied and no drift.
    Pending {
        /// What changed: `revision`, `declaration` or `inputs`.
        what: &'static str,
        /// What applying it would do.
        counts: Counts,
    },
    /// There is no comparison, and why.
    Failed(String),
}

/// An object that is not as declared.
#[derive(Debug)]
pub struct Drifted {
    /// The object.
    pub object: Named,
    /// What people call its kind.
    pub title: &'static str,
    /// Its name as it may be shown.
    pub shown: String,
    /// What is wrong with it.
    pub what: What,
    /// Entries that declare it.
    pub places: Vec<Place>,
    /// Who deleted or made it; for fields see there.
    pub blame: Option<Blame>,
    /// Set when it is to be left alone.
    pub tolerated: Option<Tolerated>,
}

/// What is wrong with an object.
#[derive(Debug)]
pub enum What {
    /// Fields have other values.
    Differs(Vec<DriftedField>),
    /// It is not there; what its entry declared before may be there under another name.
    Missing {
        /// The object of that entry as it is called now.
        renamed: Option<String>,
    },
    /// It is there although it is declared absent.
    Unwanted,
}

/// A field that is not as declared.
#[derive(Debug)]
pub struct DriftedField {
    /// The field.
    pub field: String,
    /// The declared value, without secrets.
    pub declared: Value,
    /// The present value, without secrets.
    pub present: Value,
    /// The same for people.
    pub differences: Vec<render::Difference>,
    /// Where it is declared.
    pub place: Option<Place>,
    /// Who changed it.
    pub blame: Option<Blame>,
    /// Set when it is to be left alone.
    pub tolerated: Option<Tolerated>,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Who.
    pub actor: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// The run.
    pub run: i64,
    /// Where the run's documents came from.
    pub origin: String,
}

/// An object that a source owns and no longer declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// `document:line` where it was declared.
    pub place: String,
}

/// A report with what it was made from, for adopting.
pub struct Comparison {
    /// The report.
    pub report: Report,
    material: Option<Material>,
}

struct Material {
    content: Arc<Content>,
    loaded: Loaded,
    plan: Plan,
    model: Model,
}

impl Report {
    /// Whether anything differs that is not tolerated.
    pub fn has_drift(&self) -> bool {
        self.objects.iter().any(|object| match &object.what {
            _ if object.tolerated.is_some() => false,
            What::Differs(fields) => fields.iter().any(|field| field.tolerated.is_none()),
            What::Missing { .. } | What::Unwanted => true,
        })
    }

    /// What a text of the form `KIND/NAME` or `KIND/NAME.FIELD` means among the drifted objects.
    pub fn find(&self, selector: &str) -> Option<(&Drifted, Option<&str>)> {
        self.objects.iter().find_map(|object| {
            let rest = selector.strip_prefix(&object.object.kind)?.strip_prefix('/')?;
            if rest == object.object.name {
                return Some((object, None));
            }
            let field = rest.strip_prefix(&object.object.name)?.strip_prefix('.')?;
            let What::Differs(fields) = &object.what else { return None };
            let field = fields.iter().find(|drifted| drifted.field == field)?;
            Some((object, Some(field.field.as_str())))
        })
    }
}

/// Compares the running state with a source. Nothing is written.
///
/// # Errors
/// When the store fails. What is wrong with the source is in the report.
pub async fn compare(around: &Surroundings, settings: &Settings) -> Result<Comparison, AttemptError> {
    let state = attempt::state_of(around.store.source(&settings.name).await?.as_ref());
    let mut report = Report {
        source: settings.name.clone(),
        standing: Standing::NothingApplied,
        revision: None,
        objects: Vec::new(),
        orphans: Vec::new(),
    };
    let without = |report| Ok(Comparison { report, material: None });
    let Some(applied) = &state.applied else { return without(report) };
    let content = match obtain::content(around, settings, Some(&applied.revision), &mut None).await {
        Ok(content) => content,
        Err(error) => {
            report.standing = Standing::Failed(error.message);
            return without(report);
        }
    };
    report.revision = Some(content.revision.clone());
    let inputs = match documents::inputs(around, settings) {
        Ok(inputs) => inputs,
        Err(error) => {
            report.standing = Standing::Failed(format!("`allow_env` holds a pattern that is none: {error}"));
            return without(report);
        }
    };
    let mut loaded = documents::load(settings, &content, &inputs);
    let SourcePlan { mut planned, orphans, .. } =
        drive::plan_source(&around.store, &around.registry, &mut loaded, &inputs, &settings.name, false).await?;
    let mut found = std::mem::take(&mut loaded.found);
    found.append(&mut planned.outcome.found);
    loaded.sources.sort(&mut found);
    let errors = found.iter().filter(|finding| finding.is_error()).count();
    if let Some(error) = found.iter().find(|finding| finding.is_error()) {
        report.standing = Standing::Failed(documents::first_error(&loaded, error, errors));
        return without(report);
    }
    let plan = planned.outcome.plan;
    let what = if applied.revision.digest != content.revision.digest || applied.basis.content != content.revision.digest
    {
        Some("revision")
    } else if applied.basis.settings != settings.digest {
        Some("declaration")
    } else {
        (applied.basis.inputs != documents::used(around, &inputs)).then_some("inputs")
    };
    if let Some(what) = what {
        report.standing = Standing::Pending { what, counts: plan.counts() };
        return without(report);
    }
    report.standing = Standing::Compared;
    let ids: Vec<Uuid> = orphans.iter().map(|row| row.object).collect();
    let mut model = planned.model;
    let mut reader = around.store.read().await?;
    for object in reader.load_ids(&around.registry, ids).await? {
        model.put(Arc::new(object));
    }
    drop(reader);
    let mut seen = BTreeSet::new();
    for row in orphans.iter().filter(|row| seen.insert(row.object)) {
        let Some(object) = model.known(row.object) else { continue };
        let kind = around.registry.get(object.kind).name.to_owned();
        let name = label(&model, object);
        report.orphans.push(Orphan { kind, name, place: format!("{}:{}", row.document, row.line) });
    }
    for change in plan.visible() {
        let renamed = renamed(&plan, change, &orphans).filter(|id| model.known(*id).is_some());
        let mut drifted = drifted(&around.store, &around.registry, settings, &state, &plan, change).await?;
        if let (Some(id), What::Missing { renamed }) = (renamed, &mut drifted.what) {
            *renamed = model.known(id).map(|object| label(&model, object));
            let log = around.store.changes_of(id).await?;
            if let Some(record) = log.iter().rev().find(|record| record.action == "update") {
                drifted.blame = blamed(&around.store, record, &format!("source:{}", settings.name)).await?;
            }
        }
        report.objects.push(drifted);
    }
    Ok(Comparison { report, material: Some(Material { content, loaded, plan, model }) })
}

async fn drifted(
    store: &Store,
    registry: &Registry,
    settings: &Settings,
    state: &State,
    plan: &Plan,
    change: &ObjectChange,
) -> Result<Drifted, StoreError> {
    let Named { id, kind, name, .. } = &change.object;
    let tolerated = |field: Option<&str>| tolerate::decision(&state.tolerated, kind, name, field).cloned();
    let own = format!("source:{}", settings.name);
    let mut blame = None;
    let what = match change.action {
        Action::Update => {
            let log = store.changes_of(*id).await?;
            let mut fields = Vec::new();
            for diff in &change.fields {
                let mut record = last_change(&log, &diff.field, is_membership(registry, change, diff)).cloned();
                for (member, field) in members(registry, change, diff) {
                    let other = last_change(&store.changes_of(member).await?, field, true).cloned();
                    if other.as_ref().map(|other| other.seq) > record.as_ref().map(|record| record.seq) {
                        record = other;
                    }
                }
                fields.push(DriftedField {
                    field: diff.field.clone(),
                    declared: shown(diff, &diff.after),
                    present: shown(diff, &diff.before),
                    differences: render::differences(plan, registry, change, diff),
                    place: diff.place.clone(),
                    blame: match &record {
                        Some(record) => blamed(store, record, &own).await?,
                        None => None,
                    },
                    tolerated: tolerated(Some(&diff.field)),
                });
            }
            What::Differs(fields)
        }
        Action::Create => {
            if let Some(record) = store.last_deletion(kind, name).await? {
                blame = blamed(store, &record, &own).await?;
            }
            What::Missing { renamed: None }
        }
        Action::Delete => {
            let log = store.changes_of(*id).await?;
            if let Some(record) = log.iter().rev().find(|record| record.action == "create") {
                blame = blamed(store, record, &own).await?;
            }
            What::Unwanted
        }
    };
    let shown = render::shown_name(plan, registry, name);
    let title = registry.get(change.kind).title;
    let places = change.places.clone();
    Ok(Drifted { object: change.object.clone(), title, shown, what, places, blame, tolerated: tolerated(None) })
}

/// For an object that is missing, the one that its entry declared when the source was applied.
fn renamed(plan: &Plan, change: &ObjectChange, orphans: &[Ownership]) -> Option<Uuid> {
    let mut rows = plan.ownership.iter().filter(|row| row.object == change.object.id);
    rows.find_map(|row| {
        let same = |orphan: &&Ownership| (&orphan.document, orphan.entry) == (&row.document, row.entry);
        orphans.iter().find(same).map(|orphan| orphan.object)
    })
}

/// The last change of a field. Writes that only follow from the other side of a membership name no field.
fn last_change<'l>(log: &'l [ChangeRecord], field: &str, membership: bool) -> Option<&'l ChangeRecord> {
    let touches = |record: &&ChangeRecord| {
        record.fields.iter().any(|change| change.field == field)
            || membership && record.action == "update" && record.fields.is_empty()
    };
    log.iter().rev().find(touches)
}

/// Whether a field is the near side of a membership.
fn is_membership(registry: &Registry, change: &ObjectChange, diff: &FieldDiff) -> bool {
    let reference = registry.get(change.kind).reference(&diff.field);
    reference.is_some_and(|reference| reference.many && reference.inverse.is_none())
}

/// For the far side of a membership, the members that come or go, and the field of theirs that says so.
fn members(registry: &Registry, change: &ObjectChange, diff: &FieldDiff) -> Vec<(Uuid, &'static str)> {
    let field = registry.get(change.kind).reference(&diff.field).and_then(|reference| reference.inverse);
    let Some(field) = field else { return Vec::new() };
    let ids = |shown: &Shown| match shown {
        Shown::Objects(objects) => objects.iter().map(|object| object.id).collect::<BTreeSet<_>>(),
        _ => BTreeSet::new(),
    };
    ids(&diff.before).symmetric_difference(&ids(&diff.after)).map(|member| (*member, field)).collect()
}

/// Who is behind a change; nobody when the source itself made it.
async fn blamed(store: &Store, record: &ChangeRecord, own: &str) -> Result<Option<Blame>, StoreError> {
    if record.actor == own {
        return Ok(None);
    }
    let origin = store.run(record.run).await?.map(|run| run.run.origin).unwrap_or_default();
    Ok(Some(Blame { actor: record.actor.clone(), at: record.at, run: record.run, origin }))
}

fn shown(diff: &FieldDiff, value: &Shown) -> Value {
    match value {
        Shown::Nothing => Value::Null,
        _ if diff.sensitive => json!("(secret)"),
        Shown::Json(value) => value.clone(),
        Shown::Objects(objects) => {
            objects.iter().map(|object| json!({ "kind": object.kind, "name": object.name, "id": object.id })).collect()
        }
        Shown::Secret => json!("(secret)"),
        Shown::Generated => json!("(generated)"),
    }
}

/// What adopting came to.
#[derive(Debug, Default)]
pub struct Adoption {
    /// One patch for each file that changes.
    pub patches: Vec<Patch>,
    /// Number of fields and objects that the patches take over.
    pub adopted: usize,
    /// What a person has to change.
    pub left: Vec<Left>,
    /// What a person should look at: `file:line: …`.
    pub notes: Vec<String>,
}

/// The change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Path in the repository, or below the location of a directory.
    pub path: String,
    /// A unified diff that `git apply` takes.
    pub diff: String,
    /// Whether lines of the diff hold secrets of the file.
    pub secret: bool,
}

/// Adopting that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The store failed.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// The patched documents would not declare what is there.
    #[error("the patched documents would not declare what is there, so no patch is given: {0}")]
    NotAchieved(String),
}

impl From<StoreError> for AdoptError {
    fn from(error: StoreError) -> Self {
        AdoptError::Attempt(error.into())
    }
}

/// Writes what is there into the documents, as far as `wanted` says so of an object and its field, and makes sure that the
/// outcome declares it.
///
/// # Errors
/// When the store fails, or the outcome is not as it should be.
pub async fn adopt(
    around: &Surroundings,
    settings: &Settings,
    comparison: &Comparison,
    wanted: &(dyn Fn(&Named, Option<&str>) -> bool + Sync),
) -> Result<Adoption, AdoptError> {
    let Some(material) = &comparison.material else { return Ok(Adoption::default()) };
    let mut model = material.model.clone();
    let renamed: BTreeMap<Uuid, &Drifted> = comparison
        .report
        .objects
        .iter()
        .filter(|object| matches!(&object.what, What::Missing { renamed: Some(_) }))
        .map(|object| (object.object.id, object))
        .collect();
    // The entry of an object that only changed its name is not to go.
    let clear = |object: &Named, field: Option<&str>| !renamed.contains_key(&object.id) && wanted(object, field);
    let made = loop {
        match adopt::adopt(&material.plan, &material.loaded, &model, &clear) {
            Ok(made) => break made,
            Err(need) => {
                let mut reader = around.store.read().await?;
                model = drive::supply(&mut reader, model, vec![need]).await?;
            }
        }
    };
    let mut adoption =
        Adoption { adopted: made.adopted.len(), left: made.left, notes: made.notes, ..Adoption::default() };
    for drifted in renamed.values().filter(|drifted| wanted(&drifted.object, None)) {
        let What::Missing { renamed: Some(name) } = &drifted.what else { continue };
        let place = drifted.places.first().map(|Place { file, line, .. }| format!("{file}:{line}"));
        let why = format!("the object of this entry is called {} now", render::visible(name));
        adoption.left.push(Left { object: drifted.object.clone(), field: None, place, why });
    }
    let mut files: BTreeMap<String, SourceFile> =
        material.content.files.iter().map(|file| (file.path.clone(), file.clone())).collect();
    for (id, text) in &made.texts {
        let sources = &material.loaded.sources;
        let before = sources.get(*id);
        let document = material.loaded.documents.iter().find(|document| document.file == *id);
        let Some(file) = document.and_then(|document| files.get_mut(&document.path)) else { continue };
        let mark = if material.loaded.has_bom(*id) { "\u{feff}" } else { "" };
        if *file.bytes != *format!("{mark}{}", before.text).as_bytes() {
            let why = format!("{} is stored in another form than it is read, perhaps encrypted", before.name);
            return Err(AdoptError::NotAchieved(why));
        }
        file.bytes = format!("{mark}{text}").into_bytes().into();
        let path = patch::path(settings, &file.path);
        let secret = patch::shows_secret(&material.loaded, *id, &before.text, text);
        let diff = patch::unified(&path, &format!("{mark}{}", before.text), &format!("{mark}{text}"));
        adoption.patches.push(Patch { path, diff, secret });
    }
    let content = Content {
        revision: material.content.revision.clone(),
        files: files.into_values().collect(),
        beside: material.content.beside.clone(),
    };
    verify(around, settings, material, &content, &made.adopted).await?;
    Ok(adoption)
}

/// Plans the patched documents, and finds that what was adopted is no drift any more and that nothing else became one.
async fn verify(
    around: &Surroundings,
    settings: &Settings,
    material: &Material,
    content: &Content,
    adopted: &[Adopted],
) -> Result<(), AdoptError> {
    let refused = |why: String| Err(AdoptError::NotAchieved(why));
    let inputs = match documents::inputs(around, settings) {
        Ok(inputs) => inputs,
        Err(error) => return refused(error.to_string()),
    };
    let mut loaded = documents::load(settings, content, &inputs);
    let mut after = drive::plan_source(&around.store, &around.registry, &mut loaded, &inputs, &settings.name, false)
        .await
        .map_err(AttemptError::from)?;
    let mut found = std::mem::take(&mut loaded.found);
    found.append(&mut after.planned.outcome.found);
    let errors: Vec<&Diagnostic> = found.iter().filter(|finding| finding.is_error()).collect();
    if let Some(error) = errors.first() {
        return refused(documents::first_error(&loaded, error, errors.len()));
    }
    let before = drifts(&material.plan);
    let adopted: BTreeSet<Adopted> = adopted.iter().cloned().collect();
    let left: Vec<String> = drifts(&after.planned.outcome.plan)
        .into_iter()
        .filter(|drift| adopted.contains(drift) || !before.contains(drift))
        .map(|Adopted { kind, name, field }| match field {
            Some(field) => format!("{kind}/{name}.{field}"),
            None => format!("{kind}/{name}"),
        })
        .collect();
    if left.is_empty() { Ok(()) } else { refused(format!("{} would still differ", left.join(", "))) }
}

fn drifts(plan: &Plan) -> BTreeSet<Adopted> {
    let mut all = BTreeSet::new();
    for change in plan.visible() {
        let one = |field| Adopted { kind: change.object.kind.clone(), name: change.object.name.clone(), field };
        match change.action {
            Action::Update => all.extend(change.fields.iter().map(|diff| one(Some(diff.field.clone())))),
            Action::Create | Action::Delete => drop(all.insert(one(None))),
        }
    }
    all
}
