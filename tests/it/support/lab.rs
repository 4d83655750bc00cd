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
    model::{Model, Object, Registry, SecretState, symbol},
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
        found.append(&mut loaded.found);
        loaded.sources.sort(&mut found);
        Judged { plan, found, loaded }
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
        let Some(planned) = plan.planned.clone() else { return };
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
}
