//! Sending text messages, by Twilio or by any gateway that takes JSON.

use std::time::Duration;

use reqwest::{RequestBuilder, Url};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::authenticator_sms::{AuthType, AuthenticatorSmsStage, Provider};
use crate::{
    base::egress::{Client, Redirects},
    identity::{events, visit::Visit, world::World},
    model::Object,
    policies::engine::Subject,
    store::StoreError,
};

/// Where Twilio's API is.
const TWILIO: &str = "https://api.twilio.com/";
/// How long a gateway may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The part of the system that events name.
const APP: &str = "authentik.stages.authenticator_sms";

/// A message to be sent.
pub(super) struct Message<'a> {
    /// To which number.
    pub number: &'a str,
    /// The code in it.
    pub code: &'a str,
    /// Whom it is for.
    pub subject: &'a Subject,
    /// The request that asked for it.
    pub visit: &'a Visit,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service did not take it.
    #[error("{0}")]
    Refused(String),
}

/// Sends a message by the service of a stage. A failure leaves an event.
///
/// # Errors
/// [`SendError`].
pub(super) async fn send(world: &World, stage: &Object, message: &Message<'_>) -> Result<(), SendError> {
    let sent = try_send(world, stage, message).await;
    if let Err(SendError::Refused(problem)) = &sent {
        let stage = events::describe(world.registry(), stage);
        let context = json!({ "message": format!("A text message cannot be sent: {problem}"), "stage": stage });
        let actor = message.subject.person().map(|person| &**person);
        events::write(world, Some(message.visit), actor, "configuration_error", APP, context).await?;
    }
    sent
}

async fn try_send(world: &World, stage: &Object, message: &Message<'_>) -> Result<(), SendError> {
    let refused = |problem: String| SendError::Refused(problem);
    let declared: AuthenticatorSmsStage =
        serde_json::from_value(Json::Object(stage.attrs.clone())).map_err(|error| refused(error.to_string()))?;
    let secret = async |field: &str| -> Result<Zeroizing<String>, SendError> {
        Ok(world.store().reveal(stage.id, field).await?.unwrap_or_default())
    };
    let (auth, password) = (secret("auth").await?, secret("auth_password").await?);
    let client = world.means().egress.client(Redirects::Never, |client| client.timeout(PATIENCE));
    let client = client.map_err(|error| refused(error.to_string()))?;
    let text = format!("{} is your code for {}.", message.code, message.visit.product());
    let request = match declared.provider {
        Provider::Twilio => twilio(&client, TWILIO, &declared, &auth, message.number, &text),
        Provider::Generic => {
            let body = match stage.targets("mapping").first() {
                Some(_) => {
                    return Err(refused("mappings of text messages cannot be run by this release yet".to_owned()));
                }
                None => json!({
                    "From": declared.from_number, "To": message.number, "Body": message.code, "Message": text,
                }),
            };
            generic(&client, &declared, &auth, &password, &body)
        }
    };
    let answer = request.map_err(refused)?.send().await.map_err(|error| refused(error.without_url().to_string()))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(refused(format!("the service answers with status {status}"))),
    }
}

/// Twilio's way: <https://www.twilio.com/docs/messaging/api/message-resource>.
fn twilio(
    client: &Client,
    base: &str,
    declared: &AuthenticatorSmsStage,
    auth: &str,
    number: &str,
    text: &str,
) -> Result<RequestBuilder, String> {
    let mut url = Url::parse(base).map_err(|error| error.to_string())?;
    url.path_segments_mut().map_err(|()| "the address has no path".to_owned())?.pop_if_empty().extend([
        "2010-04-01",
        "Accounts",
        &declared.account_sid,
        "Messages.json",
    ]);
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("From", declared.from_number.as_str()), ("To", number), ("Body", text)])
        .finish();
    let request = client.post(url).map_err(|error| error.to_string())?;
    Ok(request
        .basic_auth(&declared.account_sid, Some(auth))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form))
}

/// Any other gateway's way: a JSON document.
fn generic(
    client: &Client,
    declared: &AuthenticatorSmsStage,
    auth: &str,
    password: &str,
    body: &Json,
) -> Result<RequestBuilder, String> {
    let url = Url::parse(&declared.account_sid).map_err(|error| format!("the address of the gateway: {error}"))?;
    let request = client.post(url).map_err(|error| error.to_string())?;
    let request = match declared.auth_type {
        AuthType::Basic => request.basic_auth(auth, Some(password)),
        AuthType::Bearer => request.bearer_auth(auth),
    };
    Ok(request.header("content-type", "application/json").body(body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::egress::Egress;

    #[test]
    fn twilio_is_asked_as_its_documentation_says() {
        let client = Egress::default().client(Redirects::Never, |client| client).expect("a client");
        let declared = AuthenticatorSmsStage {
            account_sid: "AC1/..".to_owned(),
            from_number: "+15550001".to_owned(),
            ..AuthenticatorSmsStage::default()
        };
        let request = twilio(&client, TWILIO, &declared, "secret", "+15550002", "1 & 2").expect("a request");
        let request = request.build().expect("a request");
        assert_eq!(request.method(), "POST");
        assert_eq!(request.url().as_str(), "https://api.twilio.com/2010-04-01/Accounts/AC1%2F../Messages.json");
        // base64 of "AC1/..:secret"
        assert_eq!(request.headers()["authorization"], "Basic QUMxLy4uOnNlY3JldA==");
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        let body = request.body().and_then(|body| body.as_bytes()).expect("a body");
        assert_eq!(body, b"From=%2B15550001&To=%2B15550002&Body=1+%26+2");
    }
}
