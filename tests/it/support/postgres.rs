//! A PostgreSQL server for the length of the test process.
//!
//! With `GATEWRIGHT_TEST_POSTGRES` set to the URL of a server and a user who may create databases, that one is used.
//! Otherwise a throw-away cluster is made with the programs of Debian's package `postgresql`. It is started by a
//! shell that waits for the end of a pipe from this process: however the process ends, the server ends after it.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{ChildStdin, Command, Stdio},
    sync::OnceLock,
};

use uuid::Uuid;

const SCRIPT: &str = r#"
bin=$1
dir=$(mktemp -d /tmp/gatewright-postgres-XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
"$bin/initdb" -D "$dir/data" -U gatewright --auth=trust --no-sync -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 ||
  { cat "$dir/initdb.log" >&2; exit 1; }
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
  -c full_page_writes=off -c max_connections=300 >"$dir/log" 2>&1 </dev/null &
server=$!
until "$bin/pg_isready" -q -h "$dir"; do
  kill -0 $server 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
  sleep 0.1
done
echo "$dir"
read -r _
kill -INT $server
wait $server
"#;

/// The server.
struct Server {
    /// URL with `{}` in place of the database's name.
    url: String,
    /// Holding this end of the pipe keeps a throw-away server alive.
    _pipe: Option<ChildStdin>,
}

/// A database of its own for one test; dropped with this value.
pub struct Database {
    name: String,
}

/// A new database, or nothing when there is no server here.
///
/// # Panics
/// When there is no server and `GATEWRIGHT_REQUIRE_PEERS=1`.
pub async fn database() -> Option<Database> {
    Some(Database::like(server()?, "template0").await)
}

impl Database {
    async fn like(server: &Server, template: &str) -> Database {
        let name = format!("gatewright_{}", Uuid::new_v4().simple());
        run(server, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        Database { name }
    }

    /// A copy of it; nobody may be connected to it meanwhile.
    pub async fn copy(&self) -> Database {
        Database::like(server().expect("the server that made it"), &self.name).await
    }

    /// Its URL.
    pub fn url(&self) -> String {
        server().expect("the server that made it").url.replace("{}", &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        // On a thread of its own, since this one may be in the middle of a runtime.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(server().expect("the server"), format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        dropping.join().expect("the database is dropped");
    }
}

async fn run(server: &Server, statement: String) {
    use sqlx::Connection;
    let url = server.url.replace("{}", "postgres");
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("the test server answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            if let Ok(url) = std::env::var("GATEWRIGHT_TEST_POSTGRES") {
                let (server, parameters) =
                    url.split_once('?').map_or((url.as_str(), ""), |(left, right)| (left, right));
                let host = server.trim_end_matches('/');
                return Some(Server { url: format!("{host}/{{}}?{parameters}"), _pipe: None });
            }
            let started = programs().map(start);
            if started.is_none() {
                let advice = "no PostgreSQL here: install the package `postgresql` or set GATEWRIGHT_TEST_POSTGRES";
                assert!(std::env::var("GATEWRIGHT_REQUIRE_PEERS").as_deref() != Ok("1"), "{advice}");
                eprintln!("{advice}; the tests run on SQLite only");
            }
            started
        })
        .as_ref()
}

/// The folder of the newest installed server's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .max_by_key(|bin| {
            let version = bin.parent().and_then(|parent| parent.file_name()).map(|name| name.to_string_lossy());
            version.and_then(|version| version.parse::<u32>().ok())
        })
}

#[expect(clippy::zombie_processes, reason = "the server ends after this process, which cannot wait for it")]
fn start(bin: PathBuf) -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(bin).stdin(Stdio::piped()).stdout(Stdio::piped());
    // A group of its own: an interrupt at the terminal ends the tests, and the shell then ends the server in order.
    command.process_group(0).current_dir("/");
    if id("-u", None) == 0 {
        // The server refuses to run as root.
        command.gid(id("-g", Some("postgres"))).uid(id("-u", Some("postgres")));
    }
    let mut child = command.spawn().expect("a shell");
    let mut folder = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    output.read_line(&mut folder).expect("its answer");
    let folder = folder.trim();
    assert!(!folder.is_empty(), "the PostgreSQL server did not start; its log is above");
    Server { url: format!("postgres://gatewright@localhost/{{}}?host={folder}"), _pipe: child.stdin.take() }
}

fn id(what: &str, user: Option<&str>) -> u32 {
    let output = Command::new("id").arg(what).args(user).output().expect("the program id");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}
