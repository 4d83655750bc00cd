//! The kind `authentik_policies_password.passwordpolicy`: judges a new password.

mod breaches;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zxcvbn::zxcvbn;

use super::engine::{Policy, PolicyContext, PolicyError, Request, Verdict};
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

/// Characters of a password whose guessing is estimated; the estimate of longer ones takes too long, and they are not weak.
const ESTIMATED: usize = 100;

/// Judges the password that was typed.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: PasswordPolicy = at.declared()?;
        let Some(password) = typed(at.request, &declared.password_field) else {
            return Ok(Verdict::failing("Password not set in context"));
        };
        if declared.check_static_rules && !declared.keeps_rules(&password) {
            return Ok(Verdict::failing(declared.error_message));
        }
        if declared.check_have_i_been_pwned {
            let count = breaches::count(at.world, &password).await.map_err(PolicyError::Broken)?;
            if count > u64::try_from(declared.hibp_allowed_count).unwrap_or(0) {
                return Ok(Verdict::failing(format!("Password exists on {count} online lists.")));
            }
        }
        if !declared.check_zxcvbn {
            return Ok(Verdict::silent(true));
        }
        let estimated: String = password.chars().take(ESTIMATED).collect();
        let person = at.request.subject.person();
        let mut known: Vec<String> =
            ["username", "name", "email"].iter().filter_map(|field| Some(person?.text(field).to_owned())).collect();
        known.extend(at.request.visit.map(|visit| visit.product().to_owned()));
        let threshold = declared.zxcvbn_score_threshold;
        let estimate = tokio::task::spawn_blocking(move || {
            let known: Vec<&str> = known.iter().map(String::as_str).filter(|known| !known.is_empty()).collect();
            weakness(&estimated, &known, threshold)
        });
        let weakness = estimate.await.map_err(|error| PolicyError::Broken(error.to_string()))?;
        Ok(Verdict { passing: weakness.is_empty(), messages: weakness, ..Verdict::default() })
    }
}

/// The password that was typed: of the form just sent, or else of the context.
pub(super) fn typed(request: &Request<'_>, field: &str) -> Option<String> {
    let of_form = request.context.get("prompt_data").and_then(|data| data.as_map()?.get(field));
    let value = of_form.or_else(|| request.context.get(field))?;
    value.as_text().map(str::to_owned)
}

/// What makes a password weak; empty when its score is above the threshold.
fn weakness(password: &str, known: &[&str], threshold: i32) -> Vec<String> {
    let estimate = zxcvbn(password, known);
    if i32::from(u8::from(estimate.score())) > threshold {
        return Vec::new();
    }
    let advice = estimate.feedback().map(|feedback| feedback.suggestions().to_vec()).unwrap_or_default();
    let advice = advice.into_iter().map(|advice| advice.to_string());
    std::iter::once("Password is too weak.".to_owned()).chain(advice).collect()
}

impl PasswordPolicy {
    /// Whether a password has as many characters of each sort as is wanted. Each sort is compared with its own number.
    fn keeps_rules(&self, password: &str) -> bool {
        let count = |is: &dyn Fn(char) -> bool| password.chars().filter(|letter| is(*letter)).count();
        let enough = |found: usize, wanted: i32| i64::try_from(found).unwrap_or(i64::MAX) >= i64::from(wanted);
        enough(password.chars().count(), self.length_min)
            && enough(count(&|letter| letter.is_ascii_digit()), self.amount_digits)
            && enough(count(&char::is_uppercase), self.amount_uppercase)
            && enough(count(&char::is_lowercase), self.amount_lowercase)
            && enough(count(&|letter| self.symbol_charset.contains(letter)), self.amount_symbols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_counts_its_own_sort() {
        let policy = |change: fn(&mut PasswordPolicy)| {
            let mut policy = PasswordPolicy::default();
            change(&mut policy);
            policy
        };
        let table: [(PasswordPolicy, &str, bool); 12] = [
            (policy(|_| {}), "", true),
            (policy(|policy| policy.length_min = 4), "äöü", false),
            (policy(|policy| policy.length_min = 3), "äöü", true),
            (policy(|policy| policy.amount_digits = 2), "a1b", false),
            (policy(|policy| policy.amount_digits = 2), "a1b2", true),
            // The number of capitals is compared with what is wanted of capitals, and with nothing else.
            (policy(|policy| policy.amount_uppercase = 2), "Aaaa", false),
            (policy(|policy| (policy.amount_uppercase, policy.amount_lowercase) = (1, 3)), "Aaaa", true),
            (policy(|policy| (policy.amount_uppercase, policy.amount_lowercase) = (3, 1)), "Aaaa", false),
            (policy(|policy| policy.amount_lowercase = 1), "AAAA", false),
            (policy(|policy| policy.amount_symbols = 2), "a!b", false),
            (policy(|policy| policy.amount_symbols = 2), "a! b?", true),
            (policy(|policy| (policy.amount_symbols, policy.symbol_charset) = (1, "§".to_owned())), "a!b", false),
        ];
        for (policy, password, keeps) in table {
            assert_eq!(policy.keeps_rules(password), keeps, "{password} by {policy:?}");
        }
    }

    #[test]
    fn what_is_known_of_a_person_makes_a_password_weak() {
        assert_eq!(weakness("password1", &[], 2)[0], "Password is too weak.");
        assert!(weakness("correct horse battery staple", &[], 2).is_empty());
        assert!(weakness("grimaldi-lovelace-9", &[], 2).is_empty());
        assert!(!weakness("grimaldi-lovelace-9", &["grimaldi-lovelace"], 2).is_empty());
        assert!(weakness("a", &[], -1).is_empty(), "every score is above -1");
    }
}
