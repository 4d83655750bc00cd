//! One request of a browser or client, and the session that it came with.

use std::{net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::person::Person;
use crate::{model::Object, store::Session};

/// What is known of a request. Nothing in it is trusted but `client`, `secure` and `outpost`, which were established
/// before.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Identity of the request, in the log and on error pages.
    pub id: Uuid,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Raw query, without `?`.
    pub query: String,
    /// Host as the client wrote it, with the port.
    pub host: String,
    /// Whether the client came by TLS.
    pub secure: bool,
    /// Headers in the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Address of the client, as far as the trusted proxies tell.
    pub client: IpAddr,
    /// The service account of the outpost that asks on the client's behalf.
    pub outpost: Option<Uuid>,
    /// The brand of the host.
    pub brand: Option<Arc<Object>>,
}

impl Visit {
    /// The first header of a name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The client program's own name for itself.
    pub fn user_agent(&self) -> &str {
        self.header("user-agent").unwrap_or_default()
    }

    /// Scheme, host and port of the server as the client sees it.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }

    /// A text of the brand; empty when there is no brand.
    pub fn brand_text(&self, field: &str) -> &str {
        self.brand.as_ref().and_then(|brand| brand.attrs.get(field)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The object that the brand refers to.
    pub fn brand_target(&self, field: &str) -> Option<Uuid> {
        self.brand.as_ref().and_then(|brand| brand.targets(field).first().copied())
    }

    /// The product's name on pages and in mails.
    pub fn product(&self) -> &str {
        match self.brand_text("branding_title") {
            "" => "authentik",
            title => title,
        }
    }
}

/// What the server keeps in a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionData {
    /// Secret that a form or client must repeat.
    pub csrf: String,
    /// Query of the flow page that was last looked at, as pairs.
    pub query: Vec<(String, String)>,
    /// Application on whose behalf somebody signs in.
    pub application: Option<Uuid>,
    /// How the person signed in: `auth_method` and its arguments.
    pub method: String,
    /// See `method`.
    pub method_args: Map<String, Value>,
    /// What checked the password: the dotted name that `user_backend` has.
    pub backend: String,
    /// Address at the last request.
    pub address: Option<IpAddr>,
    /// Client program at the last request.
    pub user_agent: String,
    /// Whether the session moves with its network and place: the settings of the login stage.
    pub network_binding: String,
    /// See `network_binding`.
    pub geoip_binding: String,
    /// Whether the cookie goes when the browser is closed.
    pub until_closed: bool,
    /// Who really sits there, while somebody is impersonated: whose session it is.
    pub impersonator: Option<Uuid>,
    /// Who is impersonated.
    pub impersonated: Option<Uuid>,
    /// Messages to be shown on the next page.
    pub messages: Vec<Message>,
    /// Plans of the flow that was last walked through, one for each stage that was passed, for the inspector.
    pub history: Vec<Value>,
    /// What stages remember beyond one flow: `scope/key` to value.
    pub kept: Map<String, Value>,
}

/// A message to the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `info`, `success`, `warning`, `error`.
    pub level: String,
    /// The text.
    pub message: String,
}

/// The session of a request, changed in memory and written once at the end.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The stored session; a new one is not stored before something is put into it.
    pub session: Session,
    /// What is in it.
    pub data: SessionData,
    /// Who is signed in, and active; while somebody is impersonated, that person.
    pub person: Option<Arc<Person>>,
    /// The cookie's content under which the session is in the database.
    pub known: Option<String>,
    /// The cookie's new content, when it changes.
    pub token: Option<String>,
    /// Whether it is in the database.
    pub stored: bool,
    /// Whether the session ends with this request; a new one begins when something is put into it.
    pub ended: bool,
    /// Whether the other sessions of the person end with this request.
    pub end_others: bool,
    /// Other cookies to be set: whole `Set-Cookie` values.
    pub cookies: Vec<String>,
}

impl Seat {
    /// An empty session that begins now and lasts until `expires`.
    pub fn new(now: i64, expires: i64) -> Seat {
        let session = Session { id: Uuid::new_v4(), person: None, created: now, used: now, expires, data: Value::Null };
        Seat {
            session,
            data: SessionData { until_closed: true, ..SessionData::default() },
            person: None,
            known: None,
            token: None,
            stored: false,
            ended: false,
            end_others: false,
            cookies: Vec::new(),
        }
    }

    /// Leaves a message for the next page.
    pub fn message(&mut self, level: &str, text: impl Into<String>) {
        self.data.messages.push(Message { level: level.to_owned(), message: text.into() });
    }
}
