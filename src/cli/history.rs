//! `gatewright history`: the runs, or what happened to one object.

use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Session,
    database::{self, DatabaseArgs},
    output,
    reconcile::require,
};
use crate::{
    blueprint::render::{self, TextOptions, visible},
    reconcile::{
        attempt,
        history::{self, counts, is_applied},
    },
    registry::registry,
    store::{ChangeRecord, RunRecord, Store},
};

/// Show what was applied, or what happened to one object
///
/// Lists the runs, newest first: each application of a plan, and each attempt of a source that was refused, waits or
/// failed. With --object, lists the changes of that object, field by field, also when it was renamed since or is gone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One object: its kind (the part after the dot is enough where only one kind has it) and its name or id
    #[arg(long, value_name = "KIND/NAME")]
    object: Option<String>,
    /// Only runs of this source of blueprints
    #[arg(long, value_name = "NAME", conflicts_with = "object")]
    source: Option<String>,
    /// How many to show at most
    #[arg(long, value_name = "N", default_value = "20")]
    limit: u32,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        match &args.object {
            Some(object) => of_object(session, &store, &args, object).await?,
            None => of_runs(session, &store, &args).await?,
        }
        store.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

async fn of_runs(session: &Session, store: &Store, args: &Args) -> anyhow::Result<()> {
    let more = args.limit.saturating_add(1);
    let mut runs = match &args.source {
        Some(source) => store.runs_of(source, more).await?,
        None => store.runs(more).await?,
    };
    if let Some(source) = args.source.as_ref().filter(|_| runs.is_empty()) {
        require(store, source).await?;
    }
    let cut = runs.len() > args.limit as usize;
    runs.truncate(args.limit as usize);
    if args.json {
        let runs: Vec<Value> = runs.iter().map(run_json).collect();
        let value = json!({ "version": 1, "kind": "history", "runs": runs });
        output::print(&format!("{value:#}\n"))?;
        return Ok(());
    }
    if runs.is_empty() {
        output::print("There are no runs yet.\n")?;
        return Ok(());
    }
    output::print(&table(&runs))?;
    if cut && !session.global.quiet {
        eprintln!("note: there are older ones; --limit shows more");
    }
    Ok(())
}

/// Runs in lines of aligned columns.
fn table(runs: &[RunRecord]) -> String {
    let mut rows = vec![["Run", "Time (UTC)", "Outcome", "Changes", "By", "From"].map(str::to_owned)];
    for run in runs {
        rows.push([
            run.id.to_string(),
            clock(run.at),
            run.run.outcome.as_str().to_owned(),
            changes(run),
            visible(&run.run.actor),
            visible(&origin(run)),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for (at, [run, time, outcome, changes, by, from]) in rows.iter().enumerate() {
        let [a, b, c, d, e] = widths;
        let line = format!("{run:>a$}  {time:b$}  {outcome:c$}  {changes:d$}  {by:e$}  {from}");
        text.push_str(line.trim_end());
        text.push('\n');
        let Some(run) = at.checked_sub(1).and_then(|at| runs.get(at)) else { continue };
        if let Some(message) = message(run) {
            text.push_str(&format!("{:a$}  {}\n", "", visible(message)));
        }
        if run.times > 1 {
            text.push_str(&format!("{:a$}  {} times, last at {}\n", "", run.times, clock(run.last_at)));
        }
    }
    text
}

/// Created, updated and deleted objects; nothing when there are none.
fn changes(run: &RunRecord) -> String {
    let parts = counts(run).into_iter().zip(["+", "~", "-"]).filter(|(count, _)| *count > 0);
    parts.map(|(count, sign)| format!("{sign}{count}")).collect::<Vec<_>>().join(" ")
}

/// Where the plan came from, with commits cut to the length that people read.
pub fn origin(run: &RunRecord) -> String {
    run.run.origin.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// A revision's name with its commit or digest cut to twelve digits.
pub fn short(name: &str) -> String {
    let is_digit = |letter: char| letter.is_ascii_hexdigit();
    let start = name.rfind(|letter| !is_digit(letter)).map_or(0, |at| at + 1);
    match &name[start..] {
        digits if digits.len() >= 40 => format!("{}{}", &name[..start], &digits[..12]),
        _ => name.to_owned(),
    }
}

/// Why a run came to nothing.
pub fn message(run: &RunRecord) -> Option<&str> {
    let message = attempt::detail(run, "message")?.as_str()?;
    (!is_applied(run) && !message.is_empty()).then_some(message)
}

/// A point in time, in microseconds since 1970, as people read it.
pub fn clock(us: i64) -> String {
    let time = Timestamp::from_microsecond(us).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A point in time as programs read it.
pub fn iso(us: i64) -> String {
    Timestamp::from_microsecond(us).unwrap_or_default().to_string()
}

/// A run for programs, without its plan.
pub fn run_json(run: &RunRecord) -> Value {
    let last = if run.times > 1 { run.last_at } else { run.at };
    json!({
        "run": run.id,
        "at": iso(run.at),
        "by": run.run.actor,
        "origin": run.run.origin,
        "source": run.run.source,
        "revision": attempt::detail(run, "revision"),
        "outcome": run.run.outcome.as_str(),
        "message": message(run),
        "summary": run.run.summary,
        "times": run.times,
        "last_at": iso(last),
    })
}

/// Changes of the log for programs.
pub fn change_json(change: &ChangeRecord) -> Value {
    json!({
        "seq": change.seq,
        "run": change.run,
        "at": iso(change.at),
        "by": change.actor,
        "action": change.action,
        "object": change.object,
        "kind": change.kind,
        "name": change.name,
        "fields": change.fields,
    })
}

async fn of_object(session: &Session, store: &Store, args: &Args, asked: &str) -> anyhow::Result<()> {
    let registry = registry()?;
    let (kind, name) = asked.split_once('/').context("--object takes a kind and a name or id: KIND/NAME")?;
    let info = history::kind(&registry, kind)?;
    let id = history::object(store, info, name).await?;
    let mut changes = store.changes_of(id).await?;
    changes.reverse();
    let cut = changes.len() > args.limit as usize;
    changes.truncate(args.limit as usize);
    let Some(newest) = changes.first() else { bail!("nothing is recorded about the {} {name:?}", info.title) };
    let gone = newest.action == "delete";
    if args.json {
        let object = json!({ "id": id, "kind": newest.kind, "name": newest.name, "gone": gone });
        let changes: Vec<Value> = changes.iter().map(change_json).collect();
        let value = json!({ "version": 1, "kind": "object_history", "object": object, "changes": changes });
        output::print(&format!("{value:#}\n"))?;
        return Ok(());
    }
    let names = history::names(store, &changes).await?;
    let options = TextOptions { colour: session.terminal.stdout_colour, width: session.terminal.width, verbose: true };
    let gone = if gone { ", which is gone" } else { "" };
    let mut text = format!("{}  {}  {id}{gone}\n", info.title, visible(&newest.name));
    for change in &changes {
        let done = match change.action.as_str() {
            "create" => "created",
            "delete" => "deleted",
            _ => "changed",
        };
        let called = if change.name == newest.name { String::new() } else { format!(", as {}", visible(&change.name)) };
        text.push_str(&format!(
            "\n  {}  run {}  {done} by {}{called}\n",
            clock(change.at),
            change.run,
            visible(&change.actor)
        ));
        let plan = history::as_plan(std::slice::from_ref(change), &names, &registry);
        for change in &plan.changes {
            let fields = render::fields(&plan, change, &registry, &options);
            text.push_str(if fields.is_empty() { "      its memberships\n" } else { &fields });
        }
    }
    output::print(&text)?;
    if cut && !session.global.quiet {
        eprintln!("note: there are older changes; --limit shows more");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn only_commits_and_digests_are_cut() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(short(&format!("main@{commit}")), "main@0123456789ab");
        assert_eq!(short(&format!("sha256:{commit}{commit}")), "sha256:0123456789ab");
        assert_eq!(short(commit), "0123456789ab");
        assert_eq!(short("main@abc"), "main@abc");
        assert_eq!(short("über/apps.yaml"), "über/apps.yaml");
        assert_eq!(short(""), "");
    }
}
