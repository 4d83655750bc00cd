//! The program as people run it: a folder, a command line, what is printed and how it ends.
//!
//! What is read by people is kept in `snapshots/`; look at every change there as a reader would.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod check;
mod comment;
mod diff;
mod drift;
mod gitops;
mod help;
mod history;
mod inputs;
mod kill;
mod migrate;
mod plan_apply;
mod pull_requests;
mod readme;
mod saved_plan;
mod secrets;
mod serve;
mod server_plan;
mod sops;
mod stock;
mod two_servers;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gatewright::store::{Key, Store, StoreOptions};
use uuid::Uuid;

/// A folder to work in and an environment that holds nothing else.
pub struct Desk {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ran {
    line: String,
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Desk {
    /// An empty folder.
    pub fn new() -> Desk {
        Desk { folder: tempfile::tempdir().expect("a folder"), environment: vec![("USER", "alice")] }
    }

    /// Sets a variable for all commands that follow.
    pub fn set(&mut self, name: &'static str, value: &'static str) {
        self.environment.push((name, value));
    }

    /// Writes a file, with its folders.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("the folder");
        std::fs::write(path, text).expect("the file");
    }

    /// Replaces a text in a file, which must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}:\n{text}");
        self.write(name, &text.replace(from, to));
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Permission bits of a file.
    pub fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).permissions().mode()
            & 0o777
    }

    /// The command, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs git in the folder, the same way on every machine and at every time.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.folder).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("HOME", self.folder.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Alice").env(format!("GIT_{who}_EMAIL"), "alice@example.com");
            command.env(format!("GIT_{who}_DATE"), "2026-01-02T03:04:05Z");
        }
        let output = command.output().expect("git runs");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "git {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        if !self.path(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch=main"]);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the program starts");
        Ran::of(arguments, output)
    }

    /// Runs a command that must end with a code.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{}", ran.page());
        ran
    }

    /// The database as other code sees it.
    pub async fn store(&self) -> Store {
        let key = Key::load(&self.path("gatewright.key")).expect("a key file").expect("a key");
        let url = format!("sqlite://{}", self.path("gatewright.db").display());
        Store::open(&url, StoreOptions::new(key)).await.expect("the database opens")
    }

    /// All bytes of the database, its log included.
    pub fn database_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for name in ["gatewright.db", "gatewright.db-wal"] {
            bytes.extend(std::fs::read(self.path(name)).unwrap_or_default());
        }
        assert!(!bytes.is_empty(), "there is a database");
        bytes
    }
}

impl Ran {
    pub fn of(arguments: &[&str], output: std::process::Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Ran {
            line: arguments.join(" "),
            code: output.status.code().expect("the program ends by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}", self.page()))
    }

    /// The last line of standard output.
    pub fn last(&self) -> &str {
        self.out.lines().last().unwrap_or("")
    }

    /// Everything as a reader sees it, with what differs from run to run replaced.
    pub fn page(&self) -> String {
        let mut page = format!("$ gatewright {}\n", self.line);
        page.push_str(&self.out);
        if !self.err.is_empty() {
            page.push_str("--- standard error\n");
            page.push_str(&self.err);
        }
        page.push_str(&format!("--- exit {}\n", self.code));
        steady(&page)
    }
}

/// Replaces ids and times, and the blanks at ends of lines.
pub fn steady(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut rest = line.trim_end();
        while let Some(letter) = rest.chars().next() {
            let id = rest.get(..36).filter(|id| Uuid::try_parse(id).is_ok());
            let time = rest.get(..20).filter(|time| is_time(time));
            let clock = rest.get(..19).filter(|time| is_time(&time.replacen(' ', "T", 1)));
            let (shown, length) = match (id, time, clock) {
                (Some(_), ..) => ("[id]", 36),
                (_, Some(_), _) => ("[time]", rest.find('Z').map_or(rest.len(), |at| at + 1)),
                // As wide as what it stands for, for the columns after it.
                (.., Some(_)) => ("[date and time    ]", 19),
                _ => (&rest[..letter.len_utf8()], letter.len_utf8()),
            };
            out.push_str(shown);
            rest = &rest[length..];
        }
        out.push('\n');
    }
    out
}

/// `2026-01-02T03:04:05`.
fn is_time(text: &str) -> bool {
    let shape: String =
        text.chars().take(19).map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    shape == "0000-00-00T00:00:00"
}

/// Whether bytes hold a text.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The program's own folder of shipped blueprints.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("blueprints")
}
