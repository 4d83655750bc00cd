//! The kind `authentik_stages_identification.identificationstage`: asks who someone is.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{backends, password::PasswordStage};
use crate::expression::{Map, Value};
use crate::flows::{
    challenge::{Answer, Challenge, Errors, NO_FIELD},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::identity::{application::Application, person::Person};
use crate::model::{Family, Key, Kind, Ref, Reference, Report};
use crate::policies::engine::Subject;
use crate::store::PersonField;

/// Asks for a name or address and finds the user of it, or offers the sources that people can come from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentificationStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the input is compared with; any match will do. Empty offers only the sources.
    pub user_fields: Vec<UserField>,
    /// Password stage whose field is shown on the same page and whose backends check it. A flow then needs no
    /// password stage of its own.
    pub password_stage: Option<Ref>,
    /// Captcha stage whose captcha is shown on the same page (after 2024.6).
    pub captcha_stage: Option<Ref>,
    /// Finds users whatever the letter case of the input.
    pub case_insensitive_matching: bool,
    /// Greets the user who was found with name and picture on the pages that follow. When off, those pages show the
    /// input, which does not tell whether there is such a user.
    pub show_matched_user: bool,
    /// Enrolment flow that the page links to.
    pub enrollment_flow: Option<Ref>,
    /// Recovery flow that the page links to.
    pub recovery_flow: Option<Ref>,
    /// Flow for signing in without a password that the page links to.
    pub passwordless_flow: Option<Ref>,
    /// Sources that the page offers; disabled ones are left out.
    pub sources: Vec<Ref>,
    /// Shows the names of the sources beside their icons.
    pub show_source_labels: bool,
    /// Goes on with unknown users as if they existed, so that nobody can find out who has an account.
    pub pretend_user_exists: bool,
    /// Offers to fill in the same user on the next visit with the same browser (after 2024.6).
    pub enable_remember_me: bool,
}

impl Default for IdentificationStage {
    fn default() -> Self {
        IdentificationStage {
            name: String::new(),
            user_fields: Vec::new(),
            password_stage: None,
            captcha_stage: None,
            case_insensitive_matching: true,
            show_matched_user: true,
            enrollment_flow: None,
            recovery_flow: None,
            passwordless_flow: None,
            sources: Vec::new(),
            show_source_labels: false,
            pretend_user_exists: true,
            enable_remember_me: false,
        }
    }
}

impl Kind for IdentificationStage {
    const NAME: &'static str = "authentik_stages_identification.identificationstage";
    const TITLE: &'static str = "Identification stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("password_stage", "authentik_stages_password.passwordstage"),
        Reference::one("captcha_stage", "authentik_stages_captcha.captchastage"),
        Reference::one("enrollment_flow", "authentik_flows.flow"),
        Reference::one("recovery_flow", "authentik_flows.flow"),
        Reference::one("passwordless_flow", "authentik_flows.flow"),
        Reference::many("sources", "authentik_core.source"),
    ];

    fn check(&self, report: &mut Report) {
        if self.user_fields.is_empty() && self.sources.is_empty() {
            report.error(
                "user_fields",
                "and `sources` are both empty, so nobody could be identified; list a user field or a source",
            );
        }
    }
}

/// Something that the input of an identification is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserField {
    /// The mail address.
    Email,
    /// The user name.
    Username,
    /// The attribute `upn`, the user principal name of a directory.
    Upn,
}

/// Asks for a name, and finds the user of it.
///
/// Who has an account is not told where the stage pretends that everybody has one: found or not, the same look-up, the same
/// work on the password and the same writes are done, and the same is answered.
pub(super) struct Behaviour;

/// What a flow knows of the person that it was about before, and that must not be taken for something about the next one.
const OF_PERSON: [&str; 4] =
    [backends::USER_BACKEND, backends::AUTH_METHOD, backends::AUTH_METHOD_ARGS, PENDING_IDENTIFIER];
/// Key of the context: what was typed, to be shown in the place of the user.
const PENDING_IDENTIFIER: &str = "pending_user_identifier";
/// Longest name that is looked up, in characters.
const LONGEST: usize = 254;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: IdentificationStage = at.declared()?;
        Ok(Next::Ask(page(at, &declared).await?))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let declared: IdentificationStage = at.declared()?;
        let mut errors = Errors::default();
        let typed = answer.text("uid_field", &mut errors).map(|typed| typed.trim().to_owned());
        let password = match answer.get("password") {
            None => String::new(),
            Some(Json::String(password)) => password.clone(),
            Some(_) => {
                errors.add("password", "Not a valid string.", "invalid");
                String::new()
            }
        };
        let Some(typed) = typed.filter(|_| errors.is_empty()) else {
            return Ok(Next::Wrong(page(at, &declared).await?, errors));
        };
        let found = find(at, &declared, &typed).await?;
        for key in OF_PERSON {
            at.plan.context.shift_remove(key);
        }
        let subject = match found.clone() {
            Some(person) => Subject::Person(person),
            None => pretended(&typed),
        };
        at.set_pending(&subject);
        if !declared.show_matched_user {
            at.plan.context.insert(PENDING_IDENTIFIER.to_owned(), typed.as_str().into());
        }
        if let Some(stage) = at.targets("password_stage").first() {
            let stage: PasswordStage = serde_json::from_value(Json::Object(stage.attrs.clone())).map_err(|error| {
                StageError::Configuration { stage: at.name(), problem: format!("its password stage: {error}") }
            })?;
            return match backends::check(at, &subject, &stage.backends, &password).await? {
                Some(backend) => Ok(Next::Passed(at.prove(Evidence::Password(backend.path().to_owned())))),
                None => unknown(at, &declared).await,
            };
        }
        // Where unknown people are pretended to exist, the name's reputation suffers with the password, as it does for those
        // who exist.
        if found.is_none() && (!declared.pretend_user_exists || declared.user_fields.is_empty()) {
            backends::reputation(at, &typed, -1).await?;
            return unknown(at, &declared).await;
        }
        Ok(Next::Passed(at.prove(Evidence::Named)))
    }
}

async fn unknown(at: &StageContext<'_>, declared: &IdentificationStage) -> Result<Next, StageError> {
    let errors = Errors::coded(NO_FIELD, "Failed to authenticate.", "invalid");
    Ok(Next::Wrong(page(at, declared).await?, errors))
}

/// Somebody who is not there.
fn pretended(typed: &str) -> Subject {
    let text = |name: &str| (name.to_owned(), Value::text(typed));
    Subject::Unsaved(Map::from_iter([text("username"), text("email")]))
}

/// The user of what was typed. Where several have the same address, the name decides, then the exact spelling, then age.
async fn find(
    at: &StageContext<'_>,
    declared: &IdentificationStage,
    typed: &str,
) -> Result<Option<Arc<Person>>, StageError> {
    if typed.chars().count() > LONGEST {
        return Ok(None);
    }
    let mut fields = declared.user_fields.clone();
    fields.sort_by_key(|field| match field {
        UserField::Username => 0,
        UserField::Email => 1,
        UserField::Upn => 2,
    });
    fields.dedup();
    let mut best: Option<(bool, Arc<Person>)> = None;
    for field in fields {
        let stored = match field {
            UserField::Username => PersonField::Username,
            UserField::Email => PersonField::Email,
            UserField::Upn => PersonField::Upn,
        };
        for id in at.world.store().people_by(stored, typed).await? {
            let Some(person) = at.world.person(id).await? else { continue };
            let value = match field {
                UserField::Username => person.username(),
                UserField::Email => person.email(),
                UserField::Upn => person.attributes().get("upn").and_then(Json::as_str).unwrap_or_default(),
            };
            let exact = value == typed;
            let better = best.as_ref().is_none_or(|(best_exact, _)| exact && !best_exact);
            if better && (exact || declared.case_insensitive_matching) {
                best = Some((exact, person));
            }
        }
        if best.is_some() {
            break;
        }
    }
    Ok(best.map(|(_, person)| person))
}

async fn page(at: &StageContext<'_>, declared: &IdentificationStage) -> Result<Challenge, StageError> {
    if !at.targets("captcha_stage").is_empty() {
        let problem = "a captcha on the page of the name cannot be run by this release".to_owned();
        return Err(StageError::Configuration { stage: at.name(), problem });
    }
    let designation = at.flow.text("designation").unwrap_or_default();
    let mut fields = json!({
        "user_fields": declared.user_fields,
        "password_fields": !at.targets("password_stage").is_empty(),
        "flow_designation": designation,
        "primary_action": if designation == "authentication" { "Log in" } else { "Continue" },
        // None of the sources has a sign-in of its own in this release, and what cannot be clicked is not offered.
        "sources": [],
        "show_source_labels": declared.show_source_labels,
    });
    if let Some(application) = at.seat.data.application {
        let model = at.world.model().await?;
        let kind = model.registry().find(Application::NAME).map(|kind| kind.index);
        if let Some(application) = model.known(application).filter(|object| Some(object.kind) == kind) {
            fields["application_pre"] = json!(application.text("name"));
        }
    }
    let links = [
        ("enroll_url", "enrollment_flow"),
        ("recovery_url", "recovery_flow"),
        ("passwordless_url", "passwordless_flow"),
    ];
    for (link, field) in links {
        if let Some(flow) = at.targets(field).first() {
            fields[link] = json!(at.page_of(flow));
        }
    }
    Ok(Challenge::new("ak-stage-identification", fields).without_person())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn there_is_a_way_to_identify() {
        assert_eq!(judge::<IdentificationStage>(json!({})), ["!user_fields"]);
        assert!(judge::<IdentificationStage>(json!({ "user_fields": ["email"] })).is_empty());
        let source = "5f0c7a34-4f0c-4a3b-9c39-0d2f3a4b5c6d";
        assert!(judge::<IdentificationStage>(json!({ "sources": [source] })).is_empty());
    }
}
