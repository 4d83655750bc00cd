//! The HTTP request as an expression sees it: `request.http_request`.

use crate::{
    expression::{Handle, Map, Value},
    identity::visit::Visit,
};

/// Headers that stand for the session or for somebody's rights, which no expression needs.
const HIDDEN: [&str; 2] = ["cookie", "authorization"];

/// The request: `path`, `method`, `META`, `headers`, `GET`, `POST`, `COOKIES`, `session`, `brand` and `tenant`.
///
/// `POST` and `session` are empty: what was sent is in the plan's `prompt_data`, and what is known of the session in the
/// plan's context. `COOKIES` lacks the server's own, and headers that carry credentials are left out, so that no event or log
/// that an expression writes has them.
pub fn handle(visit: &Visit) -> Handle {
    let text = |text: &str| Value::text(text);
    let mut meta = Map::from_iter([
        ("REMOTE_ADDR".to_owned(), Value::Text(visit.client.to_string())),
        ("REQUEST_METHOD".to_owned(), text(&visit.method)),
        ("PATH_INFO".to_owned(), text(&visit.path)),
        ("QUERY_STRING".to_owned(), text(&visit.query)),
        ("HTTP_HOST".to_owned(), text(&visit.host)),
    ]);
    let mut headers = Map::from_iter([("Host".to_owned(), text(&visit.host))]);
    for (name, value) in visit.headers.iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str())) {
        let key = name.to_ascii_uppercase().replace('-', "_");
        let key = if matches!(key.as_str(), "CONTENT_TYPE" | "CONTENT_LENGTH") { key } else { format!("HTTP_{key}") };
        meta.insert(key, text(value));
        headers.insert(title(name), text(value));
        headers.insert(name.clone(), text(value));
    }
    let arguments = form_urlencoded::parse(visit.query.as_bytes()).map(|(key, value)| (key.into_owned(), text(&value)));
    let cookies =
        visit.header("cookie").unwrap_or_default().split(';').filter_map(|cookie| cookie.trim().split_once('='));
    let cookies = cookies.filter(|(name, _)| !name.starts_with("authentik_") && !name.starts_with("gatewright_"));
    let brand: Value =
        visit.brand.as_ref().map(|brand| Handle::new("authentik_brands.brand", brand.id.to_string())).into();
    let attributes = Map::from_iter([
        ("path".to_owned(), text(&visit.path)),
        ("method".to_owned(), text(&visit.method)),
        ("META".to_owned(), Value::Map(meta)),
        ("headers".to_owned(), Value::Map(headers)),
        ("GET".to_owned(), Value::Map(arguments.collect())),
        ("POST".to_owned(), Value::Map(Map::new())),
        ("COOKIES".to_owned(), Value::Map(cookies.map(|(name, value)| (name.to_owned(), text(value))).collect())),
        ("session".to_owned(), Value::Map(Map::new())),
        ("request_id".to_owned(), Value::Text(visit.id.simple().to_string())),
        ("brand".to_owned(), brand.clone()),
        ("tenant".to_owned(), brand),
    ]);
    Handle::with("http.request", visit.id.to_string(), attributes)
}

/// A header's name as it is usually written.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    words.collect::<Vec<_>>().join("-")
}
