//! Makes and shows a plan that was asked for from elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{Answer, File, Form, Request, Show, VERSION};
use crate::{
    base::diagnostic::{self, Diagnostic, Severity, snippet},
    blueprint::{
        drive::{self, DriveError, Planned},
        engine::Options,
        inputs::{Environment, Files, GivenFile, Inputs},
        load::{Labelled, Loaded},
        plan::Plan,
        render::{self, findings},
        sops::{FileKey, SopsKeys},
        value::{MapKey, Val},
    },
    model::{Model, Registry},
    reconcile::pull_request::{
        compare::unknown_input,
        consequences::{Consequences, consequences},
    },
    store::Store,
};

/// Under this name the blueprints of a request are known.
const SOURCE: &str = "cli";

/// Narrowest and widest text.
const WIDTHS: [usize; 2] = [40, 400];

/// A request that came to no plan at all. Mistakes in the blueprints are findings.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The request is of another version.
    #[error("this server plans requests of version {VERSION}, and this one is of version {0}")]
    Version(u32),
    /// The request contradicts itself.
    #[error("{0}")]
    Malformed(String),
    /// Planning broke off.
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// Plans the blueprints of a request against a store, in one snapshot of it, and writes nothing.
///
/// # Errors
/// When the request cannot be understood or the store fails.
pub async fn answer(store: &Store, registry: &Arc<Registry>, request: Request) -> Result<Answer, LiveError> {
    if request.version != VERSION {
        return Err(LiveError::Version(request.version));
    }
    let Request { files, folders, environment, context, lenient, last_wins, show, .. } = request;
    let inputs = Inputs {
        context: context
            .iter()
            .map(|(key, value)| (MapKey::Text(key.as_str().into()), Val::from_json(value)))
            .collect(),
        // What this process has of its own is not to be seen by whoever asks: no variable, file or key of it is here.
        environment: Environment::closed(environment),
        files: Files::default(),
        sops: Arc::new(SopsKeys::default()),
        used: Arc::default(),
        lenient,
    };
    let mut loaded = load(files, folders)?;
    let people = show.people;
    let question = |plan: &Plan, before: &Model, after: &Model| match people {
        Some(names) => consequences(before, after, &render::hidden(plan, registry), names).map(Some),
        None => Ok(None),
    };
    let options = Options { offline: false, last_wins };
    let (mut planned, consequences) =
        drive::plan_and_ask(store, registry, &mut loaded, &inputs, options, &question).await?;
    let mut found = std::mem::take(&mut loaded.found);
    found.append(&mut planned.outcome.found);
    let mut unknown = BTreeSet::new();
    if lenient {
        found.retain(|finding| {
            let name = unknown_input(finding);
            let keep = name.is_none();
            unknown.extend(name);
            keep
        });
    }
    let found = findings::sorted(&loaded.sources, found, show.quiet);
    let mut notes = show.notes.clone();
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.into_iter().collect();
        notes.push(format!("values that are not known here are not compared: {}", names.join(", ")));
    }
    Ok(Made { registry, loaded, planned, consequences, found, notes }.answer(&show))
}

fn load(files: Vec<File>, folders: Vec<BTreeMap<String, GivenFile>>) -> Result<Loaded, LiveError> {
    let folders: Vec<Arc<BTreeMap<String, GivenFile>>> = folders.into_iter().map(Arc::new).collect();
    let mut loaded = Loaded::default();
    for file in files {
        let name = file.name.as_str();
        let Some(folder) = folders.get(file.folder) else {
            return Err(LiveError::Malformed(format!("the file {name:?} lies in no folder of the request")));
        };
        let key = match file.key.as_deref().map(FileKey::parse) {
            Some(None) => return Err(LiveError::Malformed(format!("the key of the file {name:?} is none"))),
            key => key.flatten(),
        };
        let labelled = if file.labelled { Labelled::SkipInFolders } else { Labelled::Take };
        loaded.add_given([name, &file.path, SOURCE], &file.text, folder, key, labelled);
    }
    Ok(loaded)
}

/// A plan with all that is said about it.
struct Made<'a> {
    registry: &'a Registry,
    loaded: Loaded,
    planned: Planned,
    consequences: Option<Consequences>,
    found: Vec<Diagnostic>,
    notes: Vec<String>,
}

impl Made<'_> {
    fn answer(self, show: &Show) -> Answer {
        let refused = self.found.iter().any(Diagnostic::is_error);
        let report = match show.form {
            Form::Json => String::new(),
            Form::Text if refused => String::new(),
            Form::Text => self.text(show),
            Form::Markdown if refused => findings::refusal_markdown(&self.loaded.sources, &self.found),
            Form::Markdown => self.markdown(show),
        };
        let mut said = String::new();
        if !self.found.is_empty() {
            said = snippet::render(&self.loaded.sources, &self.found, show.colour_findings);
        }
        if refused {
            said.push_str(&findings::closing_line(&self.found));
            said.push('\n');
        }
        let part = |value: serde_json::Result<Value>| value.unwrap_or_default();
        Answer {
            version: VERSION,
            plan: self.json(refused),
            refused,
            changes: !self.planned.outcome.plan.is_empty(),
            report,
            findings: said,
            impact: self.consequences.as_ref().map(|found| part(serde_json::to_value(&found.impact))),
            lockout: self.consequences.as_ref().map(|found| part(serde_json::to_value(&found.lockout))),
            notes: self.notes,
        }
    }

    fn json(&self, refused: bool) -> Value {
        // Both were written as JSON by this very program.
        let parse = |text: String| serde_json::from_str::<Value>(&text).unwrap_or_default();
        let mut plan = parse(render::json(&self.planned.outcome.plan, self.registry));
        let model = &self.planned.model;
        plan["refused"] = json!(refused);
        plan["base"] = json!({ "instance": model.instance, "revision": model.revision });
        let mut found = parse(diagnostic::json::render(&self.loaded.sources, &self.found));
        plan["diagnostics"] = found["diagnostics"].take();
        plan
    }

    fn text(&self, show: &Show) -> String {
        let [narrowest, widest] = WIDTHS;
        let options = render::TextOptions {
            colour: show.colour,
            width: show.width.clamp(narrowest, widest),
            verbose: show.verbose,
        };
        let people = self.consequences.as_ref().map(Consequences::text).unwrap_or_default();
        let gap = if people.is_empty() { "" } else { "\n" };
        format!("{people}{gap}{}", render::text(&self.planned.outcome.plan, self.registry, &options))
    }

    fn markdown(&self, show: &Show) -> String {
        let sources = &self.loaded.sources;
        let plan = &self.planned.outcome.plan;
        let warnings = self.found.iter().filter(|finding| finding.severity == Severity::Warning);
        let warnings: Vec<String> =
            self.notes.iter().cloned().chain(warnings.map(|finding| findings::warning(sources, finding))).collect();
        let before = &self.planned.model;
        let after = plan.applied_to(before);
        let revision = before.revision;
        let options = render::MarkdownOptions {
            alert: self.consequences.as_ref().map(Consequences::alert).unwrap_or_default(),
            access: self.consequences.as_ref().map(Consequences::access).unwrap_or_default(),
            origin: show
                .origin
                .as_ref()
                .map(|origin| format!("{origin} against a live server at its revision {revision}.")),
            ..render::MarkdownOptions::default()
        };
        render::markdown(plan, before, &after, self.registry, &warnings, &options)
    }
}
