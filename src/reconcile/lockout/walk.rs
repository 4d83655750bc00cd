//! One user's way through the sign-in of one model, stage by stage.
//!
//! The walk keeps to what surely happens and takes every turn that a request could bring about: a policy that depends
//! on the request passes or fails as it suits, and what is known outside the model (a mail box, a certificate, an account
//! elsewhere) is assumed to be there. So where the walk finds no way, there is none. A sign-in counts only with a proof
//! of who signs in; a flow that signs in whoever gives a name is no way that anybody should rely on.

mod means;

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    flows::{flow::Flow, stage_binding::FlowStageBinding},
    identity::{brand::Brand, membership::is_superuser},
    model::{Kind, KindIndex, Model, Need, Object},
    policies::access::{Decision, PolicyOracle, Verdict, Who, decide, in_sentence, known_as},
    sources::{kerberos::KerberosSource, oauth::OAuthSource, plex::PlexSource, saml::SamlSource},
    stages::{
        authenticator_validate::AuthenticatorValidateStage, deny::DenyStage, dummy::DummyStage, email::EmailStage,
        identification::IdentificationStage, mutual_tls::MutualTlsStage, password::PasswordStage,
        redirect::RedirectStage, source::SourceStage, user_delete::UserDeleteStage, user_login::UserLoginStage,
    },
};

/// A model and who says what policies say.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// The model.
    pub model: &'a Model,
    /// Who says what policies say.
    pub oracle: &'a dyn PolicyOracle,
}

/// Why a way fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// In a few words, names between backticks.
    pub words: String,
    /// The flow, when it comes to its end without a proof.
    pub unproven: Option<Uuid>,
}

/// What one user's walk came to.
pub struct Attempt {
    /// The way that assumes least, as its assumptions.
    pub way: Option<Vec<String>>,
    /// Why the other ways fail, in the order met.
    pub obstacles: Vec<Obstacle>,
}

/// What is known at one point of a flow.
#[derive(Clone, Default)]
struct State {
    /// The user is known.
    pending: bool,
    /// The user has proved to be who they are.
    proven: bool,
    /// What this rests on.
    assuming: Vec<String>,
}

impl State {
    fn assume(mut self, words: impl Into<String>) -> State {
        let words = words.into();
        if !self.assuming.contains(&words) {
            self.assuming.push(words);
        }
        self
    }

    fn proved(mut self) -> State {
        (self.pending, self.proven) = (true, true);
        self
    }
}

struct Walk<'a> {
    sight: Sight<'a>,
    user: &'a Object,
    ways: Vec<Vec<String>>,
    obstacles: Vec<Obstacle>,
    /// Flows that the walk is in, so that flows that lead to each other come to an end.
    inside: Vec<Uuid>,
}

impl<'a> Sight<'a> {
    /// Walks a user through the sign-in of the default brand.
    ///
    /// # Errors
    /// What the model does not hold.
    pub fn attempt(&self, user: Uuid) -> Result<Attempt, Need> {
        let refused = |words: String| Ok(Attempt { way: None, obstacles: vec![Obstacle { words, unproven: None }] });
        let Some(object) = self.model.get(user)? else { return refused("there is no such account".to_owned()) };
        if !is_superuser(self.model, user)? {
            return refused("is in no group of superusers".to_owned());
        }
        if !flag(object, "is_active") {
            return refused("the account is inactive".to_owned());
        }
        match object.text("type").as_deref() {
            Some("internal") => {}
            other => return refused(format!("the account is of the type `{}`", other.unwrap_or_default())),
        }
        let mut walk = Walk { sight: *self, user: object, ways: Vec::new(), obstacles: Vec::new(), inside: Vec::new() };
        walk.sign_in()?;
        Ok(Attempt { way: walk.ways.into_iter().min_by_key(Vec::len), obstacles: walk.obstacles })
    }

    /// Titles of the kinds of a flow's stages that prove who signs in, as they stand in a sentence.
    ///
    /// # Errors
    /// What the model does not hold.
    pub fn proofs(&self, flow: Uuid) -> Result<BTreeSet<String>, Need> {
        let mut found = BTreeSet::new();
        for (_, stage) in self.stages(flow)? {
            let info = self.model.registry().get(stage.kind);
            match info.name {
                PasswordStage::NAME | AuthenticatorValidateStage::NAME | SourceStage::NAME | MutualTlsStage::NAME => {
                    found.insert(in_sentence(info.title));
                }
                IdentificationStage::NAME => {
                    let ways = [
                        ("password_stage", "password field"),
                        ("passwordless_flow", "link to a passwordless flow"),
                        ("sources", "source to choose"),
                    ];
                    let given = ways.into_iter().filter(|(field, _)| !stage.targets(field).is_empty());
                    found.extend(given.map(|(_, words)| words.to_owned()));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The slug of a flow.
    pub fn slug(&self, flow: Uuid) -> String {
        self.model.known(flow).and_then(|flow| flow.text("slug")).unwrap_or_else(|| flow.to_string())
    }

    /// The stage bindings of a flow with their stages, in order.
    fn stages(&self, flow: Uuid) -> Result<Vec<(&'a Object, &'a Object)>, Need> {
        let model = self.model;
        let Some(kind) = kind_of::<FlowStageBinding>(model) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for id in model.referrers(kind, "target", flow)? {
            let Some(binding) = model.known(id) else { continue };
            let Some(stage) = binding.targets("stage").first().and_then(|stage| model.known(*stage)) else { continue };
            let order = binding.attrs.get("order").and_then(Value::as_i64).unwrap_or_default();
            found.push((order, id, &**binding, &**stage));
        }
        found.sort_by_key(|(order, id, ..)| (*order, *id));
        Ok(found.into_iter().map(|(_, _, binding, stage)| (binding, stage)).collect())
    }
}

impl<'a> Walk<'a> {
    fn fail(&mut self, words: impl Into<String>) {
        self.record(Obstacle { words: words.into(), unproven: None });
    }

    fn record(&mut self, obstacle: Obstacle) {
        if !self.obstacles.contains(&obstacle) {
            self.obstacles.push(obstacle);
        }
    }

    /// Goes to the flow that the default brand names, or to those that would be chosen instead.
    fn sign_in(&mut self) -> Result<(), Need> {
        let model = self.sight.model;
        let brands = kind_of::<Brand>(model).into_iter().flat_map(|kind| model.known_of_kind(kind));
        let brand = brands.into_iter().find(|brand| flag(brand, "default"));
        let named = brand.and_then(|brand| brand.targets("flow_authentication").first()).copied();
        if let Some(flow) = named.filter(|flow| model.known(*flow).is_some()) {
            return self.flow(flow, State::default(), Who::Anonymous, Arrival::Visit);
        }
        self.fail(match brand {
            Some(_) => "the default brand has no authentication flow",
            None => "there is no default brand, and so no authentication flow of one",
        });
        let all = kind_of::<Flow>(model).into_iter().flat_map(|kind| model.known_of_kind(kind));
        let mut flows: Vec<(String, Uuid)> = all
            .filter(|flow| flow.text("designation").as_deref() == Some("authentication"))
            .map(|flow| (flow.text("slug").unwrap_or_default(), flow.id))
            .collect();
        flows.sort();
        for (_, id) in flows {
            let Some(flow) = model.known(id) else { continue };
            let verdict = decide(model, flow, Who::Anonymous, self.sight.oracle)?.verdict;
            self.flow(id, State::default(), Who::Anonymous, Arrival::Visit)?;
            // The first that applies is taken; one that may apply leaves the next a chance.
            if verdict == Verdict::Allowed {
                break;
            }
        }
        Ok(())
    }

    /// Walks through a flow.
    fn flow(&mut self, id: Uuid, state: State, visitor: Who, arrival: Arrival) -> Result<(), Need> {
        let model = self.sight.model;
        let Some(flow) = model.known(id).filter(|_| !self.inside.contains(&id)) else { return Ok(()) };
        let slug = self.sight.slug(id);
        let closed = match (arrival, flow.text("authentication").as_deref()) {
            (Arrival::Visit | Arrival::Redirect, Some("require_authenticated" | "require_superuser")) => {
                Some("people who are signed in")
            }
            (Arrival::Visit | Arrival::Redirect, Some("require_outpost")) => Some("outposts"),
            (Arrival::Visit, Some("require_redirect")) => Some("people whom another flow sends"),
            _ => None,
        };
        if let Some(whom) = closed {
            self.fail(format!("the flow `{slug}` is open to {whom} only"));
            return Ok(());
        }
        let decision = decide(model, flow, visitor, self.sight.oracle)?;
        let mut state = state;
        match decision.verdict {
            Verdict::Denied => {
                let whom = if visitor == Who::Anonymous { "whoever is not signed in yet" } else { "the user" };
                self.fail(format!("the flow `{slug}` denies {whom}: {}", words(&decision)));
                return Ok(());
            }
            Verdict::Depends => state = state.assume(format!("the flow `{slug}` lets in: {}", words(&decision))),
            Verdict::Allowed => {}
        }
        self.inside.push(id);
        let walked = self.stages_of(flow, &slug, state, visitor);
        self.inside.pop();
        walked
    }

    fn stages_of(&mut self, flow: &Object, slug: &str, state: State, visitor: Who) -> Result<(), Need> {
        let mut states = vec![state];
        let mut login = false;
        for (binding, stage) in self.sight.stages(flow.id)? {
            let name = known_as(self.sight.model, stage);
            login = login || self.sight.model.registry().get(stage.kind).name == UserLoginStage::NAME;
            let mut next = Vec::new();
            for state in states {
                let (verdict, why) = self.takes_part(binding, &state, visitor)?;
                match verdict {
                    Verdict::Denied if self.matters(stage) => {
                        self.fail(format!("the flow `{slug}` leaves the stage `{name}` out: {why}"));
                        next.push(state);
                    }
                    Verdict::Denied => next.push(state),
                    Verdict::Depends => {
                        let taken = state.clone().assume(format!("the stage `{name}` takes part: {why}"));
                        next.push(state.assume(format!("the stage `{name}` is left out: {why}")));
                        next.extend(self.stage(flow, slug, stage, &name, taken, visitor)?);
                    }
                    Verdict::Allowed => next.extend(self.stage(flow, slug, stage, &name, state, visitor)?),
                }
            }
            states = best(next);
        }
        if !states.is_empty() && !login {
            self.fail(format!("the flow `{slug}` has no user login stage, so it signs nobody in"));
        }
        Ok(())
    }

    /// Whether a stage takes part, and why it may not.
    fn takes_part(&self, binding: &Object, state: &State, visitor: Who) -> Result<(Verdict, String), Need> {
        let Sight { model, oracle } = self.sight;
        let now = if state.pending { Who::User(self.user.id) } else { visitor };
        let mut result = (Verdict::Allowed, String::new());
        for (field, who) in [("evaluate_on_plan", visitor), ("re_evaluate_policies", now)] {
            if flag(binding, field) {
                let decision = decide(model, binding, who, oracle)?;
                if decision.verdict < result.0 {
                    result = (decision.verdict, words(&decision));
                }
            }
        }
        Ok(result)
    }

    /// Whether a sign-in may rest on a stage.
    fn matters(&self, stage: &Object) -> bool {
        matches!(
            self.sight.model.registry().get(stage.kind).name,
            IdentificationStage::NAME
                | PasswordStage::NAME
                | AuthenticatorValidateStage::NAME
                | SourceStage::NAME
                | MutualTlsStage::NAME
                | UserLoginStage::NAME
        )
    }

    /// Goes through one stage: what is known behind it, in each way in which it can be passed.
    fn stage(
        &mut self,
        flow: &Object,
        slug: &str,
        stage: &Object,
        name: &str,
        state: State,
        visitor: Who,
    ) -> Result<Vec<State>, Need> {
        let email = self.user.text("email").filter(|email| !email.is_empty());
        match self.sight.model.registry().get(stage.kind).name {
            IdentificationStage::NAME => return self.identification(stage, name, state),
            PasswordStage::NAME if !state.pending => {
                self.fail(format!("the flow `{slug}` asks for a password before it knows of whom (stage `{name}`)"));
            }
            PasswordStage::NAME => return self.password(stage, name, state),
            AuthenticatorValidateStage::NAME => return self.validation(flow, stage, name, state),
            UserLoginStage::NAME if state.proven => self.ways.push(state.assuming),
            UserLoginStage::NAME if state.pending => {
                let words = format!(
                    "the flow `{slug}` signs in without a proof: it has no password, passkey or source before the stage `{name}`"
                );
                self.record(Obstacle { words, unproven: Some(flow.id) });
            }
            UserLoginStage::NAME => {
                let words = format!("the flow `{slug}` comes to the stage `{name}` without knowing whom to sign in");
                self.record(Obstacle { words, unproven: Some(flow.id) });
            }
            DenyStage::NAME => self.fail(format!("the flow `{slug}` denies at the stage `{name}`")),
            UserDeleteStage::NAME => {
                self.fail(format!("the flow `{slug}` deletes the user at the stage `{name}`"));
            }
            DummyStage::NAME if flag(stage, "throw_error") => {
                self.fail(format!("the flow `{slug}` breaks at the stage `{name}`"));
            }
            EmailStage::NAME if email.is_none() => {
                self.fail(format!("the stage `{name}` sends a mail, and the user has no address"));
            }
            EmailStage::NAME if state.pending => {
                return Ok(vec![state.proved().assume(format!("the mail of the stage `{name}` arrives"))]);
            }
            SourceStage::NAME => {
                let Some(source) = stage.targets("source").first().and_then(|id| self.sight.model.known(*id)) else {
                    self.fail(format!("the source of the stage `{name}` is gone"));
                    return Ok(Vec::new());
                };
                return Ok(self.comes_from(source, state)?.into_iter().collect());
            }
            MutualTlsStage::NAME => {
                let optional = stage.text("mode").as_deref() == Some("optional");
                let kept = optional.then(|| state.clone());
                let proved = state.proved().assume(format!("a certificate is shown at the stage `{name}`"));
                return Ok(kept.into_iter().chain([proved]).collect());
            }
            RedirectStage::NAME => {
                let target = stage.targets("target_flow").first().copied();
                match target.filter(|_| stage.text("mode").as_deref() == Some("flow")) {
                    Some(target) => {
                        let state = if flag(stage, "keep_context") { state } else { State::default() };
                        self.flow(target, state, visitor, Arrival::Redirect)?;
                    }
                    None => self.fail(format!("the flow `{slug}` leads away at the stage `{name}`")),
                }
            }
            _ => return Ok(vec![state]),
        }
        Ok(Vec::new())
    }

    fn identification(&mut self, stage: &Object, name: &str, state: State) -> Result<Vec<State>, Need> {
        let model = self.sight.model;
        for source in stage.targets("sources") {
            let Some(source) = model.known(*source) else { continue };
            if let Some(state) = self.comes_from(source, state.clone())? {
                self.source_flow(source, state)?;
            }
        }
        if let Some(flow) = stage.targets("passwordless_flow").first() {
            self.flow(*flow, State::default(), Who::Anonymous, Arrival::Visit)?;
        }
        let fields: Vec<&str> = texts(stage, "user_fields");
        let filled = |field: &&str| match *field {
            "username" => true,
            "email" => self.user.text("email").is_some_and(|email| !email.is_empty()),
            _ => self.user.attrs.get("attributes").and_then(|all| all.get(field)).is_some_and(|upn| !upn.is_null()),
        };
        if !fields.iter().any(filled) {
            self.fail(match fields.is_empty() {
                true => format!("the stage `{name}` asks for no name, it only offers sources"),
                false => format!("the stage `{name}` does not find the user: no value for {}", fields.join(", ")),
            });
            return Ok(Vec::new());
        }
        let state = State { pending: true, ..state };
        match stage.targets("password_stage").first().and_then(|id| model.known(*id)) {
            Some(password) => self.password(password, &known_as(model, password), state),
            None => Ok(vec![state]),
        }
    }

    fn validation(&mut self, flow: &Object, stage: &Object, name: &str, state: State) -> Result<Vec<State>, Need> {
        let classes = texts(stage, "device_classes");
        let action = stage.text("not_configured_action");
        if !state.pending {
            // Without a user only passkeys can be asked for, and only where people sign in.
            if flow.text("designation").as_deref() != Some("authentication") || !classes.contains(&"webauthn") {
                return Ok(vec![state]);
            }
            return Ok(match self.device(&["webauthn"])? {
                Some(words) => vec![state.proved().assume(words)],
                None => {
                    self.fail(format!("has no passkey for the stage `{name}`"));
                    Vec::new()
                }
            });
        }
        if state.proven && action.as_deref() != Some("deny") {
            return Ok(vec![state]);
        }
        if let Some(words) = self.device(&classes)? {
            return Ok(vec![state.proved().assume(words)]);
        }
        match action.as_deref() {
            Some("skip") => Ok(vec![state]),
            Some("configure") if !stage.targets("configuration_stages").is_empty() => Ok(vec![state]),
            _ => {
                self.fail(format!("has no device that the stage `{name}` accepts, and it denies without one"));
                Ok(Vec::new())
            }
        }
    }

    /// What is known when the user comes back from a source.
    fn comes_from(&mut self, source: &Object, state: State) -> Result<Option<State>, Need> {
        let model = self.sight.model;
        let name = known_as(model, source);
        let kind = model.registry().get(source.kind).name;
        if ![OAuthSource::NAME, SamlSource::NAME, PlexSource::NAME, KerberosSource::NAME].contains(&kind) {
            self.fail(format!("nobody can sign in at the source `{name}`"));
            return Ok(None);
        }
        if !flag(source, "enabled") {
            self.fail(format!("the source `{name}` is disabled"));
            return Ok(None);
        }
        let email = self.user.text("email").is_some_and(|email| !email.is_empty());
        let matched = match source.text("user_matching_mode").as_deref() {
            Some("email_link") => email,
            Some("username_link") => true,
            _ => false,
        };
        if !matched && !self.is_linked(source)? {
            self.fail(format!("is not linked to the source `{name}`"));
            return Ok(None);
        }
        Ok(Some(state.proved().assume(format!("the source `{name}` vouches for the user"))))
    }

    /// Walks through the flow to which a source leads.
    fn source_flow(&mut self, source: &Object, state: State) -> Result<(), Need> {
        let Sight { model, oracle } = self.sight;
        let name = known_as(model, source);
        let known = |field: &str| source.targets(field).first().and_then(|id| model.known(*id));
        if let Some(flow) = known("pre_authentication_flow") {
            let decision = decide(model, flow, Who::Anonymous, oracle)?;
            if decision.verdict == Verdict::Denied {
                let slug = self.sight.slug(flow.id);
                self.fail(format!("the flow `{slug}` before the source `{name}` denies: {}", words(&decision)));
                return Ok(());
            }
        }
        let Some(flow) = known("authentication_flow") else {
            self.fail(format!("the source `{name}` has no authentication flow"));
            return Ok(());
        };
        self.flow(flow.id, state, Who::User(self.user.id), Arrival::Source)
    }
}

/// How somebody comes to a flow.
#[derive(Clone, Copy)]
enum Arrival {
    /// With the browser, not signed in.
    Visit,
    /// By a redirect stage of another flow.
    Redirect,
    /// From a source, which has said who it is; what the flow asks of visitors is then not looked at.
    Source,
}

/// The states that are worth going on with: of several that know the same, the one that assumes least, and none that
/// knows less than another.
fn best(mut states: Vec<State>) -> Vec<State> {
    states.sort_by_key(|state| state.assuming.len());
    let mut kept: Vec<State> = Vec::new();
    states.sort_by_key(|state| (!state.proven, !state.pending));
    for state in states {
        if !kept.iter().any(|other| other.pending >= state.pending && other.proven >= state.proven) {
            kept.push(state);
        }
    }
    kept
}

fn words(decision: &Decision) -> String {
    decision.reasons.iter().map(|reason| reason.words.as_str()).collect::<Vec<_>>().join(", ")
}

fn texts<'o>(object: &'o Object, field: &str) -> Vec<&'o str> {
    let list = object.attrs.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn flag(object: &Object, field: &str) -> bool {
    object.attrs.get(field).and_then(Value::as_bool).unwrap_or_default()
}

fn kind_of<K: Kind>(model: &Model) -> Option<KindIndex> {
    model.registry().find(K::NAME).map(|info| info.index)
}
