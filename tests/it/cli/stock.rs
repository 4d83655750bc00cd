//! Issue 1, acceptance 1, as people do it: the stock files of two releases of the reference system, by the command.

use std::path::Path;

use super::Desk;
use crate::{engine::reference_data, support::database::Database};

/// Applies a folder to an empty database; then there is nothing left to do, neither by plan nor by apply.
fn applies_once(folder: &Path, url: &str) {
    let desk = Desk::new();
    let folder = folder.to_str().expect("text");
    let on = |command: &[&'static str]| {
        let mut line: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        line.extend(["--database", url, folder].map(str::to_owned));
        line
    };
    let run = |code: i32, command: &[&'static str]| {
        desk.expect(code, &on(command).iter().map(String::as_str).collect::<Vec<_>>())
    };
    let first = run(0, &["apply", "--json"]).json();
    let created = first["summary"]["create"].as_u64().expect("a number");
    assert!(created > 20 && first["rows_written"].as_u64() > Some(created), "{folder}: {first}");
    run(0, &["plan", "--detailed-exitcode"]);
    let second = run(0, &["apply", "--json"]).json();
    assert_eq!(second["rows_written"], 0, "{folder}: {second}");
    assert_eq!(second["revision"], first["revision"], "{folder}: {second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_files_of_two_releases_apply_once_on_both_engines() {
    let Some(data) = reference_data() else { return };
    for release in ["authentik-2023.3.1", "authentik-2024.6.4"] {
        for name in ["default", "system"] {
            let folder = data.join(release).join("blueprints").join(name);
            applies_once(&folder, "sqlite://gatewright.db");
            if let Some(database) = Database::postgres().await {
                applies_once(&folder, &database.url);
            }
        }
    }
}
