//! A forge on loopback that speaks as much of one's API as commenting needs, and remembers what it was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::shapes;

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Github,
    Gitlab,
    Gitea,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// Without the API's own path.
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub answer: Answer,
}

/// What was answered to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// Whether it is one of [`Inner::troubles`].
    pub is_trouble: bool,
    headers: Vec<(HeaderName, String)>,
}

impl Answer {
    fn new(status: u16, body: Value) -> Answer {
        Answer { status, body, is_trouble: false, headers: Vec::new() }
    }

    fn refusal(status: u16, message: &str) -> Answer {
        Answer::new(status, json!({ "message": message }))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("a status");
        let mut response = (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], self.body.to_string())
            .into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().expect("a header"));
        }
        response
    }
}

/// A comment: number, author, text.
pub type Comment = (i64, i64, String);

/// Number of the account that the token belongs to.
pub const ME: i64 = 7;

/// The token that is accepted.
pub const TOKEN: &str = "tok-3fJ9sQ2";

pub struct Inner {
    kind: Kind,
    pub calls: Vec<Call>,
    pub comments: Vec<Comment>,
    pub statuses: Vec<Value>,
    /// Whether the token may ask whose it is.
    pub knows_itself: bool,
    /// Answers given instead of the real ones, first first: status, `Retry-After`, whether the request is done all the same.
    pub troubles: VecDeque<(u16, Option<u64>, bool)>,
    /// Comments on one page.
    pub page: usize,
}

/// A running forge.
pub struct FakeForge {
    pub api: String,
    pub inner: Arc<Mutex<Inner>>,
    _runtime: tokio::runtime::Runtime,
}

impl FakeForge {
    pub fn start(kind: Kind) -> FakeForge {
        let inner = Inner {
            kind,
            calls: Vec::new(),
            comments: Vec::new(),
            statuses: Vec::new(),
            knows_itself: true,
            troubles: VecDeque::new(),
            page: 100,
        };
        let inner = Arc::new(Mutex::new(inner));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        FakeForge { api: format!("http://{address}{}", base(kind)), inner, _runtime: runtime }
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().expect("the forge lives"))
    }

    /// The requests since the last time.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|inner| std::mem::take(&mut inner.calls))
    }
}

fn base(kind: Kind) -> &'static str {
    match kind {
        Kind::Github => "",
        Kind::Gitlab => "/api/v4",
        Kind::Gitea => "/api/v1",
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 16 << 20).await.unwrap_or_else(|_| Bytes::new());
    let mut inner = inner.lock().expect("the test lives");
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or("").to_owned()))
        .collect();
    let mut call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().strip_prefix(base(inner.kind)).unwrap_or("?").to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        answer: Answer::refusal(404, "Not Found"),
    };
    call.answer = inner.answer(&call);
    inner.calls.push(call.clone());
    call.answer
}

impl Inner {
    fn answer(&mut self, call: &Call) -> Answer {
        let sent = |name: &str| call.headers.get(name).map(String::as_str);
        let (given, wanted) = match self.kind {
            Kind::Github => (sent("authorization"), format!("Bearer {TOKEN}")),
            Kind::Gitlab => (sent("private-token"), TOKEN.to_owned()),
            Kind::Gitea => (sent("authorization"), format!("token {TOKEN}")),
        };
        if given != Some(wanted.as_str()) {
            // No forge repeats the token; one that does must not make us repeat it.
            return Answer::refusal(401, &format!("Bad credentials: {}", given.unwrap_or_default()));
        }
        if call.method != "GET"
            && let Some((status, after, done)) = self.troubles.pop_front()
        {
            if done {
                self.act(call);
            }
            let headers = after.map(|after| (header::RETRY_AFTER, after.to_string())).into_iter().collect();
            return Answer { is_trouble: true, headers, ..Answer::refusal(status, "not now") };
        }
        self.act(call)
    }

    fn act(&mut self, call: &Call) -> Answer {
        let parts: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
        let text = |field: &str| call.body[field].as_str().unwrap_or("").to_owned();
        match (call.method.as_str(), parts.as_slice()) {
            ("GET", ["user"]) if self.knows_itself => Answer::new(200, shapes::myself(self.kind)),
            ("GET", ["user"]) => Answer::refusal(403, "Resource not accessible by integration"),
            ("GET", [.., "comments" | "notes"]) => self.list(call),
            ("POST", [.., "comments" | "notes"]) => {
                let id = 1_000 + self.comments.len() as i64;
                self.comments.push((id, ME, text("body")));
                Answer::new(201, self.comment(self.comments.len() - 1))
            }
            ("PATCH" | "PUT", [.., "comments" | "notes", id]) => {
                let at = self.comments.iter().position(|comment| comment.0.to_string() == *id);
                match at {
                    Some(at) if self.comments[at].1 == ME => {
                        self.comments[at].2 = text("body");
                        Answer::new(200, self.comment(at))
                    }
                    _ => Answer::refusal(403, "not yours"),
                }
            }
            ("POST", [.., "statuses", _]) => {
                if self.kind == Kind::Gitlab && self.statuses.last() == Some(&call.body) {
                    return Answer::refusal(400, "Cannot transition status via :run from :running");
                }
                self.statuses.push(call.body.clone());
                Answer::new(201, shapes::status(self.kind, self.statuses.len(), &call.body))
            }
            _ => Answer::refusal(404, "Not Found"),
        }
    }

    fn comment(&self, at: usize) -> Value {
        shapes::comment(self.kind, &self.comments[at])
    }

    /// A page, with the way to the next one as the forge tells it. Gitea gives all comments at once.
    fn list(&self, call: &Call) -> Answer {
        let page: usize = call
            .query
            .split('&')
            .find_map(|part| part.strip_prefix("page="))
            .and_then(|page| page.parse().ok())
            .unwrap_or(1);
        let size = if self.kind == Kind::Gitea { usize::MAX } else { self.page };
        let all: Vec<Value> = (0..self.comments.len()).map(|at| self.comment(at)).collect();
        let from = (page - 1).saturating_mul(size).min(all.len());
        let shown = &all[from..from.saturating_add(size).min(all.len())];
        let mut answer = Answer::new(200, json!(shown));
        if from + shown.len() < all.len() {
            let link = format!("<https://elsewhere.invalid{}?page={}>; rel=\"next\"", call.path, page + 1);
            answer.headers.push((header::LINK, link));
        }
        answer
    }
}
