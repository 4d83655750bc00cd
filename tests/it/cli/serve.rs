//! `serve`: from an empty folder to a server that answers, and its end.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStderr},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{
    Desk, holds,
    secrets::{is_password, only},
};

/// A server that is ended with this value.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// What it has logged so far.
    log: Vec<String>,
    address: String,
}

impl Server {
    /// Starts a server on a free port and waits until it listens.
    pub fn start(desk: &Desk, arguments: &[&str]) -> Server {
        let mut server = Server::launch(desk, arguments);
        server.wait();
        server
    }

    fn launch(desk: &Desk, arguments: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut child = desk.command(&arguments).spawn().expect("the program starts");
        let (sender, lines) = channel();
        let errors: ChildStderr = child.stderr.take().expect("standard error");
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Server { child, lines, log: Vec::new(), address: String::new() }
    }

    fn wait(&mut self) {
        while self.address.is_empty() {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("{error}:\n{}", self.log.join("\n")));
            if let Ok(event) = serde_json::from_str::<Value>(&line)
                && event["message"] == "listening"
            {
                self.address = event["address"].as_str().expect("an address").to_owned();
            }
            self.log.push(line);
        }
    }

    /// Waits until an event was logged.
    fn until(&mut self, what: impl Fn(&Value) -> bool) {
        let matches = |line: &String| serde_json::from_str::<Value>(line).is_ok_and(|event| what(&event));
        while !self.log.iter().any(matches) {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("{error}:\n{}", self.log.join("\n")));
            self.log.push(line);
        }
    }

    /// The answer to a request: status line and headers, and the body.
    pub fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server accepts");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the server to end, and gives its code and all that it has logged.
    pub fn stop(mut self, signal: Signal) -> (Option<i32>, Vec<String>) {
        kill(Pid::from_raw(self.id()), signal).expect("the server runs");
        let status = self.child.wait().expect("it ends");
        let mut log = std::mem::take(&mut self.log);
        log.extend(self.lines.iter());
        (status.code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn revision(desk: &Desk) -> String {
    let check = desk.expect(0, &["check", "--json"]).json();
    check["probes"][0]["says"].as_str().expect("text").to_owned()
}

#[test]
fn an_empty_folder_becomes_a_server() {
    let desk = Desk::new();
    let server = Server::start(&desk, &[]);
    for path in ["/-/health/live/", "/-/health/ready/"] {
        assert!(server.get(path).0.starts_with("HTTP/1.1 204 "), "{path}");
    }
    let (head, body) = server.get("/nothing/here");
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("content-type: application/problem+json"), "{head}");
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&problem["status"], &problem["code"]), (&404.into(), &"not-found".into()));
    assert_eq!((desk.mode("gatewright.db"), desk.mode("gatewright.key")), (0o600, 0o600));
    let (code, log) = server.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0), "{log:#?}");
    let says = |text: &str| log.iter().any(|line| line.contains(text));
    assert!(says("\"source\":\"shipped\",\"created\":12") && says("\"message\":\"stopping\""), "{log:#?}");

    let first = revision(&desk);
    assert!(first.contains("revision 1, 12"), "{first}");
    let (code, log) = Server::start(&desk, &[]).stop(Signal::SIGINT);
    assert_eq!(code, Some(0), "{log:#?}");
    assert_eq!(revision(&desk), first, "the second start writes nothing");
    let folders = super::shipped();
    let (default, system) = (folders.join("default"), folders.join("system"));
    let folders = [default.to_str().expect("text"), system.to_str().expect("text")];
    desk.expect(0, &[&["plan", "--detailed-exitcode"][..], &folders].concat());
}

#[test]
fn folders_are_applied_and_a_broken_one_is_reported() {
    let desk = Desk::new();
    desk.write("good/a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: one}}]\n");
    desk.write("broken/a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: two}}]\n");
    desk.write(
        "broken/b.yaml",
        "version: 1\nentries:\n  - model: authentik_core.user\n    attrs: {username: x}\n  - model: authentik_core.user\n    identifiers: {username: x}\n    attrs: {pasword: hunter2}\n",
    );
    desk.write("last/a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: three}}]\n");
    let folders = ["--no-shipped", "--blueprints", "good", "--blueprints", "broken", "--blueprints", "last"];
    let mut server = Server::start(&desk, &folders);
    let named = |name: &str| gatewright::reconcile::declared::folder_name(&desk.path(name));
    for name in ["good", "last"] {
        let name = named(name);
        server.until(|event| event["message"] == "source applied" && event["source"] == name);
    }
    let broken = named("broken");
    server.until(|event| event["level"] == "ERROR" && event["source"] == broken);
    assert!(server.get("/-/health/ready/").0.starts_with("HTTP/1.1 204 "), "what is broken stops nothing else");
    let (code, log) = server.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    let listed = desk.expect(1, &["sources", "--json"]).json();
    let status: Vec<&str> =
        listed["sources"].as_array().expect("a list").iter().filter_map(|source| source["status"].as_str()).collect();
    assert_eq!(status, ["stalled", "ready", "ready"]);
    let events: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("a line of the log is no JSON: {line}")))
        .filter(|event: &Value| event["level"] == "ERROR")
        .collect();
    let codes: Vec<&str> = events.iter().filter_map(|event| event["code"].as_str()).collect();
    assert_eq!(codes, ["GW0112", "GW0305", "GW0302"], "{events:#?}");
    let place = desk.path("broken/b.yaml:7").display().to_string();
    assert!(events.iter().any(|event| event["place"] == place.as_str()), "{events:#?}");
    assert!(!log.concat().contains("hunter2"));
}

/// Files are followed, requests are taken up, and the hook only listens to those who know its secret.
#[test]
fn a_server_follows_a_folder() {
    let mut desk = Desk::new();
    desk.set("HOOK_SECRET", "a-secret-of-some-length");
    let group = |note: &str| {
        format!(
            "version: 1\nentries: [{{model: authentik_core.group, identifiers: {{name: g}}, attrs: {{attributes: {{note: {note}}}}}}}]\n"
        )
    };
    desk.write("site/a.yaml", &group("one"));
    desk.write(
        "gatewright.toml",
        "[sources.site]\ntype = \"directory\"\nlocation = \"site\"\ninterval = \"hours=1\"\nhook_secret = { env = \"HOOK_SECRET\" }\n",
    );
    let mut server = Server::start(&desk, &["--no-shipped"]);
    let applied =
        |run: i64| move |event: &Value| event["message"] == "source applied" && event["run"].as_i64() >= Some(run);
    server.until(applied(2));
    // As an editor saves: a new file in place of the old one.
    desk.write("site/.a.yaml.swp", &group("two"));
    std::fs::rename(desk.path("site/.a.yaml.swp"), desk.path("site/a.yaml")).expect("renamed");
    server.until(applied(3));
    desk.expect(0, &["reconcile", "site", "--wait"]);
    assert!(desk.expect(1, &["reconcile", "sites"]).err.contains("there is no source sites; there are site"));
    let post = |headers: &str| {
        let mut stream = TcpStream::connect(&server.address).expect("the server accepts");
        write!(
            stream,
            "POST /hooks/site HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n{headers}\r\n{{}}"
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(post(""), "HTTP/1.1 403 Forbidden");
    assert_eq!(post("Authorization: Bearer wrong\r\n"), "HTTP/1.1 403 Forbidden");
    assert_eq!(post("Authorization: Bearer a-secret-of-some-length\r\n"), "HTTP/1.1 202 Accepted");
    let listed = desk.expect(0, &["sources"]).out;
    assert!(listed.starts_with("ready    site  directory, "), "{listed}");
    let (code, log) = server.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(!log.concat().contains("a-secret-of-some-length"));
}

/// A log for people shows findings as every other command does.
#[test]
fn a_log_as_text_has_excerpts() {
    let mut desk = Desk::new();
    desk.set("GATEWRIGHT_LOG_FORMAT", "text");
    desk.write("broken/a.yaml", "version: 1\nentries: [\n");
    let mut server = desk
        .command(&["serve", "--no-shipped", "--blueprints", "broken", "--listen", "127.0.0.1:0"])
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(server.stderr.take().expect("standard error")).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take_while(|line| !line.contains("DocumentsInvalid")).collect();
    server.kill().and_then(|()| server.wait()).expect("it ends");
    let text = said.join("\n");
    let place = desk.path("broken/a.yaml:2:10").display().to_string();
    assert!(text.contains(&format!("error[GW0010]: this `[` is never closed\n --> {place}\n")), "{text}");
}

#[tokio::test]
async fn the_first_administrator_comes_from_the_environment() {
    for prefix in ["GATEWRIGHT", "AUTHENTIK"] {
        let mut desk = Desk::new();
        let name = |what: &str| -> &'static str { format!("{prefix}_BOOTSTRAP_{what}").leak() };
        desk.set(name("PASSWORD"), "first-password");
        desk.set(name("TOKEN"), "first-token-of-all");
        desk.set(name("EMAIL"), "root@acme.test");
        let server = Server::start(&desk, &[]);
        let admin = only(&desk, "authentik_core.user", |user| user.attrs["username"] == "akadmin").await;
        assert!(is_password(&admin, "first-password") && !is_password(&admin, "first-token-of-all"));
        assert_eq!(admin.attrs["email"], "root@acme.test");
        let token = only(&desk, "authentik_core.token", |_| true).await;
        let key = desk.store().await.reveal(token.id, "key").await.expect("it opens").expect("a key");
        assert_eq!(*key, "first-token-of-all");
        for secret in ["first-password", "first-token-of-all"] {
            assert!(!holds(&desk.database_bytes(), secret), "{secret} is in the database in clear");
        }
        let (_, log) = server.stop(Signal::SIGTERM);
        assert!(!log.concat().contains("first-"), "{log:#?}");
        // They are for the first time only: what an administrator changes later stays.
        desk.set(name("PASSWORD"), "another-password");
        let (code, _) = Server::start(&desk, &[]).stop(Signal::SIGTERM);
        let admin = only(&desk, "authentik_core.user", |user| user.attrs["username"] == "akadmin").await;
        assert!(code == Some(0) && is_password(&admin, "first-password"));
    }
}

#[test]
fn two_servers_start_on_one_empty_database() {
    let desk = Desk::new();
    let mut servers = [Server::launch(&desk, &[]), Server::launch(&desk, &[])];
    for server in &mut servers {
        server.wait();
        assert!(server.get("/-/health/ready/").0.starts_with("HTTP/1.1 204 "));
    }
    for server in servers {
        let (code, log) = server.stop(Signal::SIGTERM);
        assert_eq!(code, Some(0), "{log:#?}");
    }
    assert!(revision(&desk).contains("revision 1, 12"), "{}", revision(&desk));
}

#[test]
fn an_address_in_use_is_named() {
    let desk = Desk::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let ran = desk.expect(1, &["serve", "--no-shipped", "--listen", &address]);
    assert!(
        ran.err.contains(&format!("error: cannot listen on {address}\n  caused by: Address already in use")),
        "{}",
        ran.page()
    );
}

/// A server that is asked to end does not wait for what hangs: the fetch is called off, and nothing is recorded of it.
#[test]
fn an_end_does_not_wait_for_a_fetch() {
    let desk = Desk::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    silent.set_nonblocking(true).expect("a mode");
    let port = silent.local_addr().expect("an address").port();
    desk.write(
        "gatewright.toml",
        &format!(
            "[sources.ssh]\ntype = \"git\"\nurl = \"ssh://git@127.0.0.1:{port}/a.git\"\n\
             [sources.https]\ntype = \"git\"\nurl = \"https://127.0.0.1:{port}/a.git\"\n\
             [sources.oci]\ntype = \"oci\"\nreference = \"oci://127.0.0.1:{port}/a/b:main\"\n"
        ),
    );
    let server = Server::start(&desk, &["--no-shipped"]);
    let mut held = Vec::new();
    let begun = std::time::Instant::now();
    while held.len() < 3 {
        held.extend(silent.accept().ok());
        assert!(begun.elapsed() < Duration::from_secs(30), "{} of 3 came", held.len());
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = std::time::Instant::now();
    let (code, log) = server.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(asked.elapsed() < Duration::from_secs(4), "it took {:?}", asked.elapsed());
    assert!(!log.iter().any(|line| line.contains("\"ERROR\"")), "{log:#?}");
    let sources = desk.run(&["sources", "--json"]);
    assert!(!sources.out.contains("called off") && !sources.out.contains("Local"), "{}", sources.page());
}
