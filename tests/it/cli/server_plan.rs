//! `plan --server` and `diff --server`: a plan by a live server, which writes nothing and keeps what it has to itself.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use serde_json::{Value, json};

use super::{
    Desk, Ran,
    secrets::{SECRETS, assert_silent},
    serve::Server,
};
use crate::support::database::Database;

const KEY: &str = "bootstrap-key-8Zq";

/// A company that a server has, with tokens of all sorts.
const COMPANY: &str = "\
version: 1
metadata: {name: company}
entries:
- {model: authentik_core.group, id: admins, identifiers: {name: admins}, attrs: {is_superuser: true}}
- {model: authentik_core.group, id: below, identifiers: {name: below}, attrs: {parent: !KeyOf admins}}
- {model: authentik_core.group, id: staff, identifiers: {name: staff}}
- {model: authentik_core.user, id: deep, identifiers: {username: deep}, attrs: {name: Deep, groups: [!KeyOf below]}}
- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann, password: ann-pass-3K, groups: [!KeyOf staff]}}
- {model: authentik_core.user, id: gone, identifiers: {username: gone}, attrs: {name: Gone, is_active: false, groups: [!KeyOf admins]}}
- {model: authentik_core.application, id: wiki, identifiers: {slug: wiki}, attrs: {name: Wiki}}
- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf wiki, order: 0}, attrs: {group: !KeyOf staff}}
";

fn token(name: &str, user: &str, more: &str) -> String {
    format!(
        "- {{model: authentik_core.token, identifiers: {{identifier: {name}}}, attrs: {{user: !KeyOf {user}, key: {name}-key, {more}}}}}\n"
    )
}

/// A server with the company, and a desk elsewhere with the first administrator's token.
struct Site {
    home: Desk,
    server: Server,
    away: Desk,
    url: String,
}

impl Site {
    fn new() -> Site {
        let mut home = Desk::new();
        home.set("GATEWRIGHT_BOOTSTRAP_TOKEN", KEY);
        home.set("GATEWRIGHT_BOOTSTRAP_EMAIL", "server-only-mail@example.com");
        home.set("APP_SECRET", "server-only-variable-4T");
        home.write("files/secret.txt", "server-only-file-4T");
        let mut company = COMPANY.to_owned();
        for (name, user, more) in [
            ("deep", "deep", "intent: api, expiring: false"),
            ("fresh", "deep", "intent: api"),
            ("later", "deep", "intent: api, expires: 2100-01-01T00:00:00Z"),
            ("stale", "deep", "intent: api, expires: 2020-01-01T00:00:00Z"),
            ("app", "deep", "intent: app_password, expiring: false"),
            ("plain", "ann", "intent: api, expiring: false"),
            ("gone", "gone", "intent: api, expiring: false"),
        ] {
            let _ = write!(company, "{}", token(name, user, more));
        }
        home.write("company.yaml", &company);
        home.expect(0, &["apply", "company.yaml", "--yes"]);
        let files = home.path("files");
        let server =
            Server::start(&home, &["--allow-env", "APP_*", "--allow-files", files.to_str().expect("a path in UTF-8")]);
        let mut away = Desk::new();
        away.set("GATEWRIGHT_TOKEN", KEY);
        let url = format!("http://{}", server.address());
        Site { home, server, away, url }
    }

    async fn dump(&self) -> Vec<String> {
        Database::dump_of(&format!("sqlite://{}", self.home.path("gatewright.db").display())).await
    }

    fn plan(&self, code: i32, arguments: &[&str]) -> Ran {
        self.away.expect(code, &[&["plan", "--server", &self.url][..], arguments].concat())
    }

    /// The answer to a request made by hand: status, head, body.
    fn ask(&self, method: &str, headers: &str, body: &[u8]) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.server.address()).expect("the server accepts");
        let length = body.len();
        let head = format!(
            "{method} /-/plan HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a head");
        // A server that has seen enough may close before everything is sent.
        let _ = stream.write_all(body);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer}"));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, head.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

/// A request with one file.
fn request(text: &str) -> Value {
    json!({
        "version": 1,
        "files": [{ "name": "a.yaml", "path": "a.yaml", "text": text, "folder": 0, "labelled": false }],
        "folders": [{}],
        "environment": {},
        "context": {},
        "lenient": false,
        "last_wins": false,
        "show": {
            "form": "markdown", "colour": false, "colour_findings": false, "width": 100, "verbose": true, "quiet": false,
            "people": 10, "origin": null, "notes": []
        },
    })
}

const CHANGE: &str = "\
version: 1
metadata: {name: change}
entries:
- {model: authentik_core.user, id: ann, identifiers: {username: ann}, attrs: {name: Ann Other, password: new-pass-3K, groups: [!KeyOf new]}}
- {model: authentik_core.group, id: new, identifiers: {name: new}}
- {model: authentik_core.user, identifiers: {username: gone}, state: absent}
";

#[tokio::test]
async fn a_live_server_plans_as_its_own_database_does_and_writes_nothing() {
    let site = Site::new();
    for desk in [&site.home, &site.away] {
        desk.write("change.yaml", CHANGE);
        desk.write("broken.yaml", "version: 1\nentries:\n- {model: authentik_core.grup, identifiers: {name: x}}\n");
        desk.write("no.yaml", "version: 1\nentries: [}\n");
        desk.write(
            "dir/same.yaml",
            "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: staff}}]\n",
        );
    }
    let before = site.dump().await;
    assert!(before.iter().any(|row| row.contains("company")), "the dump shows something");
    let strip = |ran: Ran| {
        let page = ran.page();
        page.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()
    };
    for (code, paths) in [
        (2, &["change.yaml"][..]),
        (2, &["dir", "change.yaml"]),
        (0, &["dir"]),
        (1, &["broken.yaml"]),
        (1, &["broken.yaml", "change.yaml", "no.yaml"]),
        (1, &["nowhere.yaml"]),
        (1, &["nowhere.yaml", "change.yaml"]),
    ] {
        for form in ["text", "json", "markdown"] {
            let more = [&["--detailed-exitcode", "--format", form][..], paths].concat();
            let live = strip(site.plan(code, &more));
            let own = strip(site.home.expect(code, &[&["plan"][..], &more].concat()));
            if paths[0] == "nowhere.yaml" {
                // Such a file is not even sent.
                assert!(live.contains("nowhere.yaml"), "{live}");
            } else {
                assert_eq!(live, own, "{paths:?} as {form}");
            }
        }
    }
    assert_eq!(site.ask("POST", &bearer(KEY), request(CHANGE).to_string().as_bytes()).0, 200);
    let after = site.dump().await;
    assert_eq!(before, after, "every row of every table is as it was");
}

#[test]
fn only_superusers_with_a_good_token_are_answered() {
    let site = Site::new();
    let body = request(CHANGE).to_string();
    let mut refusals = Vec::new();
    for (key, expected) in [
        (KEY, 200),
        ("deep-key", 200),
        ("fresh-key", 200),
        ("later-key", 200),
        ("plain-key", 403),
        ("stale-key", 401),
        ("app-key", 401),
        ("gone-key", 401),
        ("nobody-key", 401),
        ("ann-pass-3K", 401),
        ("deep-ke", 401),
    ] {
        let (status, head, answer) = site.ask("POST", &bearer(key), body.as_bytes());
        assert_eq!(status, expected, "{key}: {answer}");
        let problem = head.contains("content-type: application/problem+json");
        assert_eq!(problem, expected != 200, "{head}");
        assert_eq!(head.contains("www-authenticate: Bearer "), expected == 401, "{head}");
        if expected == 401 {
            refusals.push(answer.to_string());
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "they are answered alike: {refusals:?}");
    for headers in ["", "Authorization: Basic YTpi\r\n", "Authorization: Bearer \r\n", "Authorization: Bearer\r\n"] {
        let (status, head, _) = site.ask("POST", headers, body.as_bytes());
        assert!(status == 401 && head.contains("www-authenticate: Bearer realm"), "{headers}: {head}");
    }

    let large = vec![b' '; (32 << 20) + 1];
    for (method, headers, body, expected, code) in [
        ("POST", bearer(KEY), large.as_slice(), 413, "too-large"),
        ("POST", bearer("wrong"), &large[1 << 20..], 401, "unauthorized"),
        ("POST", bearer(KEY), b"{", 400, "malformed"),
        ("POST", bearer(KEY), b"{\"version\": 1}", 400, "malformed"),
        ("GET", bearer(KEY), b"", 405, "method"),
    ] {
        let (status, _, answer) = site.ask(method, &headers, body);
        assert_eq!((status, answer["code"].as_str()), (expected, Some(code)), "{method} {headers}");
    }
    for (field, value) in [("version", json!(2)), ("folders", json!([])), ("wish", json!(true))] {
        let mut request = request(CHANGE);
        request[field] = value;
        let (status, _, answer) = site.ask("POST", &bearer(KEY), request.to_string().as_bytes());
        assert_eq!((status, answer["code"].as_str()), (400, Some("malformed")), "{field}: {answer}");
    }
}

/// Whatever a request says, nothing of the server's environment, files or secrets comes back.
#[test]
fn what_the_server_has_stays_there() {
    let site = Site::new();
    let absolute = site.home.path("files/secret.txt").display().to_string();
    let mut text = "version: 1\nentries:\n".to_owned();
    let mut group = |number: usize, value: &str| {
        let _ = writeln!(
            text,
            "- {{model: authentik_core.group, identifiers: {{name: g{number}}}, attrs: {{attributes: {{v: {value}}}}}}}"
        );
    };
    let values = [
        "!Env APP_SECRET".to_owned(),
        "!Env GATEWRIGHT_BOOTSTRAP_EMAIL".to_owned(),
        "!Env [GATEWRIGHT_BOOTSTRAP_TOKEN, none]".to_owned(),
        "!File secret.txt".to_owned(),
        "!File files/secret.txt".to_owned(),
        "!File ../files/secret.txt".to_owned(),
        format!("!File {absolute}"),
        "!File gatewright.key".to_owned(),
        "!File /etc/passwd".to_owned(),
        "!File /proc/self/environ".to_owned(),
        "!Format [\"%s\", !Env APP_SECRET]".to_owned(),
    ];
    values.iter().enumerate().for_each(|(number, value)| group(number, value));
    for lenient in [false, true] {
        for form in ["text", "json", "markdown"] {
            let mut request = request(&text);
            request["lenient"] = lenient.into();
            request["show"]["form"] = form.into();
            request["files"][0]["name"] = absolute.clone().into();
            request["files"][0]["path"] = absolute.clone().into();
            let (status, _, answer) = site.ask("POST", &bearer(KEY), request.to_string().as_bytes());
            assert_eq!((status, &answer["refused"]), (200, &(!lenient).into()), "{answer:#}");
            let said = answer.to_string();
            for secret in ["server-only-variable-4T", "server-only-mail", "server-only-file-4T", KEY, "root:x", "PATH="]
            {
                assert!(!said.contains(secret), "{secret} in {answer:#}");
            }
            if !lenient {
                for denied in
                    ["`APP_SECRET` is not allowed", "`secret.txt` is not allowed", "`/etc/passwd` is not allowed"]
                {
                    assert!(said.contains(denied), "{denied} in {answer:#}");
                }
            }
        }
    }
    // Fields that are secret are shown as changed, and no more.
    let (_, _, answer) = site.ask("POST", &bearer(KEY), request(CHANGE).to_string().as_bytes());
    let said = answer.to_string();
    assert!(said.contains("(secret") && !said.contains("ann-pass-3K") && !said.contains("new-pass-3K"), "{said}");
    assert!(!said.contains("$argon2"), "{said}");
}

/// Values are read where the command runs, by its rules, and travel with the blueprints.
#[test]
fn variables_files_and_keys_of_the_client_are_used() {
    let mut site = Site::new();
    site.away.set("APP_NAME", "client-variable-9W");
    site.away.set("OTHER", "client-private-9W");
    site.away.write("beside.txt", "client-file-9W");
    site.away.write("sub/beside.txt", "other-file-9W");
    let group = |name: &str, values: &str| {
        format!(
            "- model: authentik_core.group\n  identifiers: {{name: {name}}}\n  attrs: {{attributes: {{{values}}}}}\n"
        )
    };
    let doc = |values: &str| {
        let group = group("values", values);
        format!("version: 1\nmetadata: {{name: x}}\ncontext: {{base: beside, var: APP}}\nentries:\n{group}")
    };
    let seen = "a: !Env APP_NAME, b: !File beside.txt, c: !File [!Format [\"%s.txt\", !Context base]], \
                d: !Env [!Format [\"%s_NAME\", !Context var]], \
                e: !If [!Find [authentik_core.group, [name, staff]], !File beside.txt, x], f: !Context given";
    site.away.write("a.yaml", &doc(seen));
    site.away.write("sub/b.yaml", &doc("b: !File beside.txt").replace("name: values", "name: others"));
    let line = ["--allow-env", "APP_*", "--context", "given=from-the-line", "a.yaml", "sub/b.yaml"];
    for form in ["text", "json", "markdown"] {
        let ran = site.plan(0, &[&["--verbose", "--format", form][..], &line].concat());
        assert_silent(&ran, &["client-variable-9W", "client-file-9W", "other-file-9W"]);
        assert!(ran.out.contains("others"), "{}", ran.page());
    }
    let json = site.plan(0, &[&["--json"][..], &line].concat()).json();
    let inputs: Vec<&str> =
        json["inputs"].as_array().expect("inputs").iter().filter_map(|input| input["name"].as_str()).collect();
    assert_eq!(inputs, ["env:APP_NAME", "file:beside.txt"], "{json:#}");
    assert!(json["inputs"].as_array().expect("inputs").iter().all(|input| input["found"] == true));
    // The values arrived: what was applied with them is as declared, and nothing but them makes it so.
    site.home.set("APP_NAME", "client-variable-9W");
    for file in ["a.yaml", "sub/b.yaml", "beside.txt", "sub/beside.txt"] {
        site.home.write(file, &site.away.read(file));
    }
    site.home.expect(0, &[&["apply", "--yes"][..], &line].concat());
    assert_eq!(site.plan(0, &line).last(), "Plan: 0 to create, 0 to update, 0 to delete, 2 unchanged.");
    site.away.write("sub/beside.txt", "changed-9W");
    assert_eq!(site.plan(0, &line).last(), "Plan: 0 to create, 1 to update, 0 to delete, 1 unchanged.");

    let more = group("two", "v: !File /etc/hostname") + &group("three", "v: !Env APP_NOT_SET");
    site.away.write("c.yaml", &(doc("v: !Env OTHER") + &more));
    let denied = site.plan(1, &["--allow-env", "APP_*", "c.yaml"]);
    insta::assert_snapshot!("server_plan_denied", denied.page().replace(&site.url, "[server]"));

    // An encrypted file goes as it is, with the one key that opens it.
    site.away.write("d.yaml", include_str!("../../../fixtures/sops/blueprint.yaml"));
    site.away.write("key.txt", include_str!("../../../fixtures/sops/identity.txt"));
    let with = site.plan(0, &["--age-key-file", "key.txt", "d.yaml"]);
    assert_silent(&with, &SECRETS);
    assert!(with.last().starts_with("Plan: 5 to create"), "{}", with.page());
    let without = site.plan(1, &["d.yaml"]);
    assert!(without.err.contains("the file is encrypted, and no key is given"), "{}", without.page());
}

#[test]
fn a_branch_is_planned_against_a_live_server() {
    let site = Site::new();
    let desk = &site.away;
    // Of all that the server has, the repository knows the application alone, and not as it has become.
    let wiki = |group: &str| {
        format!(
            "version: 1\nmetadata: {{name: wiki}}\nentries:\n- {{model: authentik_core.application, id: wiki, identifiers: {{slug: wiki}}, attrs: {{name: Wiki}}}}\n\
             - {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf wiki, order: 0}}, attrs: {{group: !Find [authentik_core.group, [name, {group}]]}}}}\n\
             - {{model: authentik_core.group, identifiers: {{name: note}}, attrs: {{attributes: {{v: !Env PIPELINE_HAS_NOT}}}}}}\n"
        )
    };
    desk.write("identity/wiki.yaml", &wiki("staff"));
    desk.write("identity/sealed.yaml", include_str!("../../../fixtures/sops/blueprint.yaml"));
    desk.commit("the wiki");
    desk.git(&["switch", "--quiet", "--create", "topic"]);
    desk.write("identity/wiki.yaml", &wiki("below"));
    desk.commit("only for those below");
    let line = ["diff", "--server", &site.url, "--from", "main", "--to", "HEAD", "--path", "identity"];
    let with = |more: &[&'static str]| [&line[..], more].concat();
    let clean = |ran: Ran| {
        let head = desk.git(&["rev-parse", "--short=12", "HEAD"]);
        let base = desk.git(&["rev-parse", "--short=12", "main"]);
        ran.page().replace(&site.url, "[server]").replace(&head, "[head]").replace(&base, "[base]")
    };
    insta::assert_snapshot!("server_diff_text", clean(desk.expect(2, &with(&["--detailed-exitcode"]))));
    insta::assert_snapshot!("server_diff_markdown", clean(desk.expect(0, &with(&["--format", "markdown"]))));
    let json = desk.expect(0, &with(&["--json"])).json();
    let schema: Value = serde_json::from_str(gatewright::blueprint::render::SCHEMA).expect("the schema is JSON");
    assert!(jsonschema::is_valid(&schema, &json), "{json:#}");
    let target = &json["impact"]["targets"][0];
    let who = |list: &str| target[list]["people"].as_array().into_iter().flatten().map(|person| person["name"].clone());
    assert_eq!(who("gains").collect::<Vec<_>>(), ["deep"], "{target:#}");
    assert_eq!(who("loses").collect::<Vec<_>>(), ["ann"], "{target:#}");
    assert_eq!(json["lockout"]["outcome"], "safe", "{json:#}");

    desk.edit("identity/wiki.yaml", "slug: wiki", "slgu: wiki");
    let broken = desk.expect(1, &["diff", "--server", &site.url, "--from", "main", "--path", "identity"]);
    assert!(broken.out.is_empty() && broken.err.contains("identity/wiki.yaml:4"), "{}", broken.page());
}

/// A server that answers every request with one status.
fn odd_server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut bytes = [0; 65536];
            let _ = stream.read(&mut bytes);
            let body = "{\"detail\": \"because \\u001b[31mof it\"}";
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    format!("http://{address}")
}

#[test]
fn each_failure_says_what_to_do() {
    let mut desk = Desk::new();
    desk.write("a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: a}}]\n");
    let unset = desk.expect(1, &["plan", "a.yaml", "--server", "https://id.example"]);
    assert_eq!(unset.err, "error: GATEWRIGHT_TOKEN holds no token; set it to the key of an API token\n");
    desk.set("GATEWRIGHT_TOKEN", "private-token-2L");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut page = String::new();
    let mut servers = vec![format!("http://{free}"), "http://id.example".to_owned(), "id.example".to_owned()];
    for status in [
        "200 OK",
        "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "413 Payload Too Large",
        "503 Service Unavailable",
    ] {
        servers.push(odd_server(status));
    }
    for server in servers {
        let ran = desk.expect(1, &["plan", "a.yaml", "--server", &server]);
        assert_silent(&ran, &["private-token-2L"]);
        assert!(ran.out.is_empty() && !ran.err.contains('\u{1b}'), "{}", ran.page());
        let address = server.trim_start_matches("http://");
        let shown = if address == "id.example" { address } else { "[server]" };
        page.push_str(&ran.err.replace(address, shown));
    }
    insta::assert_snapshot!("server_failures", page);
    let both = ["plan", "a.yaml", "--server", "https://id.example", "--database", "sqlite://x.db"];
    assert!(desk.expect(1, &both).err.contains("leave out --database or --server"));
    desk.expect(64, &["plan", "a.yaml", "--server", "https://id.example", "--out", "p.json"]);
    desk.expect(64, &["plan", "a.yaml", "--token", "x"]);
    desk.write("large.yaml", &format!("# {}\nversion: 1\nentries: []\n", "x".repeat(15 << 20)));
    for copy in ["b", "c"] {
        desk.write(&format!("{copy}.yaml"), &desk.read("large.yaml"));
    }
    let large = desk.expect(1, &["plan", "large.yaml", "b.yaml", "c.yaml", "--server", "https://id.example"]);
    assert!(large.err.contains("too large for a plan by a server"), "{}", large.page());
}

/// A proxy that ends TLS in front of a server, with a certificate of an authority of its own; gives its port and the
/// authority's certificate.
fn encrypted(server: &str) -> (u16, String) {
    let authority = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(params, authority);
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("a certificate");
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("a listener");
    let server = server.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever does not trust the certificate goes away.
                let Ok(mut near) = acceptor.accept(stream).await else { continue };
                let mut far = tokio::net::TcpStream::connect(&server).await.expect("the server accepts");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    });
    (port, root)
}

#[test]
fn a_server_is_trusted_by_its_certificate() {
    let mut site = Site::new();
    let (port, root) = encrypted(site.server.address());
    site.away.write("change.yaml", CHANGE);
    site.away.write("root.pem", &root);
    let url = format!("https://localhost:{port}");
    let strange = site.away.expect(1, &["plan", "--server", &url, "change.yaml"]);
    assert!(strange.err.contains("cannot be reached") && strange.err.contains("certificate"), "{}", strange.page());
    let path = site.away.path("root.pem").display().to_string();
    site.away.set("SSL_CERT_FILE", path.leak());
    let known = site.away.expect(2, &["plan", "--server", &url, "--detailed-exitcode", "change.yaml"]);
    assert!(known.last().starts_with("Plan: 1 to create, 1 to update, 2 to delete"), "{}", known.page());
}
