//! The plan that leads from one revision's blueprints to another's, in an otherwise empty system.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::renames;
use crate::{
    base::diagnostic::{Code, Diagnostic},
    blueprint::{
        drive::Keyed,
        engine::{self, Options, Outcome, Run},
        inputs::Inputs,
        load::Loaded,
        plan::{Plan, Pruned},
        render, shipped,
    },
    model::{Model, Need, Registry, SecretState},
    reconcile::content::Content,
    store::{Key, KeyError, changeset::SecretWrite},
};

/// Under this name the blueprints of both revisions are known.
const SOURCE: &str = "repository";

/// How to compare.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Folder of the blueprints within the repository, for the names of files in messages.
    pub folder: &'a str,
    /// Whether the program's own blueprints are there as well, as they are in a real system.
    pub shipped: bool,
    /// Contradicting entries: the last one wins, with a warning.
    pub last_wins: bool,
}

/// Why a comparison did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The system gives no random bytes.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A model that holds everything was asked for more.
    #[error("the model was asked for more than it can hold: {0:?}")]
    Needs(BTreeSet<Need>),
    /// The program's own blueprints have mistakes.
    #[error("the shipped blueprints do not apply: {0}")]
    Shipped(String),
}

/// What a comparison came to.
pub struct Compared {
    /// The documents of the head.
    pub loaded: Loaded,
    /// The changes, renames as updates. Empty when refused.
    pub plan: Plan,
    /// The model of the base; an object that the head renames has the id that it has in the head.
    pub before: Model,
    /// The model of the head.
    pub after: Model,
    /// Findings about the head.
    pub found: Vec<Diagnostic>,
    /// What is wrong with the base alone, in one line each.
    pub base_faults: Vec<String>,
    /// Variables and files whose values are not known here, and files that cannot be decrypted here.
    pub unknown: BTreeSet<String>,
}

impl Compared {
    /// Whether a finding about the head refuses the plan.
    pub fn is_refused(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }
}

/// Plans the blueprints of `head` against a model made of `base`. What only `base` declares is deleted.
///
/// Values from the environment or from files that may not be read here are unknown: they change nothing and are named
/// in [`Compared::unknown`].
///
/// # Errors
/// When the comparison cannot be made at all; mistakes in the blueprints are findings.
pub fn compare(
    registry: &Arc<Registry>,
    base: &Content,
    head: &Content,
    inputs: &Inputs,
    how: How<'_>,
) -> Result<Compared, CompareError> {
    let key = Key::generate()?;
    let secrets = Keyed(&key);
    let inputs = Inputs { lenient: true, ..inputs.clone() };
    let options = Options { offline: false, last_wins: how.last_wins };
    let mut model = Model::empty(registry.clone());
    if how.shipped {
        let mut loaded = Loaded::default();
        shipped::add(&mut loaded);
        loaded.arrange(&model, false);
        let outcome = engine::run(&loaded, &inputs, &secrets, &model, options).map_err(CompareError::Needs)?;
        if let Some(error) = outcome.found.iter().chain(&loaded.found).find(|finding| finding.is_error()) {
            return Err(CompareError::Shipped(error.message.clone()));
        }
        settle(&mut model, &outcome.plan, &key);
    }
    // What cannot be decrypted here is left out of both sides, so that it does not seem to come or go.
    let sealed: BTreeSet<String> =
        [base, head].into_iter().flat_map(|side| sealed(&load(side, how.folder, &BTreeSet::new(), &inputs))).collect();
    let mut hidden = BTreeSet::new();
    let own: HashSet<Uuid> = model.objects().map(|object| object.id).collect();

    let (outcome, base_faults) = apply_base(&model, base, &sealed, &inputs, &secrets, how, options)?;
    settle(&mut model, &outcome.plan, &key);
    hidden.append(&mut render::hidden(&outcome.plan, registry));
    let mut declared: BTreeMap<Uuid, String> = BTreeMap::new();
    for row in outcome.plan.ownership.iter().filter(|row| !own.contains(&row.object)) {
        let place = format!("`{}:{}`", shown(how.folder, &row.document), row.line);
        declared.entry(row.object).or_insert(place);
    }

    let mut loaded = load(head, how.folder, &sealed, &inputs);
    loaded.arrange(&model, how.last_wins);
    let mut run = Run::new(&loaded, &inputs, &secrets, model.clone(), options);
    let mut outcome = run.advance().map_err(CompareError::Needs)?;
    // A mistake that only the plan shows, such as a key that an object still has which goes, may not survive the pruning;
    // with any other there is no plan, and nothing is known of what the head declares.
    let errors = outcome.found.iter().chain(&loaded.found).any(Diagnostic::is_error);
    if !errors || !outcome.plan.ownership.is_empty() {
        let still: HashSet<Uuid> = outcome.plan.ownership.iter().map(|row| row.object).collect();
        let gone: HashSet<Uuid> = outcome
            .plan
            .changes
            .iter()
            .filter(|change| change.after.is_none())
            .map(|change| change.object.id)
            .collect();
        let pruned: Vec<Pruned> = declared
            .into_iter()
            .filter(|(id, _)| !still.contains(id) && !gone.contains(id))
            .map(|(object, place)| Pruned { object, reason: format!("no longer declared; it was in {place}") })
            .collect();
        if !pruned.is_empty() {
            run.prune(pruned);
            outcome = run.advance().map_err(CompareError::Needs)?;
        }
    }
    drop(run);
    let Outcome { mut plan, mut found, .. } = outcome;
    found.append(&mut loaded.found);
    if found.iter().any(Diagnostic::is_error) {
        plan = Plan::default();
    }
    let mut unknown: BTreeSet<String> = sealed.iter().map(|file| format!("the encrypted file `{file}`")).collect();
    found.retain(|finding| {
        let name = unknown_input(finding);
        let keep = name.is_none();
        unknown.extend(name);
        keep
    });
    let after = plan.applied_to(&model);
    hidden.append(&mut render::hidden(&plan, registry));
    plan.hidden = hidden;
    renames::fold(&mut plan, &mut model, &after, &secrets);
    Ok(Compared { loaded, plan, before: model, after, found, base_faults, unknown })
}

/// The documents of a head by themselves, and what is left out of them because it cannot be decrypted here.
pub fn load_head(head: &Content, folder: &str, inputs: &Inputs) -> (Loaded, BTreeSet<String>) {
    let loaded = load(head, folder, &BTreeSet::new(), inputs);
    let sealed = sealed(&loaded);
    if sealed.is_empty() { (loaded, sealed) } else { (load(head, folder, &sealed, inputs), sealed) }
}

/// Plans the base. Files that have mistakes are left out, with a word about each.
fn apply_base(
    model: &Model,
    base: &Content,
    sealed: &BTreeSet<String>,
    inputs: &Inputs,
    secrets: &Keyed<'_>,
    how: How<'_>,
    options: Options,
) -> Result<(Outcome, Vec<String>), CompareError> {
    let mut left_out = sealed.clone();
    let mut faults = Vec::new();
    loop {
        let mut loaded = load(base, how.folder, &left_out, inputs);
        loaded.arrange(model, how.last_wins);
        let mut outcome = engine::run(&loaded, inputs, secrets, model, options).map_err(CompareError::Needs)?;
        let found: Vec<&Diagnostic> =
            outcome.found.iter().chain(&loaded.found).filter(|finding| finding.is_error()).collect();
        if found.is_empty() {
            return Ok((outcome, faults));
        }
        let mut broken = BTreeSet::new();
        for finding in found {
            let file = match (&finding.path, finding.span()) {
                (Some(path), _) => Some(path.clone()),
                (None, Some(span)) => Some(loaded.sources.get(span.file).name.clone()),
                (None, None) => None,
            };
            let place =
                finding.span().map_or_else(|| file.clone().unwrap_or_default(), |span| loaded.sources.place(span));
            // One word a file is enough; it is the base that is broken, and nobody mends it here.
            if file.as_ref().is_none_or(|file| broken.insert(file.clone())) {
                faults.push(format!("{place}: {}", finding.message));
            }
        }
        let before = left_out.len();
        left_out.extend(broken);
        if left_out.len() == before || left_out.len() > base.files.len() {
            // A mistake that belongs to no file: nothing of the base can be used.
            outcome.plan = Plan::default();
            return Ok((outcome, faults));
        }
    }
}

fn shown(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

fn load(content: &Content, folder: &str, without: &BTreeSet<String>, inputs: &Inputs) -> Loaded {
    let mut loaded = Loaded::with_keys(inputs.sops.clone());
    for file in &content.files {
        let name = shown(folder, &file.path);
        if !without.contains(&name) {
            loaded.add_held(&name, &file.path, SOURCE, &file.bytes, content.beside.as_ref());
        }
    }
    loaded
}

/// The files that need a key which is not here.
fn sealed(loaded: &Loaded) -> BTreeSet<String> {
    let found = loaded.found.iter().filter(|finding| [Code::SOPS_NO_KEY, Code::SOPS_WRONG_KEY].contains(&finding.code));
    found.filter_map(|finding| finding.span()).map(|span| loaded.sources.get(span.file).name.clone()).collect()
}

/// Applies a plan to a model as a store would, as far as it matters for a comparison.
fn settle(model: &mut Model, plan: &Plan, key: &Key) {
    for change in &plan.changes {
        let Some(after) = &change.after else {
            model.remove(change.object.id);
            continue;
        };
        let mut object = (**after).clone();
        object.number = object.number.or(change.number);
        for (field, write) in &change.secrets {
            match write {
                SecretWrite::Seal(text) | SecretWrite::Hash(text) => {
                    object.secrets.insert(field, SecretState::Sealed(key.digest(text)));
                }
                // Only a rollback writes values that are sealed or hashed already.
                SecretWrite::Clear | SecretWrite::Sealed { .. } | SecretWrite::Hashed(_) => {
                    object.secrets.remove(field);
                }
            }
        }
        model.put(Arc::new(object));
    }
}

/// What a finding says cannot be known here, if it is such a finding and no error.
pub(super) fn unknown_input(finding: &Diagnostic) -> Option<String> {
    let what = match finding.code {
        Code::ENV_DENIED | Code::ENV_MISSING => "the variable",
        Code::FILE_DENIED | Code::FILE_MISSING => "the file",
        _ => return None,
    };
    let name = finding.message.split('`').nth(1)?;
    (!finding.is_error()).then(|| format!("{what} `{name}`"))
}
