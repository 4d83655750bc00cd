//! The object surface: which Python text goes in front of an expression.
//!
//! The prelude is three Python files and a table of model classes. Running all of it for each evaluation would cost more
//! than most expressions, so a program gets just the definitions that it can reach, found by names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use ruff_python_ast::{
    Expr, Stmt,
    visitor::{Visitor, walk_expr},
};
use ruff_text_size::{Ranged, TextRange};

use super::{Names, Purpose, Variables};

const PRELUDE: &str = include_str!("prelude.py");
const FUNCTIONS: &str = include_str!("functions.py");
const LIBRARY: &str = include_str!("library.py");

/// Model classes that expressions may name: module, class, kind.
const MODELS: &[(&str, &str, &str)] = &[
    ("authentik.core.models", "Application", "authentik_core.application"),
    ("authentik.core.models", "Token", "authentik_core.token"),
    ("authentik.core.models", "Source", "authentik_core.source"),
    ("authentik.core.models", "Provider", "authentik_core.provider"),
    ("authentik.core.models", "PropertyMapping", "authentik_core.propertymapping"),
    ("authentik.core.models", "UserSourceConnection", "authentik_core.usersourceconnection"),
    ("authentik.core.models", "AuthenticatedSession", "authentik_core.authenticatedsession"),
    ("authentik.core.models", "ApplicationEntitlement", "authentik_core.applicationentitlement"),
    ("authentik.rbac.models", "Role", "authentik_rbac.role"),
    ("authentik.brands.models", "Brand", "authentik_brands.brand"),
    ("authentik.tenants.models", "Tenant", "authentik_brands.brand"),
    ("authentik.crypto.models", "CertificateKeyPair", "authentik_crypto.certificatekeypair"),
    ("authentik.events.models", "Event", "authentik_events.event"),
    ("authentik.flows.models", "Flow", "authentik_flows.flow"),
    ("authentik.flows.models", "Stage", "authentik_flows.stage"),
    ("authentik.flows.models", "FlowStageBinding", "authentik_flows.flowstagebinding"),
    ("authentik.policies.models", "Policy", "authentik_policies.policy"),
    ("authentik.policies.models", "PolicyBinding", "authentik_policies.policybinding"),
    ("authentik.policies.reputation.models", "Reputation", "authentik_policies_reputation.reputation"),
    ("authentik.sources.oauth.models", "OAuthSource", "authentik_sources_oauth.oauthsource"),
    (
        "authentik.sources.oauth.models",
        "UserOAuthSourceConnection",
        "authentik_sources_oauth.useroauthsourceconnection",
    ),
    ("authentik.sources.saml.models", "SAMLSource", "authentik_sources_saml.samlsource"),
    ("authentik.sources.ldap.models", "LDAPSource", "authentik_sources_ldap.ldapsource"),
    ("authentik.sources.plex.models", "PlexSource", "authentik_sources_plex.plexsource"),
    ("authentik.sources.scim.models", "SCIMSource", "authentik_sources_scim.scimsource"),
    ("authentik.sources.kerberos.models", "KerberosSource", "authentik_sources_kerberos.kerberossource"),
    ("authentik.providers.oauth2.models", "OAuth2Provider", "authentik_providers_oauth2.oauth2provider"),
    ("authentik.providers.oauth2.models", "AccessToken", "authentik_providers_oauth2.accesstoken"),
    ("authentik.providers.oauth2.models", "RefreshToken", "authentik_providers_oauth2.refreshtoken"),
    ("authentik.providers.saml.models", "SAMLProvider", "authentik_providers_saml.samlprovider"),
    ("authentik.providers.proxy.models", "ProxyProvider", "authentik_providers_proxy.proxyprovider"),
    ("authentik.stages.invitation.models", "Invitation", "authentik_stages_invitation.invitation"),
    ("authentik.stages.authenticator.models", "Device", "authentik_core.device"),
    ("authentik.stages.authenticator_duo.models", "DuoDevice", "authentik_stages_authenticator_duo.duodevice"),
    ("authentik.stages.authenticator_email.models", "EmailDevice", "authentik_stages_authenticator_email.emaildevice"),
    ("authentik.stages.authenticator_sms.models", "SMSDevice", "authentik_stages_authenticator_sms.smsdevice"),
    (
        "authentik.stages.authenticator_static.models",
        "StaticDevice",
        "authentik_stages_authenticator_static.staticdevice",
    ),
    ("authentik.stages.authenticator_totp.models", "TOTPDevice", "authentik_stages_authenticator_totp.totpdevice"),
    (
        "authentik.stages.authenticator_webauthn.models",
        "WebAuthnDevice",
        "authentik_stages_authenticator_webauthn.webauthndevice",
    ),
    ("authentik.stages.consent.models", "UserConsent", "authentik_stages_consent.userconsent"),
];

/// Further names of modules: module, name, and what it stands for in the prelude where that is called otherwise.
const NAMES: &[(&str, &[&str])] = &[
    (
        "authentik.core.models",
        &[
            "User",
            "Group",
            "UserTypes",
            "USER_ATTRIBUTE_DEBUG",
            "USER_ATTRIBUTE_GENERATED",
            "USER_ATTRIBUTE_EXPIRES",
            "USER_ATTRIBUTE_DELETE_ON_LOGOUT",
            "USER_ATTRIBUTE_SOURCES",
            "USER_ATTRIBUTE_TOKEN_EXPIRING",
            "USER_ATTRIBUTE_TOKEN_MAXIMUM_LIFETIME",
            "USER_ATTRIBUTE_CHANGE_USERNAME",
            "USER_ATTRIBUTE_CHANGE_NAME",
            "USER_ATTRIBUTE_CHANGE_EMAIL",
            "USER_PATH_SYSTEM_PREFIX",
            "USER_PATH_SERVICE_ACCOUNT",
        ],
    ),
    ("authentik.flows.models", &["FlowAuthenticationRequirement", "FlowDesignation"]),
    ("authentik.lib.config", &["CONFIG"]),
    ("authentik.lib.generators", &["generate_id"]),
    ("authentik.policies.types", &["PolicyResult"]),
    ("authentik.core.expression.exceptions", &["SkipObject"]),
    ("msgraph.generated.models.password_profile", &["PasswordProfile"]),
    ("structlog.stdlib", &["get_logger"]),
    ("structlog", &["get_logger"]),
    ("django.utils.text", &["slugify"]),
    ("uuid", &["UUID"]),
    ("ipaddress", &["ip_address", "ip_network"]),
    ("requests", &["Response"]),
];

/// Modules that are an object of the prelude: names imported from them are its attributes.
const MODULES: &[(&str, &str)] = &[
    ("requests", "requests"),
    ("hashlib", "_gw_m_hashlib"),
    ("hmac", "_gw_m_hmac"),
    ("uuid", "_gw_m_uuid"),
    ("time", "_gw_m_time"),
    ("django.utils.timezone", "_gw_m_timezone"),
    ("random", "_gw_m_random"),
    ("secrets", "_gw_m_secrets"),
    ("string", "_gw_m_string"),
    ("copy", "_gw_m_copy"),
    ("ipaddress", "_gw_m_ipaddress"),
    ("logging", "_gw_m_logging"),
    ("urllib.parse", "_gw_m_parse"),
    ("urllib", "_gw_m_urllib"),
];

/// Modules of the sandbox's language.
const NATIVE: &[&str] = &[
    "re",
    "json",
    "datetime",
    "base64",
    "binascii",
    "collections",
    "itertools",
    "functools",
    "math",
    "typing",
    "dataclasses",
    "unicodedata",
    "__future__",
];

/// What an import stands for.
pub(super) enum Import {
    /// A module of the language itself: the statement stays.
    Native,
    /// An expression over the prelude, and the definition it needs.
    Prelude(String),
    /// Nothing that is known.
    Unknown,
}

/// What `import module` stands for.
pub(super) fn module(name: &str) -> Import {
    if NATIVE.contains(&name) {
        return Import::Native;
    }
    match MODULES.iter().find(|(module, _)| *module == name) {
        Some((_, symbol)) => Import::Prelude((*symbol).to_owned()),
        None => Import::Unknown,
    }
}

/// What `from module import name` stands for.
pub(super) fn member(from: &str, name: &str) -> Import {
    if NATIVE.contains(&from) {
        return Import::Native;
    }
    if MODELS.iter().any(|(module, class, _)| *module == from && *class == name)
        || NAMES.iter().any(|(module, names)| *module == from && names.contains(&name))
    {
        return Import::Prelude(name.to_owned());
    }
    if let Import::Prelude(symbol) = self::module(&format!("{from}.{name}")) {
        return Import::Prelude(symbol);
    }
    match MODULES.iter().find(|(module, _)| *module == from) {
        Some((_, symbol)) if members(symbol).contains(name) => Import::Prelude(format!("{symbol}.{name}")),
        _ => Import::Unknown,
    }
}

/// Whether some name of a module is known, so that the module itself is.
pub(super) fn knows(from: &str) -> bool {
    MODELS.iter().any(|(module, ..)| *module == from)
        || NAMES.iter().any(|(module, _)| *module == from)
        || MODULES.iter().any(|(module, _)| *module == from)
}

/// The names that a module of the prelude has.
fn members(symbol: &str) -> BTreeSet<String> {
    let Some(item) = ITEMS.find(symbol) else { return BTreeSet::new() };
    if symbol == "requests" {
        return [
            "get",
            "options",
            "head",
            "post",
            "put",
            "patch",
            "delete",
            "request",
            "Session",
            "session",
            "RequestException",
            "HTTPError",
            "ConnectionError",
            "Timeout",
        ]
        .map(str::to_owned)
        .into();
    }
    item.keywords.clone()
}

/// A definition of the prelude.
struct Item {
    /// All of it.
    text: String,
    /// What is always there of it: for a class all but its methods.
    base: Part,
    /// Methods of a class by name, without those that the language calls.
    methods: Vec<(String, Part)>,
    /// Names of keyword arguments in it, which are the members of a module.
    keywords: BTreeSet<String>,
}

/// A piece of text with what it needs.
#[derive(Default)]
struct Part {
    text: String,
    /// Names that it reads.
    uses: BTreeSet<String>,
    /// Attributes that it asks for.
    attributes: BTreeSet<String>,
}

/// All definitions, in order.
struct Items {
    all: Vec<Item>,
    by_name: HashMap<String, usize>,
}

impl Items {
    fn find(&self, name: &str) -> Option<&Item> {
        self.by_name.get(name).and_then(|at| self.all.get(*at))
    }
}

static ITEMS: LazyLock<Items> = LazyLock::new(|| {
    let mut items = Items { all: Vec::new(), by_name: HashMap::new() };
    // Imports first: what follows may use them at once. The surface comes before the library, which builds on it.
    add(&mut items, &LIBRARY[..LIBRARY.find("class _Module").unwrap_or(0)]);
    add(&mut items, PRELUDE);
    add(&mut items, FUNCTIONS);
    add(&mut items, &LIBRARY[LIBRARY.find("class _Module").unwrap_or(0)..]);
    if let Some(template) = items.find("_Object").map(|item| item.text.clone()) {
        for (_, class, kind) in MODELS {
            let head = format!("class {class}:\n    objects = _Query(\"{kind}\")");
            let text = template.replace("class _Object:", &head).replace(
                "        self._kind = \"\"\n        self._id = \"\"\n",
                &format!("        _gw_identify(self, \"{kind}\", \"\")\n"),
            );
            add(&mut items, &text);
        }
    }
    items
});

/// Adds the definitions of a text. The texts are our own; one that does not parse has no definitions, and every test fails.
fn add(items: &mut Items, text: &str) {
    let Ok(parsed) = ruff_python_parser::parse_module(text) else { return };
    let slice = |range: TextRange| &text[range.start().to_usize()..range.end().to_usize()];
    let part = |written: String, statement: &Stmt| {
        let mut names = Used::default();
        names.visit_stmt(statement);
        Part { text: written, uses: names.read, attributes: names.attributes }
    };
    for statement in &parsed.syntax().body {
        let defined: Vec<String> = match statement {
            Stmt::FunctionDef(function) => vec![function.name.to_string()],
            Stmt::ClassDef(class) => vec![class.name.to_string()],
            Stmt::Assign(assign) => {
                assign.targets.iter().filter_map(|target| Some(target.as_name_expr()?.id.to_string())).collect()
            }
            Stmt::Import(import) => {
                import.names.iter().map(|name| name.asname.as_ref().unwrap_or(&name.name).to_string()).collect()
            }
            _ => Vec::new(),
        };
        let (base, methods) = match statement {
            Stmt::ClassDef(class) => {
                let mut base = Part { text: format!("class {}:\n", class.name), ..Part::default() };
                let mut methods = Vec::new();
                for statement in &class.body {
                    let one = part(format!("    {}\n", slice(statement.range())), statement);
                    match statement {
                        Stmt::FunctionDef(method) if !method.name.starts_with("__") => {
                            methods.push((method.name.to_string(), one))
                        }
                        _ => {
                            base.text.push_str(&one.text);
                            base.uses.extend(one.uses);
                            base.attributes.extend(one.attributes);
                        }
                    }
                }
                (base, methods)
            }
            _ => (part(format!("{}\n", slice(statement.range())), statement), Vec::new()),
        };
        let at = items.all.len();
        items.all.push(Item { text: slice(statement.range()).to_owned(), base, methods, keywords: BTreeSet::new() });
        for name in defined {
            items.by_name.insert(name, at);
        }
    }
    // Members of modules are looked up by the statement that makes the module.
    for statement in &parsed.syntax().body {
        if let Stmt::Assign(assign) = statement
            && let Some(name) = assign.targets.first().and_then(|target| target.as_name_expr())
            && let Some(at) = items.by_name.get(name.id.as_str()).copied()
            && let Some(item) = items.all.get_mut(at)
        {
            let mut names = Used::default();
            names.visit_stmt(statement);
            item.keywords = names.keywords;
        }
    }
}

/// Names read, attributes asked for and keywords given anywhere in a piece of code.
#[derive(Default)]
struct Used {
    read: BTreeSet<String>,
    attributes: BTreeSet<String>,
    keywords: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Used {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                self.read.insert(name.id.to_string());
            }
            Expr::Attribute(attribute) => {
                self.attributes.insert(attribute.attr.to_string());
            }
            Expr::StringLiteral(text) => {
                self.attributes.insert(text.value.to_str().to_owned());
            }
            Expr::Call(call) => {
                let named =
                    call.arguments.keywords.iter().filter_map(|keyword| Some(keyword.arg.as_ref()?.to_string()));
                self.keywords.extend(named);
            }
            _ => {}
        }
        walk_expr(self, expr);
    }
}

/// Whether the prelude defines a name that expressions may use.
pub(super) fn defines(name: &str) -> bool {
    ITEMS.by_name.contains_key(name)
}

/// The prelude's names that expressions may use without an import.
fn public() -> impl Iterator<Item = &'static str> {
    ITEMS.by_name.keys().map(String::as_str).filter(|name| !name.starts_with('_'))
}

/// Names that the engine itself puts there.
pub(super) fn special(name: &str, purpose: Purpose) -> bool {
    match name {
        "request" | "context" | "http_request" | "ak_call_policy" | "ak_create_event" | "ak_client_ip" => true,
        "ak_is_sso_flow" => purpose == Purpose::Policy,
        "user" => purpose == Purpose::Mapping,
        _ => false,
    }
}

/// The defined name that is nearest to one that is not.
pub(super) fn nearest(name: &str, variables: &Variables) -> Option<String> {
    let special = ["request", "context", "http_request", "ak_client_ip", "ak_call_policy", "ak_create_event"];
    let all: Vec<&str> = public().collect();
    all.into_iter()
        .chain(special)
        .chain(variables.names.iter().map(String::as_str))
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min()
        .map(|(_, known)| known.to_owned())
}

/// The kinds of the model classes among names.
fn classes(names: &BTreeSet<usize>) -> BTreeMap<&'static str, &'static str> {
    let mut classes = BTreeMap::from([("authentik_core.user", "User"), ("authentik_core.group", "Group")]);
    for (_, class, kind) in MODELS {
        if ITEMS.by_name.get(*class).is_some_and(|at| names.contains(at)) {
            classes.insert(kind, class);
        }
    }
    classes
}

/// What stands in for helpers when no query and no response can come up: they cost less than the classes that they know.
const PLAIN: &str = "def _gw_t(value):\n    return value\ndef _gw_f(value):\n    return value\n";

/// What of the prelude a program needs besides what it names.
#[derive(Clone, Copy)]
pub(super) struct Needs<'a> {
    /// Helpers that its edits brought in.
    pub helpers: &'a BTreeSet<&'static str>,
    /// Names of attributes that it may ask for: other methods are left out.
    pub names: &'a Names,
    /// Objects come with its scope.
    pub objects: bool,
    /// Addresses come with its scope.
    pub addresses: bool,
}

/// The text of all definitions that these names need.
pub(super) fn select<'a>(names: impl IntoIterator<Item = &'a str>, needs: Needs<'_>) -> String {
    let mut open: Vec<&str> = names.into_iter().collect();
    if needs.objects {
        open.extend(["_gw_enter", "User", "Group", "_Object"]);
    }
    let mut without: Vec<&str> = if needs.addresses { Vec::new() } else { vec!["_gw_address", "_gw_network"] };
    let mut chosen = Chosen::default();
    chosen.close(open, needs.names, &without);
    let asks = ["_Query", "Response", "_gw_t", "_gw_f"].iter().any(|name| chosen.has(name));
    let mut all: Vec<&str> = needs.helpers.iter().copied().collect();
    if asks {
        all.push("_gw_t");
    } else {
        without.extend(["_gw_t", "_gw_f"]);
    }
    chosen.close(all, needs.names, &without);
    let mut text = String::new();
    if !asks && !needs.helpers.is_empty() {
        text.push_str(PLAIN);
    }
    for at in &chosen.items {
        let Some(item) = ITEMS.all.get(*at) else { continue };
        text.push_str(&item.base.text);
        for (number, (_, method)) in item.methods.iter().enumerate() {
            if chosen.methods.contains(&(*at, number)) {
                text.push_str(&method.text);
            }
        }
    }
    if chosen.has("_gw_make") {
        text.push_str("_gw_classes = {");
        for (kind, class) in classes(&chosen.items) {
            text.push_str(&format!("\"{kind}\": {class}, "));
        }
        text.push_str("}\n");
    }
    text
}

/// What is needed, as far as it is known.
#[derive(Default)]
struct Chosen {
    items: BTreeSet<usize>,
    methods: BTreeSet<(usize, usize)>,
    attributes: BTreeSet<&'static str>,
}

impl Chosen {
    fn has(&self, name: &str) -> bool {
        ITEMS.by_name.get(name).is_some_and(|at| self.items.contains(at))
    }

    /// Adds these names and all that they need, but for what has a stand-in.
    fn close(&mut self, mut open: Vec<&str>, names: &Names, without: &[&str]) {
        loop {
            while let Some(name) = open.pop() {
                if without.contains(&name) {
                    continue;
                }
                let Some(at) = ITEMS.by_name.get(name) else { continue };
                if self.items.insert(*at)
                    && let Some(item) = ITEMS.all.get(*at)
                {
                    self.part(&item.base, &mut open);
                    // Whoever makes objects needs the classes of users and groups.
                    if name == "_gw_make" {
                        open.extend(["User", "Group", "_Object"]);
                    }
                }
            }
            // Methods come with their class once something asks for their names.
            let mut asked = Vec::new();
            for at in &self.items {
                let Some(item) = ITEMS.all.get(*at) else { continue };
                for (number, (name, method)) in item.methods.iter().enumerate() {
                    let wanted = names.wants(name) || self.attributes.contains(name.as_str());
                    if wanted && !self.methods.contains(&(*at, number)) {
                        asked.push((*at, number, method));
                    }
                }
            }
            if asked.is_empty() {
                return;
            }
            for (at, number, method) in asked {
                self.methods.insert((at, number));
                self.part(method, &mut open);
            }
        }
    }

    fn part(&mut self, part: &'static Part, open: &mut Vec<&str>) {
        open.extend(part.uses.iter().map(String::as_str));
        self.attributes.extend(part.attributes.iter().map(String::as_str));
    }
}
