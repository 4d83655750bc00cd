//! The engine's one run: documents and a model in, a plan and findings out. Pure; whoever drives it loads what it asks for.

use std::collections::BTreeSet;

use super::{
    desired::{self, Composed, Composer, Validators},
    inputs::Inputs,
    load::Loaded,
    meta,
    plan::{self, Plan, Pruned, Secrets},
    resolve::{self, Resolver},
};
use crate::{
    base::diagnostic::Diagnostic,
    model::{Model, Need},
};

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// There is no database to compare with: only judge the documents.
    pub offline: bool,
    /// Contradicting entries: the last one wins, with a warning.
    pub last_wins: bool,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The plan; empty when offline or when a finding is an error.
    pub plan: Plan,
    /// Findings of resolving, composing and planning.
    pub found: Vec<Diagnostic>,
    /// Number of entries that are about an object.
    pub entries: usize,
}

/// A run that can be interrupted to load more of the model.
pub struct Run<'a> {
    loaded: &'a Loaded,
    options: Options,
    secrets: &'a dyn Secrets,
    resolver: Resolver<'a>,
    validators: Validators,
    used: &'a Inputs,
    resolved: Option<Vec<Diagnostic>>,
    pruned: Vec<Pruned>,
    /// What all entries want, with the findings so far: it stays when the planner has to wait for more of the model.
    composed: Option<(Composed, Vec<Diagnostic>)>,
}

impl<'a> Run<'a> {
    /// Starts a run over arranged documents.
    pub fn new(
        loaded: &'a Loaded,
        inputs: &'a Inputs,
        secrets: &'a dyn Secrets,
        model: Model,
        options: Options,
    ) -> Self {
        let resolver = Resolver::new(
            &loaded.documents,
            &loaded.folders,
            inputs,
            model,
            resolve::Options { offline: options.offline },
        );
        Run {
            loaded,
            options,
            secrets,
            resolver,
            validators: Validators::default(),
            used: inputs,
            resolved: None,
            pruned: Vec::new(),
            composed: None,
        }
    }

    /// Goes on until the end.
    ///
    /// # Errors
    /// What must be loaded first: give a model that holds it to [`Run::supply`] and go on.
    pub fn advance(&mut self) -> Result<Outcome, BTreeSet<Need>> {
        let (composed, mut found) = match self.composed.take() {
            Some(composed) => composed,
            None => self.compose()?,
        };
        let entries = composed.entries;
        let refused = found.iter().chain(&self.loaded.found).any(Diagnostic::is_error);
        if self.options.offline || refused {
            return Ok(Outcome { plan: Plan::default(), found, entries });
        }
        match plan::plan(&self.resolver, &composed, &self.pruned, self.secrets, &self.loaded.sources, &mut found) {
            Ok(mut plan) => {
                plan.inputs = self.used.used.lock().map(|used| used.clone()).unwrap_or_default();
                Ok(Outcome { plan, found, entries })
            }
            Err(needs) => {
                self.composed = Some((composed, found));
                Err(needs)
            }
        }
    }

    /// Resolves the entries and finds out what they want together.
    fn compose(&mut self) -> Result<(Composed, Vec<Diagnostic>), BTreeSet<Need>> {
        if self.resolved.is_none() {
            self.resolver.run()?;
            let mut found = self.resolver.findings();
            if self.options.offline {
                meta::doubt(&mut found);
            }
            self.resolved = Some(found);
        }
        let mut found = self.resolved.clone().unwrap_or_default();
        let options = desired::Options { offline: self.options.offline, last_wins: self.options.last_wins };
        let composed = Composer::new(&mut self.resolver, &mut self.validators, options).run(&mut found)?;
        Ok((composed, found))
    }

    /// Has objects deleted that no entry mentions. The run starts again from its resolved entries.
    pub fn prune(&mut self, objects: Vec<Pruned>) {
        self.pruned = objects;
    }

    /// Replaces the model by one that holds more.
    pub fn supply(&mut self, model: Model) {
        self.resolver.supply(model);
    }

    /// The model in use.
    pub fn model(&self) -> &Model {
        self.resolver.model()
    }
}

/// Runs over a model that holds everything, as tests and `diff` do.
///
/// # Errors
/// What the model does not hold.
pub fn run(
    loaded: &Loaded,
    inputs: &Inputs,
    secrets: &dyn Secrets,
    model: &Model,
    options: Options,
) -> Result<Outcome, BTreeSet<Need>> {
    Run::new(loaded, inputs, secrets, model.clone(), options).advance()
}
