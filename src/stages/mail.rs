//! What the stages that send mail have in common: the checks of their connection and template.

use crate::model::Report;

/// Templates that come with the server; all others are files below the configured template folder.
const SHIPPED: [&str; 4] = [
    "email/account_confirmation.html",
    "email/email_otp.html",
    "email/event_notification.html",
    "email/password_reset.html",
];

/// Checks the template's name as far as that is possible without the template folder.
pub(super) fn check_template(template: &str, report: &mut Report) {
    if SHIPPED.contains(&template) {
        return;
    }
    let stays_inside = !template.starts_with('/') && !template.split(['/', '\\']).any(|part| part == "..");
    if !template.ends_with(".html") || !stays_inside {
        let listed = SHIPPED.join(", ");
        report.error(
            "template",
            format!(
                "`{template}` names no template; take one of {listed}, or the path of a .html file relative to the \
                 template folder"
            ),
        );
    } else if let Some(meant) = SHIPPED.into_iter().find(|name| is_slip_of(template, name)) {
        report.warn("template", format!("`{template}` does not come with the server; `{meant}` does"));
    }
}

/// Whether a name differs from another by so little that it is hardly a template of its own.
fn is_slip_of(template: &str, name: &str) -> bool {
    strsim::damerau_levenshtein(template, name) <= 2
}

/// Checks that the two ways to encrypt a connection are not both chosen.
pub(super) fn check_encryption(use_global_settings: bool, use_tls: bool, use_ssl: bool, report: &mut Report) {
    if !use_global_settings && use_tls && use_ssl {
        report.warn(
            "use_ssl",
            "and `use_tls` exclude each other; keep `use_ssl` (usually port 465) or `use_tls` (usually port 587)",
        );
    }
}
