//! What a user has to prove with who they are: a password, a device, an account elsewhere.

use serde_json::Value;

use super::{State, Walk, flag, kind_of, texts};
use crate::{
    identity::token::Token,
    model::{Family, Kind, Need, Object, SecretState},
    policies::access::known_as,
    sources::{kerberos::KerberosSource, ldap::LdapSource},
    stages::{
        duo_device::DuoDevice, email_device::EmailDevice, sms_device::SmsDevice, static_device::StaticDevice,
        totp_device::TotpDevice, webauthn_device::WebAuthnDevice,
    },
};

impl Walk<'_> {
    /// What is known behind a password stage.
    pub(super) fn password(&mut self, stage: &Object, name: &str, state: State) -> Result<Vec<State>, Need> {
        let model = self.sight.model;
        let backends = texts(stage, "backends");
        let has = |name: &str| backends.iter().any(|backend| backend.ends_with(name));
        let usable = match self.user.secrets.get("password") {
            // What begins with an exclamation mark is the note that there is no password.
            Some(SecretState::Password(hash)) => !hash.starts_with('!'),
            Some(SecretState::Sealed(_) | SecretState::Planned) => true,
            None => false,
        };
        if has(".InbuiltBackend") && usable {
            return Ok(vec![state.proved()]);
        }
        if has(".TokenBackend")
            && let Some(kind) = kind_of::<Token>(model)
        {
            for token in model.referrers(kind, "user", self.user.id)? {
                let token = model.known(token).filter(|token| token.text("intent").as_deref() == Some("app_password"));
                if let Some(token) = token {
                    let token = token.text("identifier").unwrap_or_default();
                    return Ok(vec![state.proved().assume(format!("the app password `{token}` is valid"))]);
                }
            }
        }
        for (backend, kind) in [(".LDAPBackend", LdapSource::NAME), (".KerberosBackend", KerberosSource::NAME)] {
            if !has(backend) {
                continue;
            }
            let kind = model.registry().find(kind).map(|info| info.index);
            for source in kind.into_iter().flat_map(|kind| model.known_of_kind(kind)) {
                if flag(source, "enabled") && (self.is_linked(source)? || self.came_from_directory()) {
                    let source = known_as(model, source);
                    return Ok(vec![state.proved().assume(format!("the source `{source}` accepts the password"))]);
                }
            }
        }
        self.fail(match has(".InbuiltBackend") {
            true => format!("has no usable password for the stage `{name}`"),
            false => format!("has nothing that the backends of the stage `{name}` accept"),
        });
        Ok(Vec::new())
    }

    /// Whether the user carries the marks of a directory's user.
    fn came_from_directory(&self) -> bool {
        let attributes = self.user.attrs.get("attributes").and_then(Value::as_object);
        attributes.is_some_and(|all| all.contains_key("ldap_uniq") || all.contains_key("distinguishedName"))
    }

    /// Whether the user has a device of one of the classes; that it is still at hand is an assumption.
    pub(super) fn device(&self, classes: &[&str]) -> Result<Option<String>, Need> {
        let model = self.sight.model;
        for class in classes {
            let name = match *class {
                "static" => StaticDevice::NAME,
                "totp" => TotpDevice::NAME,
                "webauthn" => WebAuthnDevice::NAME,
                "duo" => DuoDevice::NAME,
                "sms" => SmsDevice::NAME,
                "email" => EmailDevice::NAME,
                _ => continue,
            };
            let Some(info) = model.registry().find(name) else { continue };
            for device in model.referrers(info.index, "user", self.user.id)? {
                if model.known(device).is_some_and(|device| flag(device, "confirmed") && !flag(device, "is_hashed")) {
                    return Ok(Some(format!("the user still has the device of the class `{class}`")));
                }
            }
        }
        Ok(None)
    }

    /// Whether an account at a source is known to be the user's.
    pub(super) fn is_linked(&self, source: &Object) -> Result<bool, Need> {
        let model = self.sight.model;
        for kind in model.registry().targets(Family::UserSourceConnection.name()) {
            for connection in model.referrers(kind, "user", self.user.id)? {
                if model.known(connection).is_some_and(|found| found.targets("source").contains(&source.id)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
