//! Evidence that a stage was passed.
//!
//! A stage cannot advance a flow; it can only hand in a [`Proof`], which only a [`StageContext`](super::stage::StageContext)
//! makes and which names the execution, the step and the person that it was made for. The executor refuses one that does not
//! fit the flow that it holds.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Somebody said who it is, which proves nothing yet.
    Named,
    /// A password was right: path of the backend that says so.
    Password(String),
    /// An authenticator answered: its class.
    Authenticator(String),
    /// A link that was sent to an address was opened.
    Mail,
    /// A challenge for humans was solved.
    Captcha,
    /// An invitation was presented.
    Invitation,
    /// A client certificate was presented to the trusted proxy.
    Certificate,
    /// Another identity server vouches for the person.
    Source,
    /// The person agreed.
    Consent,
    /// A form was filled in and found valid.
    Form,
    /// The stage did what it had to do, or had nothing to do: it asks for no evidence.
    Done,
}

/// Evidence, bound to what it was given for.
#[derive(Debug)]
pub struct Proof {
    pub(super) execution: Uuid,
    pub(super) stage: Option<Uuid>,
    pub(super) person: Option<Uuid>,
    pub(super) evidence: Evidence,
}

/// Evidence as a plan remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The stage; none for one that the model does not hold.
    pub stage: Option<Uuid>,
    /// The person that the flow was about then.
    pub person: Option<Uuid>,
    /// What was shown.
    pub evidence: Evidence,
}
