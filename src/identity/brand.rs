//! The kind `authentik_brands.brand`: what the server looks like and does under one domain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Change, Key, Kind, Ref, Reference, Report};

/// Looks and default flows for the host names of one domain. A request gets the brand whose domain its host ends
/// in, else the default brand.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Brand {
    /// Domain that selects the brand, without scheme and port. Subdomains are included: `example.com` also serves
    /// `login.example.com`, unless a longer domain matches.
    #[schemars(length(min = 1))]
    pub domain: String,
    /// Serves every host that no other brand matches. Only one brand can be the default.
    pub default: bool,
    /// Product name in page titles, headings and mails.
    #[schemars(length(min = 1))]
    pub branding_title: String,
    /// Logo: a URL, or a path below the static files.
    #[schemars(length(min = 1))]
    pub branding_logo: String,
    /// Icon of the browser tab: a URL, or a path below the static files.
    #[schemars(length(min = 1))]
    pub branding_favicon: String,
    /// Style sheet that is added to every page, as CSS text (after 2024.6).
    pub branding_custom_css: String,
    /// Background picture of flows that have none of their own: a URL, or a path below the static files (after 2024.6).
    #[schemars(length(min = 1))]
    pub branding_default_flow_background: String,
    /// Flow for signing in. Without one, the first flow of the designation that the person may use is taken.
    pub flow_authentication: Option<Ref>,
    /// Flow for signing out. Without one, the first flow of the designation is taken.
    pub flow_invalidation: Option<Ref>,
    /// Flow for people who forgot their password. Without one, no recovery is offered and no recovery link can be made.
    pub flow_recovery: Option<Ref>,
    /// Flow in which people delete their own account. Without one, this is not offered.
    pub flow_unenrollment: Option<Ref>,
    /// Flow behind the personal settings page. Without one, people cannot change their own details.
    pub flow_user_settings: Option<Ref>,
    /// Flow for entering the code of a device. Without one, the OAuth device grant is off for the brand.
    pub flow_device_code: Option<Ref>,
    /// Application to which people without access to the user interface are sent after signing in (after 2024.6).
    pub default_application: Option<Ref>,
    /// Certificate that the built-in web server presents for the domain.
    pub web_certificate: Option<Ref>,
    /// Authorities whose client certificates the web server accepts for the domain (after 2024.6).
    pub client_certificates: Vec<Ref>,
    /// Free settings of the brand. `settings.theme.base` (`automatic`, `light`, `dark`) and `settings.locale` are read
    /// by the pages; groups and users override them with attributes of the same name.
    pub attributes: Map<String, Value>,
}

impl Default for Brand {
    fn default() -> Self {
        Brand {
            domain: String::new(),
            default: false,
            branding_title: "authentik".to_owned(),
            branding_logo: "/static/dist/assets/icons/icon_left_brand.svg".to_owned(),
            branding_favicon: "/static/dist/assets/icons/icon.png".to_owned(),
            branding_custom_css: String::new(),
            branding_default_flow_background: "/static/dist/assets/images/flow_background.jpg".to_owned(),
            flow_authentication: None,
            flow_invalidation: None,
            flow_recovery: None,
            flow_unenrollment: None,
            flow_user_settings: None,
            flow_device_code: None,
            default_application: None,
            web_certificate: None,
            client_certificates: Vec::new(),
            attributes: Map::new(),
        }
    }
}

impl Kind for Brand {
    const NAME: &'static str = "authentik_brands.brand";
    const TITLE: &'static str = "Brand";
    const ALIASES: &'static [&'static str] = &["authentik_tenants.tenant"];
    const KEYS: &'static [Key] = &[Key::of(&["domain"]), Key::at_most_one(&["default"])];
    const REQUIRED: &'static [&'static str] = &["domain"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("flow_authentication", "authentik_flows.flow"),
        Reference::one("flow_invalidation", "authentik_flows.flow"),
        Reference::one("flow_recovery", "authentik_flows.flow"),
        Reference::one("flow_unenrollment", "authentik_flows.flow"),
        Reference::one("flow_user_settings", "authentik_flows.flow"),
        Reference::one("flow_device_code", "authentik_flows.flow"),
        Reference::one("default_application", "authentik_core.application"),
        Reference::one("web_certificate", "authentik_crypto.certificatekeypair"),
        Reference::many("client_certificates", "authentik_crypto.certificatekeypair"),
    ];
    const CHANGES: &'static [Change] = &[Change::Removed {
        field: "event_retention",
        release: "2024.2",
        instead: "how long events are kept is a setting of the whole system",
    }];
    const READ_ONLY: &'static [&'static str] = &["brand_uuid", "tenant_uuid"];

    fn check(&self, report: &mut Report) {
        if self.domain.contains([':', '/', ' ']) {
            report.error(
                "domain",
                format!(
                    "{:?} is not a host name; leave out scheme, port and path, as in login.example.com",
                    self.domain
                ),
            );
        }
    }
}
