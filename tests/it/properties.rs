//! Laws of plans, over generated documents: what is applied stays applied, order has no meaning, and everything that
//! comes can go again. `PROPTEST_CASES` lets each run longer.

use std::{collections::BTreeMap, fmt::Write as _};

use gatewright::{
    blueprint::plan::{self, Plan, Shown},
    model::{Model, Object},
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::{Value, json};

use crate::support::lab::Lab;

/// What an object is; numbers refer to other things, modulo their count.
#[derive(Clone, Debug)]
enum What {
    Group { parent: Option<usize>, attributes: usize },
    User { groups: Vec<usize>, attributes: usize, password: bool },
    Flow { designation: usize },
    DummyStage,
    LoginStage { minutes: u8 },
    PromptStage { prompts: Vec<usize> },
    Prompt { kind: usize },
    StageBinding { flow: usize, stage: usize, order: u8 },
    Policy,
    PolicyBinding { target: usize, policy: usize, order: u8 },
    Provider { flow: usize },
    Application { provider: Option<usize> },
}

/// A thing, in which document it is declared, and how.
#[derive(Clone, Debug)]
struct Thing {
    what: What,
    document: usize,
    /// Position among the entries of its document.
    rank: u16,
    created: bool,
    /// Whether references within a document are by `!KeyOf`.
    key_of: bool,
}

const DOCUMENTS: usize = 3;

fn what() -> impl Strategy<Value = What> {
    let any = 0..64_usize;
    let many = || prop::collection::vec(0..64_usize, 0..4);
    prop_oneof![
        (prop::option::of(any.clone()), any.clone())
            .prop_map(|(parent, attributes)| What::Group { parent, attributes }),
        (many(), any.clone(), prop::bool::ANY).prop_map(|(groups, attributes, password)| What::User {
            groups,
            attributes,
            password
        }),
        any.clone().prop_map(|designation| What::Flow { designation }),
        Just(What::DummyStage),
        (0..90_u8).prop_map(|minutes| What::LoginStage { minutes }),
        many().prop_map(|prompts| What::PromptStage { prompts }),
        any.clone().prop_map(|kind| What::Prompt { kind }),
        (any.clone(), any.clone(), 0..9_u8).prop_map(|(flow, stage, order)| What::StageBinding { flow, stage, order }),
        Just(What::Policy),
        (any.clone(), any.clone(), 0..9_u8).prop_map(|(target, policy, order)| What::PolicyBinding {
            target,
            policy,
            order
        }),
        any.clone().prop_map(|flow| What::Provider { flow }),
        prop::option::of(any).prop_map(|provider| What::Application { provider }),
    ]
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    let thing = (what(), 0..DOCUMENTS, any::<u16>(), prop::bool::weighted(0.2), prop::bool::weighted(0.7))
        .prop_map(|(what, document, rank, created, key_of)| Thing { what, document, rank, created, key_of });
    prop::collection::vec(thing, 1..18)
}

impl What {
    fn kind(&self) -> &'static str {
        match self {
            What::Group { .. } => "authentik_core.group",
            What::User { .. } => "authentik_core.user",
            What::Flow { .. } => "authentik_flows.flow",
            What::DummyStage => "authentik_stages_dummy.dummystage",
            What::LoginStage { .. } => "authentik_stages_user_login.userloginstage",
            What::PromptStage { .. } => "authentik_stages_prompt.promptstage",
            What::Prompt { .. } => "authentik_stages_prompt.prompt",
            What::StageBinding { .. } => "authentik_flows.flowstagebinding",
            What::Policy => "authentik_policies_expression.expressionpolicy",
            What::PolicyBinding { .. } => "authentik_policies.policybinding",
            What::Provider { .. } => "authentik_providers_oauth2.oauth2provider",
            What::Application { .. } => "authentik_core.application",
        }
    }

    /// The natural key, for those that have one.
    fn key(&self) -> Option<&'static str> {
        match self {
            What::User { .. } => Some("username"),
            What::Flow { .. } | What::Application { .. } => Some("slug"),
            What::StageBinding { .. } | What::PolicyBinding { .. } => None,
            _ => Some("name"),
        }
    }
}

/// Writes documents out of things.
struct Writer<'a> {
    things: &'a [Thing],
    /// Only things of the same or an earlier document may be referred to.
    backward: bool,
}

impl Writer<'_> {
    /// The things of some sort that a thing may refer to.
    fn candidates(&self, from: usize, sort: fn(&What) -> bool) -> Vec<usize> {
        let things = self.things.iter().enumerate();
        let reachable = |thing: &Thing| !self.backward || thing.document <= self.things[from].document;
        things
            .filter(|(at, thing)| sort(&thing.what) && reachable(thing) && self.is_whole(*at))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether a thing that others refer to has what it needs itself.
    fn is_whole(&self, at: usize) -> bool {
        match &self.things[at].what {
            What::PromptStage { prompts } => {
                !prompts.is_empty() && self.pick(at, 0, |what| matches!(what, What::Prompt { .. })).is_some()
            }
            What::Provider { .. } => self.pick(at, 0, |what| matches!(what, What::Flow { .. })).is_some(),
            _ => true,
        }
    }

    fn pick(&self, from: usize, number: usize, sort: fn(&What) -> bool) -> Option<usize> {
        let candidates = self.candidates(from, sort);
        (!candidates.is_empty()).then(|| candidates[number % candidates.len()])
    }

    fn reference(&self, from: usize, to: usize) -> String {
        let (source, target) = (&self.things[from], &self.things[to]);
        match target.what.key() {
            Some(key) if !source.key_of || source.document != target.document => {
                format!("!Find [{}, [{key}, t{to}]]", target.what.kind())
            }
            _ => format!("!KeyOf t{to}"),
        }
    }

    fn references(&self, from: usize, numbers: &[usize], sort: fn(&What) -> bool) -> String {
        let all: Vec<String> = numbers
            .iter()
            .filter_map(|number| self.pick(from, *number, sort))
            .map(|to| self.reference(from, to))
            .collect();
        format!("[{}]", all.join(", "))
    }

    /// Identifiers and attributes of an entry; nothing when what it needs is not there.
    fn parts(&self, at: usize) -> Option<(String, Vec<String>)> {
        let is_flow: fn(&What) -> bool = |what| matches!(what, What::Flow { .. });
        let is_provider: fn(&What) -> bool = |what| matches!(what, What::Provider { .. });
        let thing = &self.things[at];
        if !self.is_whole(at) {
            return None;
        }
        let mut attrs = Vec::new();
        let identifiers = match &thing.what {
            What::StageBinding { flow, stage, order } => {
                let stage = self.pick(at, *stage, |what| {
                    matches!(what, What::DummyStage | What::LoginStage { .. } | What::PromptStage { .. })
                })?;
                let flow = self.pick(at, *flow, is_flow)?;
                attrs.push("evaluate_on_plan: true".to_owned());
                let (target, stage) = (self.reference(at, flow), self.reference(at, stage));
                // Unlike orders keep two bindings of one flow and stage apart.
                format!("target: {target}, stage: {stage}, order: {}", usize::from(*order) * 100 + at)
            }
            What::PolicyBinding { target, policy, order } => {
                let target =
                    self.pick(at, *target, |what| matches!(what, What::Flow { .. } | What::Application { .. }))?;
                let policy = self.pick(at, *policy, |what| matches!(what, What::Policy))?;
                let (target, policy) = (self.reference(at, target), self.reference(at, policy));
                format!("target: {target}, policy: {policy}, order: {}", usize::from(*order) * 100 + at)
            }
            other => format!("{}: t{at}", other.key()?),
        };
        match &thing.what {
            What::Group { parent, attributes } => {
                // Parents come before their children in the list, so that no group is its own ancestor.
                let parents: Vec<usize> = self
                    .candidates(at, |what| matches!(what, What::Group { .. }))
                    .into_iter()
                    .filter(|to| *to < at)
                    .collect();
                if let Some(parent) = parent.filter(|_| !parents.is_empty()) {
                    attrs.push(format!("parent: {}", self.reference(at, parents[parent % parents.len()])));
                }
                attrs.push(format!("attributes: {}", attributes_text(*attributes)));
            }
            What::User { groups, attributes, password } => {
                attrs.push(format!("name: User {at}"));
                attrs.push(format!(
                    "groups: {}",
                    self.references(at, groups, |what| matches!(what, What::Group { .. }))
                ));
                attrs.push(format!("attributes: {}", attributes_text(*attributes)));
                if *password {
                    attrs.push(format!("password: secret {at}"));
                }
            }
            What::Flow { designation } => {
                let all = ["authentication", "authorization", "enrollment", "recovery"];
                attrs.push(format!("name: Flow {at}"));
                attrs.push(format!("title: !Format [\"Flow %d\", {at}]"));
                attrs.push(format!("designation: {}", all[designation % all.len()]));
            }
            What::LoginStage { minutes } => attrs.push(format!("session_duration: minutes={minutes}")),
            What::PromptStage { prompts } => {
                attrs.push(format!(
                    "fields: {}",
                    self.references(at, prompts, |what| matches!(what, What::Prompt { .. }))
                ));
            }
            What::Prompt { kind } => {
                let all = ["text", "email", "checkbox", "number"];
                attrs.push(format!("field_key: key{at}"));
                attrs.push("label: !Context label".to_owned());
                attrs.push(format!("type: {}", all[kind % all.len()]));
            }
            What::Policy => attrs.push("expression: return True".to_owned()),
            What::Provider { flow } => {
                attrs.push(format!("authorization_flow: {}", self.reference(at, self.pick(at, *flow, is_flow)?)));
                attrs.push("redirect_uris: [{matching_mode: strict, url: 'https://example.org/'}]".to_owned());
            }
            What::Application { provider } => {
                attrs.push(format!("name: Application {at}"));
                // A provider serves one application: this one takes the provider that comes last before it.
                let mut own = self.candidates(at, is_provider).into_iter().filter(|to| {
                    *to < at && !self.things[*to + 1..at].iter().any(|one| matches!(one.what, What::Application { .. }))
                });
                if let Some(provider) = own.next_back().filter(|_| provider.is_some()) {
                    attrs.push(format!("provider: {}", self.reference(at, provider)));
                }
            }
            What::DummyStage | What::StageBinding { .. } | What::PolicyBinding { .. } => {}
        }
        Some((identifiers, attrs))
    }

    fn documents(&self) -> Vec<String> {
        let mut documents = Vec::new();
        for document in 0..DOCUMENTS {
            let mut own: Vec<usize> =
                (0..self.things.len()).filter(|at| self.things[*at].document == document).collect();
            own.sort_by_key(|at| self.things[*at].rank);
            let mut text = "version: 1\ncontext:\n  label: A label\n  list: [a, b]\nentries:\n".to_owned();
            for at in own {
                let Some((identifiers, attrs)) = self.parts(at) else { continue };
                let thing = &self.things[at];
                let _ = writeln!(text, "- model: {}\n  id: t{at}\n  identifiers: {{{identifiers}}}", thing.what.kind());
                if thing.created {
                    text += "  state: created\n";
                }
                text += "  attrs:\n";
                for attr in attrs {
                    let _ = writeln!(text, "    {attr}");
                }
            }
            documents.push(text);
        }
        documents
    }

    /// Entries that take everything with a natural key away again; bindings go with what they bind.
    fn absent(&self) -> String {
        let mut text = "version: 1\nentries: []\n".to_owned();
        let mut entries = String::new();
        for (at, thing) in self.things.iter().enumerate() {
            let (Some(key), Some(_)) = (thing.what.key(), self.parts(at)) else { continue };
            let kind = thing.what.kind();
            let _ = writeln!(entries, "- model: {kind}\n  identifiers: {{{key}: t{at}}}\n  state: absent");
        }
        if !entries.is_empty() {
            text = format!("version: 1\nentries:\n{entries}");
        }
        text
    }
}

fn attributes_text(number: usize) -> String {
    [
        "{}",
        "{a: 1, b: [x, 2.5, null]}",
        "{a: {b: {c: yes}}}",
        "{a: !Format [\"%s-%03d\", !Context label, 7]}",
        "{a: !Enumerate [!Context list, MAP, [!Value 0, !Index 0]]}",
        "{a: !If [!Condition [AND, true, !Context label], yes, no], '1': 'x'}",
    ][number % 6]
        .to_owned()
}

fn named<'t>(names: &[&'t str], texts: &'t [String]) -> Vec<(&'t str, &'t str)> {
    names.iter().copied().zip(texts.iter().map(String::as_str)).collect()
}

/// A plan's changes without what depends on the order of files: who comes first, and where entries stand.
fn changes(plan: &Plan) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for change in &plan.changes {
        let fields: BTreeMap<&str, Value> = change
            .fields
            .iter()
            .map(|diff| (diff.field.as_str(), json!([shown(&diff.before), shown(&diff.after), diff.sensitive])))
            .collect();
        let key = format!("{} {} {}", change.object.kind, change.object.name, change.object.id);
        let twice = all.insert(key, json!([change.action, fields, change.implied]));
        assert_eq!(twice, None, "two changes of one object");
    }
    all
}

fn shown(value: &Shown) -> Value {
    match value {
        Shown::Objects(objects) => json!(objects.iter().map(|object| object.id).collect::<Vec<_>>()),
        other => json!(other),
    }
}

/// A model without ids, numbers and times.
fn content(model: &Model) -> BTreeMap<String, Value> {
    let registry = model.registry();
    let name = |object: &Object| format!("{} {}", registry.get(object.kind).name, plan::label(model, object));
    let mut all = BTreeMap::new();
    for object in model.objects() {
        let edges: BTreeMap<&str, Vec<String>> = object
            .edges
            .iter()
            .map(|(field, targets)| {
                let mut names: Vec<String> = targets
                    .iter()
                    .map(|target| model.known(*target).map_or_else(String::new, |one| name(one)))
                    .collect();
                names.sort();
                (*field, names)
            })
            .collect();
        let secrets: Vec<&&str> = object.secrets.keys().collect();
        let mut attrs = object.attrs.clone();
        for rule in registry.get(object.kind).generated {
            attrs.remove(rule.field);
        }
        let twice = all.insert(name(object), json!([attrs, edges, secrets]));
        assert_eq!(twice, None, "two objects of one name");
    }
    all
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(32);
    let failures = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(failures)), ..ProptestConfig::default() }
}

const NAMES: [&str; 3] = ["a.yaml", "b.yaml", "c.yaml"];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_applied_plans_to_nothing(things in things()) {
        let texts = Writer { things: &things, backward: false }.documents();
        let documents = named(&NAMES, &texts);
        let mut lab = Lab::new();
        lab.apply_all(&documents);
        let again = lab.plan(&documents);
        prop_assert!(again.errors().is_empty(), "{}", again.report());
        prop_assert!(again.plan.is_empty(), "{:#?}\n{}", changes(&again.plan), texts.join("\n"));
    }

    #[test]
    fn the_order_of_files_has_no_meaning(things in things(), order in Just(NAMES.to_vec()).prop_shuffle()) {
        let texts = Writer { things: &things, backward: false }.documents();
        let lab = Lab::new();
        let one = lab.plan(&named(&NAMES, &texts));
        let other = lab.plan(&named(&order, &texts));
        prop_assert_eq!(one.errors(), other.errors());
        prop_assert_eq!(changes(&one.plan), changes(&other.plan), "{}", texts.join("\n"));
    }

    #[test]
    fn together_is_the_same_as_one_after_the_other(things in things()) {
        let texts = Writer { things: &things, backward: true }.documents();
        let documents = named(&NAMES, &texts);
        let mut together = Lab::new();
        together.apply_all(&documents);
        let mut after = Lab::new();
        for document in &documents {
            after.apply_all(&[*document]);
        }
        prop_assert_eq!(content(&together.model), content(&after.model), "{}", texts.join("\n"));
        let again = after.plan(&documents);
        prop_assert!(again.plan.is_empty() && again.errors().is_empty(), "{}", again.report());
    }

    #[test]
    fn what_came_can_go(things in things()) {
        let writer = Writer { things: &things, backward: false };
        let texts = writer.documents();
        let mut lab = Lab::new();
        lab.apply_all(&named(&NAMES, &texts));
        lab.apply(&writer.absent());
        prop_assert_eq!(content(&lab.model), BTreeMap::new());
    }
}
