//! The kind `authentik_stages_identification.identificationstage`: asks who someone is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report};

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
