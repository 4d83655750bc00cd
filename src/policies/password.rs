//! The kind `authentik_policies_password.passwordpolicy`: judges a new password.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Report};

/// Judges a new password, by fixed rules, by known leaks and by how hard it is to guess. The checks run in this order,
/// and the first that fails decides.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Key of the prompt field that holds the password.
    #[schemars(length(min = 1))]
    pub password_field: String,
    /// Least number of digits.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub amount_digits: i32,
    /// Least number of upper-case letters.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub amount_uppercase: i32,
    /// Least number of lower-case letters.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub amount_lowercase: i32,
    /// Least number of symbols.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub amount_symbols: i32,
    /// Least number of characters.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub length_min: i32,
    /// Characters that count as symbols.
    #[schemars(length(min = 1))]
    pub symbol_charset: String,
    /// Message to people whose password breaks one of the fixed rules.
    pub error_message: String,
    /// Checks the fixed rules: the amounts and the length.
    pub check_static_rules: bool,
    /// Asks haveibeenpwned.com whether the password is known from leaks. Only the first five hex digits of the
    /// password's SHA-1 are sent.
    pub check_have_i_been_pwned: bool,
    /// Estimates how hard the password is to guess.
    pub check_zxcvbn: bool,
    /// Number of leaks that a password may occur in.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub hibp_allowed_count: i32,
    /// Score, from 0 (guessed at once) to 4 (very hard), that a password must exceed.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub zxcvbn_score_threshold: i32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        PasswordPolicy {
            name: String::new(),
            execution_logging: false,
            password_field: "password".to_owned(),
            amount_digits: 0,
            amount_uppercase: 0,
            amount_lowercase: 0,
            amount_symbols: 0,
            length_min: 0,
            symbol_charset: r##"!\"#$%&'()*+,-./:;<=>?@[\]^_`{|}~ "##.to_owned(),
            error_message: String::new(),
            check_static_rules: true,
            check_have_i_been_pwned: false,
            check_zxcvbn: false,
            hibp_allowed_count: 0,
            zxcvbn_score_threshold: 2,
        }
    }
}

impl Kind for PasswordPolicy {
    const NAME: &'static str = "authentik_policies_password.passwordpolicy";
    const TITLE: &'static str = "Password policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];

    fn check(&self, report: &mut Report) {
        if !self.check_static_rules && !self.check_have_i_been_pwned && !self.check_zxcvbn {
            report.warn("check_static_rules", "every check is off, so the policy accepts any password; switch one on");
        }
        if self.check_zxcvbn && self.zxcvbn_score_threshold >= 4 {
            report.warn("zxcvbn_score_threshold", "no password scores above 4, so none can pass; use 3 or less");
        }
    }
}
