//! A git repository for one test, made by the real program, and servers that give it out.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::{Duration, Instant},
};

use gatewright::{
    base::egress::Egress,
    reconcile::{
        content::{Budget, Content, FetchError, FetchReason, Revision, Selection},
        git::{Origin, fetch},
    },
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Whether these programs are here. What is missing is told once a test.
///
/// # Panics
/// When one is missing and `GATEWRIGHT_REQUIRE_PEERS=1`.
pub fn programs(names: &[&str]) -> bool {
    let missing: Vec<&str> = names.iter().copied().filter(|name| program(name).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let advice = format!("no {} here: see tests/peers/install", missing.join(", "));
    assert!(std::env::var("GATEWRIGHT_REQUIRE_PEERS").as_deref() != Ok("1"), "{advice}");
    eprintln!("{advice}; a test is passed over");
    false
}

/// Where a program is.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/lib/git-core"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A work tree, the bare repository that it is pushed to, and a cache to fetch into.
pub struct Lab {
    dir: tempfile::TempDir,
    /// Extra configuration of the git program.
    pub config: Vec<String>,
    /// Extra variables of the git program.
    pub env: BTreeMap<String, String>,
}

/// What lets tests reach the servers that they start.
pub fn loopback() -> Egress {
    Egress::new(&["127.0.0.0/8", "::1", "localhost"], false).expect("networks")
}

/// A place that may be on this machine.
pub fn near(url: &str) -> Origin {
    Origin { egress: loopback(), ..Origin::new(url) }
}

pub const BLUEPRINT: &str = "version: 1\nentries: []\n";

impl Lab {
    /// A repository with one commit that has one blueprint, `app.yaml`.
    pub fn new() -> Lab {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("home")).expect("a home");
        let lab = Lab { dir, config: Vec::new(), env: BTreeMap::new() };
        lab.run(&["init", "--quiet", "--initial-branch=main", "work"], lab.dir.path());
        lab.run(&["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"], lab.dir.path());
        lab.git(&["remote", "add", "origin", &lab.remote().display().to_string()]);
        lab.write("app.yaml", BLUEPRINT);
        lab.commit("first");
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn remote(&self) -> PathBuf {
        self.path("remote.git")
    }

    /// Runs git in the work tree.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.run(arguments, &self.path("work"))
    }

    /// Runs git on the bare repository.
    pub fn remote_git(&self, arguments: &[&str]) -> String {
        self.run(arguments, &self.remote())
    }

    fn run(&self, arguments: &[&str], folder: &Path) -> String {
        let mut command = Command::new("git");
        command.current_dir(folder);
        for setting in &self.config {
            command.args(["-c", setting]);
        }
        command.args(arguments).envs(isolated(self.dir.path())).envs(&self.env);
        let output = command.output().expect("git runs");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "git {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    pub fn write(&self, path: &str, text: &str) {
        let file = self.path("work").join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
        fs::write(file, text).expect("a file");
    }

    /// Commits everything and pushes it.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.push();
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn push(&self) {
        self.git(&["push", "--quiet", "--force", "--all", "origin"]);
        self.git(&["push", "--quiet", "--force", "--tags", "origin"]);
    }

    /// The bare repository by its path.
    pub fn local(&self) -> Origin {
        Origin { allow_local: true, ..near(&self.remote().display().to_string()) }
    }

    /// Fetches all blueprints.
    pub fn fetch(&self, origin: &Origin, last: Option<&Revision>) -> Result<Content, FetchError> {
        self.fetch_within(origin, &Budget { time: Duration::from_secs(30), ..Budget::default() }, last)
    }

    pub fn fetch_within(
        &self,
        origin: &Origin,
        budget: &Budget,
        last: Option<&Revision>,
    ) -> Result<Content, FetchError> {
        let selection = Selection::new("", &[], &[]).expect("a selection");
        fetch(origin, &selection, budget, &self.path("cache"), last, &AtomicBool::new(false))
    }

    /// Fetches, and expects this failure. Gives its message.
    pub fn fails(&self, origin: &Origin, last: Option<&Revision>, reason: FetchReason) -> String {
        match self.fetch(origin, last) {
            Ok(content) => panic!("{reason:?} was expected, not {content:?}"),
            Err(error) => {
                assert_eq!(error.reason, reason, "{error}");
                error.message
            }
        }
    }
}

/// Paths of a content's files.
pub fn paths(content: &Content) -> Vec<&str> {
    content.files.iter().map(|file| file.path.as_str()).collect()
}

fn isolated(home: &Path) -> Vec<(String, String)> {
    let person = |what: &str| {
        [
            (format!("GIT_{what}_NAME"), "Alice".to_owned()),
            (format!("GIT_{what}_EMAIL"), "alice@example.org".to_owned()),
        ]
    };
    let mut env = vec![
        ("HOME".to_owned(), home.join("home").display().to_string()),
        ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()),
        ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
    ];
    env.extend(person("AUTHOR"));
    env.extend(person("COMMITTER"));
    env
}

/// Runs a program that must succeed.
pub fn sh(program: &str, arguments: &[&str], env: &[(&str, &str)]) -> String {
    let output =
        Command::new(program).args(arguments).envs(env.iter().copied()).stdin(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A server program; it and its children end with this value.
pub struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process"));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr()).expect("a port").port()
}

fn serve(mut command: Command, port: u16) -> Server {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Server { child: command.spawn().expect("a server") };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.child.try_wait().expect("its state").is_none(), "the server ended at once");
        assert!(begun.elapsed() < Duration::from_secs(20), "the server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

/// `git daemon` for the lab's repository.
pub fn daemon(lab: &Lab) -> (Server, Origin) {
    let port = free_port();
    let mut command = Command::new("git");
    command
        .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", "--log-destination=none"])
        .arg(format!("--port={port}"))
        .arg(format!("--base-path={}", lab.dir.path().display()))
        .envs(isolated(lab.dir.path()));
    let server = serve(command, port);
    (server, Origin { allow_plain: true, ..near(&format!("git://127.0.0.1:{port}/remote.git")) })
}

/// `sshd` for this account, with its host key and a user's key made by `ssh-keygen`.
pub struct Sshd {
    _server: Server,
    folder: PathBuf,
    pub port: u16,
    user: String,
}

impl Sshd {
    pub fn start(lab: &Lab) -> Sshd {
        let folder = lab.path("ssh");
        fs::create_dir(&folder).expect("a folder");
        let file = |name: &str| folder.join(name).display().to_string();
        for (name, passphrase) in [("host", ""), ("user", ""), ("locked", "open sesame"), ("stranger", "")] {
            sh("ssh-keygen", &["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", &file(name)], &[]);
        }
        sh("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", &file("rsa")], &[]);
        let keys: String =
            ["user.pub", "locked.pub", "rsa.pub"].map(|name| fs::read_to_string(file(name)).expect("a key")).concat();
        fs::write(file("authorized"), keys).expect("a file");
        // What sshd needs when the tests run as root.
        let _ = fs::create_dir_all("/run/sshd");
        let port = free_port();
        let path = format!("{}:/usr/lib/git-core", std::env::var("PATH").unwrap_or_default());
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             LogLevel QUIET\nSetEnv PATH={path} HOME={}\n",
            file("host"),
            file("authorized"),
            lab.dir.path().display(),
        );
        fs::write(file("config"), config).expect("a file");
        let mut command = Command::new(program("sshd").expect("sshd"));
        command.args(["-D", "-e", "-f", &file("config")]).stderr(Stdio::null());
        let user = sh("id", &["-un"], &[]).trim().to_owned();
        Sshd { _server: serve(command, port), folder, port, user }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("a file")
    }

    /// The line of a `known_hosts` file about this server with the given public key.
    pub fn known(&self, key: &str) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.read(key))
    }

    /// The lab's repository, with the right keys.
    pub fn origin(&self, lab: &Lab) -> Origin {
        let url = format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, lab.remote().display());
        let mut origin = Origin { known_hosts: self.known("host.pub"), ..near(&url) };
        origin.credentials.private_key = Some(self.read("user").into());
        origin
    }
}

/// Certificates from `openssl`: an authority, one below it, and a server's.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub fn new(lab: &Lab, name: &str) -> Authority {
        let folder = lab.path(name);
        fs::create_dir(&folder).expect("a folder");
        let file = |name: &str| folder.join(name).display().to_string();
        let ssl = |arguments: &[&str]| sh("openssl", arguments, &[]);
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let extensions = [
            ("middle", "basicConstraints=critical,CA:TRUE\n"),
            (
                "server",
                "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n",
            ),
        ];
        ssl(&[
            &[
                "req",
                "-x509",
                "-subj",
                "/CN=test root",
                "-days",
                "2",
                "-keyout",
                &file("root.key"),
                "-out",
                &file("root.pem"),
            ],
            &key[..],
        ]
        .concat());
        let mut above = "root";
        for (name, extension) in extensions {
            fs::write(file("extensions"), extension).expect("a file");
            let (own_key, request, certificate) =
                (file(&format!("{name}.key")), file(&format!("{name}.csr")), file(&format!("{name}.pem")));
            ssl(&[&["req", "-subj", &format!("/CN=test {name}"), "-keyout", &own_key, "-out", &request], &key[..]]
                .concat());
            let (issuer, issuer_key) = (file(&format!("{above}.pem")), file(&format!("{above}.key")));
            ssl(&[
                "x509",
                "-req",
                "-days",
                "2",
                "-in",
                &request,
                "-CA",
                &issuer,
                "-CAkey",
                &issuer_key,
                "-CAcreateserial",
                "-extfile",
                &file("extensions"),
                "-out",
                &certificate,
            ]);
            above = name;
        }
        Authority { folder }
    }

    /// The root's certificate.
    pub fn root(&self) -> String {
        fs::read_to_string(self.folder.join("root.pem")).expect("a certificate")
    }

    fn server(&self) -> Arc<ServerConfig> {
        let certificate = |name: &str| CertificateDer::from_pem_file(self.folder.join(name)).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.folder.join("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate("server.pem"), certificate("middle.pem")], key);
        Arc::new(config.expect("a server's configuration"))
    }
}

/// One request that a server saw.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
}

/// A small HTTPS server before `git http-backend`.
pub struct Https {
    pub port: u16,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Https {
    /// Gives out the lab's repository under `/remote.git`, to those with this `user:password` if any. `redirects` are
    /// beginnings of paths with what takes their place. Below `/hang` it never answers, below `/flood` it never ends,
    /// below `/echo` it tells the account that asks.
    pub fn start(lab: &Lab, authority: &Authority, account: Option<&str>, redirects: &[(&str, String)]) -> Https {
        let door = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = door.local_addr().expect("an address").port();
        let (seen, tls) = (Arc::<Mutex<Vec<Seen>>>::default(), authority.server());
        let site = Arc::new(Site {
            root: lab.dir.path().to_path_buf(),
            account: account.map(|account| {
                use base64::Engine;
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(account))
            }),
            redirects: redirects.iter().map(|(from, to)| ((*from).to_owned(), to.clone())).collect(),
            seen: Arc::clone(&seen),
        });
        // The threads end with the test's process; each connection is answered once.
        std::thread::spawn(move || {
            for stream in door.incoming().flatten() {
                let (tls, site) = (Arc::clone(&tls), Arc::clone(&site));
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(tls).expect("a connection");
                    site.answer(StreamOwned::new(connection, stream));
                });
            }
        });
        Https { port, seen }
    }

    pub fn origin(&self, authority: &Authority) -> Origin {
        let url = format!("https://127.0.0.1:{}/remote.git", self.port);
        Origin { ca_certificate: authority.root(), ..near(&url) }
    }

    /// Requests since the last call, as `METHOD path`.
    pub fn requests(&self) -> Vec<String> {
        let seen: Vec<Seen> = self.seen.lock().expect("the list").drain(..).collect();
        seen.iter()
            .map(|seen| format!("{} {}", seen.method, seen.target.split('?').next().unwrap_or_default()))
            .collect()
    }
}

struct Site {
    root: PathBuf,
    account: Option<String>,
    redirects: Vec<(String, String)>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Site {
    fn answer(&self, stream: StreamOwned<ServerConnection, TcpStream>) {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        if reader.read_line(&mut first).is_err() || first.is_empty() {
            return;
        }
        let mut words = first.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let authorization = headers.get("authorization").cloned();
        self.seen.lock().expect("the list").push(Seen { method: method.clone(), target: target.clone() });
        let mut stream = reader.into_inner();
        let mut send = |bytes: &[u8]| stream.write_all(bytes).and_then(|()| stream.flush()).is_ok();
        let redirect =
            self.redirects.iter().find_map(|(from, to)| Some(format!("{to}{}", target.strip_prefix(from.as_str())?)));
        if let Some(to) = redirect {
            send(
                format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            );
        } else if target.starts_with("/hang") {
            std::thread::sleep(Duration::from_secs(60));
        } else if target.starts_with("/flood") {
            send(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n");
            send(b"001e# service=git-upload-pack\n0000");
            while send(b"00411111111111111111111111111111111111111111 refs/heads/branches\n".repeat(1000).as_slice()) {}
        } else if target.starts_with("/echo") {
            let text = format!("ERR you are {}", authorization.unwrap_or_default());
            let packet = format!("{:04x}{text}", text.len() + 4);
            send(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n");
            send(packet.as_bytes());
        } else if target.starts_with("/page") {
            send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        } else if self.account.is_some() && self.account != authorization {
            send(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=git\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        } else {
            let answer = self.backend(&method, &target, &headers, &body);
            send(&answer);
        }
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }

    /// Asks `git http-backend` as a web server does.
    fn backend(&self, method: &str, target: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Vec<u8> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .envs(isolated(&self.root))
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", headers.get("content-type").map_or("", String::as_str))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("git http-backend");
        child.stdin.take().expect("its input").write_all(body).expect("the request is taken");
        let output = child.wait_with_output().expect("its answer").stdout;
        let split = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("its headers");
        let head = String::from_utf8_lossy(&output[..split]).into_owned();
        let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
        let rest: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status:")).collect();
        let head = format!("HTTP/1.1 {status}\r\n{}\r\nConnection: close\r\n\r\n", rest.join("\r\n"));
        [head.as_bytes(), &output[split + 4..]].concat()
    }
}

/// Whether a folder is for its owner only.
pub fn is_private(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o077 == 0)
}
