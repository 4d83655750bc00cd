//! The engine without a store: documents in, plans out, and a model that moves on as if they were applied.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use gatewright::{
    base::diagnostic::{Code, Diagnostic, snippet},
    blueprint::{
        drive::Keyed,
        engine::{self, Options, Outcome},
        inputs::Inputs,
        load::Loaded,
        plan::Plan,
    },
    model::{Model, Need, Object, Registry, Residency, SecretState, symbol},
    registry::registry,
    store::{Key, changeset::SecretWrite},
};

static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(registry().expect("the declarations agree")));

/// A model with everything that is needed to plan against it.
#[derive(Clone)]
pub struct Lab {
    /// The state.
    pub model: Model,
    /// What documents may see.
    pub inputs: Inputs,
    /// How to run.
    pub options: Options,
    key: Key,
}

/// A document of entries. They are written as a list, indented as the test likes it.
pub fn entries(list: &str) -> String {
    format!("version: 1\nentries:\n{list}")
}

/// What a run came to.
pub struct Judged {
    /// The plan.
    pub plan: Plan,
    /// All findings, sorted.
    pub found: Vec<Diagnostic>,
    /// The documents.
    pub loaded: Loaded,
}

impl Judged {
    /// Codes of the errors.
    pub fn errors(&self) -> Vec<Code> {
        self.found.iter().filter(|finding| finding.is_error()).map(|finding| finding.code).collect()
    }

    /// Codes of all findings.
    pub fn codes(&self) -> Vec<Code> {
        self.found.iter().map(|finding| finding.code).collect()
    }

    /// All findings as people see them.
    pub fn report(&self) -> String {
        snippet::render(&self.loaded.sources, &self.found, false)
    }

    /// The changes as people see them: sign, kind and name.
    pub fn changes(&self) -> Vec<String> {
        self.plan
            .visible()
            .map(|change| format!("{} {} {}", change.action.symbol(), change.object.kind, change.object.name))
            .collect()
    }

    /// Names of the fields that the plan changes, of all objects.
    pub fn changed_fields(&self) -> Vec<String> {
        self.plan.changes.iter().flat_map(|change| change.fields.iter().map(|diff| diff.field.clone())).collect()
    }

    /// Messages and helps of a code's findings.
    pub fn words(&self, code: Code) -> String {
        self.found
            .iter()
            .filter(|finding| finding.code == code)
            .flat_map(|finding| std::iter::once(finding.message.clone()).chain(finding.help.clone()))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Lines that the labels of a code's findings touch: file and line.
    pub fn places(&self, code: Code) -> Vec<String> {
        self.found
            .iter()
            .filter(|finding| finding.code == code)
            .flat_map(|finding| finding.labels.iter().map(|label| self.loaded.sources.place(label.span)))
            .collect()
    }
}

impl Lab {
    /// An empty system.
    pub fn new() -> Lab {
        Lab {
            model: Model::empty(REGISTRY.clone()),
            inputs: Inputs::default(),
            options: Options::default(),
            key: Key::from_bytes([7; 32]),
        }
    }

    /// Plans documents given as name and text.
    pub fn plan(&self, documents: &[(&str, &str)]) -> Judged {
        let mut loaded = Loaded::default();
        for (name, text) in documents {
            loaded.add_text(name, name, "test", text);
        }
        self.plan_loaded(loaded)
    }

    /// Plans one document.
    pub fn judge(&self, text: &str) -> Judged {
        self.plan(&[("test.yaml", text)])
    }

    /// Plans one document that must be refused.
    ///
    /// # Panics
    /// When it is not.
    pub fn refused(&self, text: &str) -> Judged {
        self.refused_all(&[("test.yaml", text)])
    }

    /// Plans documents that must be refused together.
    ///
    /// # Panics
    /// When they are not, or when there is something to apply all the same.
    pub fn refused_all(&self, documents: &[(&str, &str)]) -> Judged {
        let judged = self.plan(documents);
        assert!(!judged.errors().is_empty(), "accepted: {:?}\n{}", judged.changes(), judged.report());
        judged
    }

    /// Applies one document and sees that the second run of it would write nothing.
    ///
    /// # Panics
    /// When it is refused, and when the second run has anything to do.
    pub fn settle(&mut self, text: &str) -> Judged {
        self.settle_all(&[("test.yaml", text)])
    }

    /// Applies documents and sees that the second run of them would write nothing.
    ///
    /// # Panics
    /// When they are refused, and when the second run has anything to do.
    pub fn settle_all(&mut self, documents: &[(&str, &str)]) -> Judged {
        let judged = self.apply_all(documents);
        let second = self.plan(documents);
        assert!(second.errors().is_empty(), "the second run is refused:\n{}", second.report());
        assert!(second.plan.is_empty(), "the second run writes: {:?} {:?}", second.changes(), second.changed_fields());
        judged
    }

    /// Plans files and folders.
    pub fn plan_paths(&self, paths: &[PathBuf]) -> Judged {
        let mut loaded = Loaded::default();
        loaded.add_paths(paths, "test", gatewright::blueprint::load::Labelled::Take);
        self.plan_loaded(loaded)
    }

    fn plan_loaded(&self, mut loaded: Loaded) -> Judged {
        loaded.arrange(&self.model, self.options.last_wins);
        let secrets = Keyed(&self.key);
        let Outcome { plan, mut found, .. } =
            engine::run(&loaded, &self.inputs, &secrets, &self.model, self.options).expect("the model is complete");
        self.compare_with_loading(&loaded, &plan, &found);
        found.append(&mut loaded.found);
        loaded.sources.sort(&mut found);
        Judged { plan, found, loaded }
    }

    /// A store has only the resident kinds in memory and is asked for the rest. Such a run must come to the same.
    fn compare_with_loading(&self, loaded: &Loaded, plan: &Plan, found: &[Diagnostic]) {
        let mut model = Model::partial(REGISTRY.clone(), self.model.instance, self.model.revision);
        let resident = |object: &&Arc<Object>| REGISTRY.get(object.kind).residency == Residency::Resident;
        for object in self.model.objects().filter(resident) {
            model.put(object.clone());
        }
        let secrets = Keyed(&self.key);
        let mut run = engine::Run::new(loaded, &self.inputs, &secrets, model, self.options);
        let mut rounds = 0;
        let outcome = loop {
            let needs = match run.advance() {
                Ok(outcome) => break outcome,
                Err(needs) => needs,
            };
            rounds += 1;
            assert!(rounds < 100, "the run asks for ever: {needs:?}");
            let mut model = run.model().clone();
            for need in needs {
                for object in self.answer(&need) {
                    model.put(object);
                }
                model.answer(need);
            }
            run.supply(model);
        };
        let sorted = |found: &[Diagnostic]| {
            let mut found = found.to_vec();
            loaded.sources.sort(&mut found);
            found
        };
        assert_eq!(sorted(&outcome.found), sorted(found), "findings differ when objects are loaded on demand");
        let shape = |plan: &Plan| -> Vec<String> {
            let change = |change: &gatewright::blueprint::plan::ObjectChange| {
                format!("{:?} {:?} {:?} {:?}", change.action, change.object, change.fields, change.after)
            };
            plan.changes.iter().map(change).collect()
        };
        assert_eq!(shape(&outcome.plan), shape(plan), "the plan differs when objects are loaded on demand");
        assert_eq!(outcome.plan.unchanged, plan.unchanged);
    }

    /// The objects that a need asks about.
    pub fn answer(&self, need: &Need) -> Vec<Arc<Object>> {
        let complete = "the model is complete";
        match need {
            Need::Id(id) => self.model.known(*id).cloned().into_iter().collect(),
            Need::Number(scope, number) => {
                self.model.by_number(scope, *number).expect(complete).cloned().into_iter().collect()
            }
            Need::Key(scope, key, value) => {
                self.model.by_key(scope, key, value).expect(complete).cloned().into_iter().collect()
            }
            Need::Referrers(field, target) => {
                let incoming = self.model.known_incoming(*target).filter(|(found, _)| found == field);
                incoming.filter_map(|(_, source)| self.model.known(source).cloned()).collect()
            }
            Need::Kind(kind) => self.model.known_of_kind(*kind).cloned().collect(),
        }
    }

    /// Plans one document and moves on to the planned state.
    ///
    /// # Panics
    /// When the document is refused; prints why.
    pub fn apply(&mut self, text: &str) -> Judged {
        self.apply_all(&[("test.yaml", text)])
    }

    /// Plans documents and moves on to the planned state.
    ///
    /// # Panics
    /// When they are refused; prints why.
    pub fn apply_all(&mut self, documents: &[(&str, &str)]) -> Judged {
        let judged = self.plan(documents);
        assert!(judged.errors().is_empty(), "{}", judged.report());
        self.commit(&judged.plan);
        judged
    }

    /// Moves on to the state that a plan leaves behind, as a store would: numbers given out, secrets digested.
    pub fn commit(&mut self, plan: &Plan) {
        if plan.is_empty() {
            return;
        }
        let planned = plan.applied_to(&self.model);
        let mut next = 1 + planned.objects().filter_map(|object| object.number).max().unwrap_or(0);
        let mut model = planned.clone();
        for change in &plan.changes {
            let Some(after) = &change.after else { continue };
            let mut object = Object::clone(planned.known(after.id).unwrap_or(after));
            if REGISTRY.get(object.kind).numbered && object.number.is_none() {
                object.number = Some(change.number.unwrap_or(next));
                next += 1;
            }
            for (field, length) in &change.generated {
                // Unlike for each object, as random text is.
                let text: String = object.id.simple().to_string().chars().cycle().take(*length).collect();
                if object.secrets.contains_key(field) {
                    object.secrets.insert(field, SecretState::Sealed(self.key.digest(&text)));
                } else {
                    object.attrs.insert((*field).to_owned(), text.into());
                }
            }
            for (field, write) in &change.secrets {
                match write {
                    SecretWrite::Seal(text) | SecretWrite::Hash(text) => {
                        object.secrets.insert(field, SecretState::Sealed(self.key.digest(text)))
                    }
                    SecretWrite::Clear => object.secrets.remove(field),
                };
            }
            object.revision += 1;
            model.put(Arc::new(object));
        }
        let resolved: Vec<Object> = model
            .objects()
            .filter(|object| object.attrs.values().any(symbol::contains_symbol))
            .map(|object| {
                let mut object = Object::clone(object);
                for value in object.attrs.values_mut() {
                    *value = symbol::resolve(value, &|id| model.known(id).and_then(|object| object.number));
                }
                object
            })
            .collect();
        for object in resolved {
            model.put(Arc::new(object));
        }
        model.revision += 1;
        self.model = model;
    }

    /// All objects of a kind.
    pub fn all(&self, kind: &str) -> Vec<Arc<Object>> {
        let kind = REGISTRY.find(kind).unwrap_or_else(|| panic!("no kind {kind}")).index;
        self.model.known_of_kind(kind).cloned().collect()
    }

    /// The one object of a kind whose attribute has a value.
    ///
    /// # Panics
    /// When there is none or several.
    pub fn one(&self, kind: &str, field: &str, value: &str) -> Arc<Object> {
        let mut found: Vec<_> =
            self.all(kind).into_iter().filter(|object| object.text(field).as_deref() == Some(value)).collect();
        assert_eq!(found.len(), 1, "{kind} with {field} {value}");
        found.remove(0)
    }

    /// An attribute of the one object of a kind whose field has a value.
    ///
    /// # Panics
    /// When there is no such object, or several.
    pub fn attr(&self, kind: &str, field: &str, value: &str, attr: &str) -> serde_json::Value {
        self.one(kind, field, value).attrs.get(attr).cloned().unwrap_or_default()
    }

    /// The texts of a field of all objects of a kind, sorted.
    pub fn texts(&self, kind: &str, field: &str) -> Vec<String> {
        let mut texts: Vec<String> = self.all(kind).iter().filter_map(|object| object.text(field)).collect();
        texts.sort();
        texts
    }

    /// Changes the one object of a kind whose field has a value, as a person would in the administration.
    ///
    /// # Panics
    /// When there is no such object, or several.
    pub fn by_hand(&mut self, kind: &str, field: &str, value: &str, change: impl FnOnce(&mut Object)) {
        let mut object = Object::clone(&self.one(kind, field, value));
        change(&mut object);
        object.revision += 1;
        self.model.put(Arc::new(object));
        self.model.revision += 1;
    }

    /// The value that a node comes to as `attributes` of a group, in an empty system.
    ///
    /// # Panics
    /// When the document is refused; prints why.
    pub fn value_of(&self, context: &str, value: &str) -> serde_json::Value {
        let mut lab = self.clone();
        lab.settle(&carrier(context, value));
        lab.attr("authentik_core.group", "name", "carrier", "attributes")["value"].clone()
    }
}

/// A document that stores a value as an attribute of a group.
pub fn carrier(context: &str, value: &str) -> String {
    format!(
        "version: 1\ncontext: {context}\nentries:\n- model: authentik_core.group\n  identifiers: {{name: carrier}}\n  \
         attrs:\n    attributes:\n      value: {value}\n"
    )
}
