//! `gatewright check`: what is configured, from where, and whether it can be reached.

use std::process::ExitCode;

use super::{
    Session,
    database::{self, DatabaseArgs, Mode},
    output,
};

/// Print what is configured and reachable
///
/// Shows every setting with its origin (secrets hidden), then tries the database, its key and the blueprint folders.
/// Exits with 1 when something that is configured cannot be used.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Probe {
    what: String,
    ok: bool,
    says: String,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    let mut probes = Vec::new();
    let database = super::runtime()?.block_on(async {
        match database::open(&config, Mode::Look).await? {
            None => anyhow::Ok("does not exist yet; `gatewright serve` or `apply` creates it".to_owned()),
            Some(store) => {
                let found = store.check().await?;
                store.close().await;
                Ok(format!(
                    "{} {}, schema {}, revision {}, {}, instance {}",
                    found.engine,
                    found.engine_version,
                    found.schema_version,
                    found.revision,
                    output::counted(found.objects, "object", "objects"),
                    found.instance
                ))
            }
        }
    });
    let (ok, says) = match database {
        Ok(says) => (true, says),
        Err(error) => (false, output::one_line(&error)),
    };
    probes.push(Probe { what: "database".to_owned(), ok, says });
    for folder in &config.blueprints.dirs {
        let (ok, says) = match std::fs::read_dir(folder) {
            Ok(entries) => (true, output::counted(entries.count(), "item", "items")),
            Err(error) => (false, error.to_string()),
        };
        probes.push(Probe { what: format!("blueprint folder {}", folder.display()), ok, says });
    }
    let failed = probes.iter().any(|probe| !probe.ok);
    if args.json {
        let settings: Vec<_> = config
            .report()
            .iter()
            .map(|row| serde_json::json!({ "key": row.key, "value": row.value, "origin": row.origin.to_string() }))
            .collect();
        let probes: Vec<_> = probes
            .iter()
            .map(|probe| serde_json::json!({ "what": probe.what, "ok": probe.ok, "says": probe.says }))
            .collect();
        let value = serde_json::json!({ "version": 1, "kind": "check", "settings": settings, "probes": probes });
        output::print(&format!("{value:#}\n"))?;
    } else {
        let rows = config.report();
        let wide = |column: fn(&crate::config::Row) -> &str| {
            rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
        };
        let (keys, values) = (wide(|row| &row.key), wide(|row| &row.value).min(50));
        let mut text = String::from("Configuration\n");
        for row in rows {
            text.push_str(&format!("  {:keys$}  {:values$}  {}\n", row.key, row.value, row.origin));
        }
        text.push_str("\nReachable\n");
        for probe in &probes {
            text.push_str(&format!("  {}  {}: {}\n", if probe.ok { "ok  " } else { "FAIL" }, probe.what, probe.says));
        }
        output::print(&text)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
