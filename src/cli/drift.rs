//! `gatewright drift`: where the running state is not what sources declare, who changed it, and what to do about it.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    Session,
    database::{self, DatabaseArgs},
    inputs::InputArgs,
    output::{self, PlanFormat},
    reconcile::require,
    serve,
};
use crate::{
    base::clock::{Clock, SystemClock},
    blueprint::{
        plan::{Named, Place},
        render::{self, markdown_code as code, visible},
    },
    reconcile::{
        content::Revision,
        drift::{self, Adoption, Blame, Comparison, Drifted, Report, Standing, What},
        settings::{self, Settings},
        state::Tolerated,
        surroundings::Surroundings,
        trigger::Request,
    },
    registry::registry,
    store::Store,
};

/// Show where the running state is not what sources declare
///
/// Compares every source with the database in full, and shows each field that differs: where it is declared, what it is
/// now, and who changed it, when, and from where. What a source holds that was never applied is pending and no drift.
/// Exits with 0 when there is no drift, with 2 when there is, with 1 when a source cannot be compared.
///
/// With --tolerate, drift is neither reported nor corrected until a date. A new revision of the source ends that, since it
/// is applied in full.
///
/// With --adopt, prints a patch that makes the files of the source declare what is there; `git apply` takes it. Comments,
/// tags and layout stay. Exits with 2 when something is left for a person to change.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these sources
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Leave this drift alone until a date; a field, or all of an object
    #[arg(long, value_name = "KIND/NAME[.FIELD]", requires = "until", conflicts_with = "adopt")]
    tolerate: Vec<String>,
    /// The date, in UTC, until which to leave it alone
    #[arg(long, value_name = "DATE", requires = "tolerate")]
    until: Option<String>,
    /// Print a patch that makes the source's files declare what is there
    #[arg(long)]
    adopt: bool,
    /// Adopt only this: an object, or one of its fields
    #[arg(long, value_name = "KIND/NAME[.FIELD]", requires = "adopt")]
    object: Vec<String>,
    /// Write the patch into this file, which only the owner may read
    #[arg(long, value_name = "FILE", requires = "adopt")]
    patch: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    inputs: InputArgs,
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: PlanFormat,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Exit code when there is drift.
const DRIFT: u8 = 2;

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    let inputs = args.inputs.inputs(session, &config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        for name in &args.names {
            require(&store, name).await?;
        }
        let around = serve::surroundings(session, &config, &store, inputs)?;
        let mut compared = Vec::new();
        for settings in declared(&store, &args.names).await? {
            let comparison = drift::compare(&around, &settings).await?;
            compared.push((settings, comparison));
        }
        let code = if !args.tolerate.is_empty() {
            tolerate(session, &args, &store, &compared).await?
        } else if args.adopt {
            adopt(session, &args, &around, &compared).await?
        } else {
            let reports: Vec<&Report> = compared.iter().map(|(_, comparison)| &comparison.report).collect();
            show(&args, &reports)?
        };
        store.close().await;
        Ok(code)
    })
}

/// The declared sources of some names, or all of them, by name.
async fn declared(store: &Store, names: &[String]) -> anyhow::Result<Vec<Settings>> {
    let mut listed = Vec::new();
    for settings in settings::all(store, &registry()?).await? {
        let settings = settings?;
        if names.is_empty() || names.contains(&settings.name) {
            listed.push(settings);
        }
    }
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(listed)
}

fn show(args: &Args, reports: &[&Report]) -> anyhow::Result<ExitCode> {
    let text = match (args.json, args.format) {
        (true, _) | (_, PlanFormat::Json) => {
            let sources: Vec<Value> = reports.iter().map(|report| as_json(report)).collect();
            format!("{:#}\n", json!({ "version": 1, "kind": "drift", "sources": sources }))
        }
        (_, PlanFormat::Text) => as_text(reports),
        (_, PlanFormat::Markdown) => as_markdown(reports),
    };
    output::print(&text)?;
    let failed = reports.iter().any(|report| matches!(report.standing, Standing::Failed(_)));
    let drifted = reports.iter().any(|report| report.has_drift());
    Ok(match (failed, drifted) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(DRIFT),
        (false, false) => ExitCode::SUCCESS,
    })
}

async fn tolerate(
    session: &Session,
    args: &Args,
    store: &Store,
    compared: &[(Settings, Comparison)],
) -> anyhow::Result<ExitCode> {
    let [(settings, comparison)] = compared else { bail!("name the one source whose drift is to be tolerated") };
    let until = args.until.as_deref().unwrap_or_default();
    let date: Date =
        until.parse().with_context(|| format!("--until takes a date such as 2026-12-01, not {until:?}"))?;
    let until = date.to_zoned(TimeZone::UTC).context("--until is out of range")?.timestamp().as_microsecond();
    if until <= SystemClock.now_us() {
        bail!("the date {date} is over");
    }
    let mut request = Request { by: session.actor(), ..Request::default() };
    for selector in &args.tolerate {
        let Some((object, field)) = comparison.report.find(selector) else { bail!("{}", unknown(selector, compared)) };
        let Named { kind, name, .. } = object.object.clone();
        request.tolerate.push(Tolerated { kind, name, field: field.map(str::to_owned), until, by: session.actor() });
    }
    store.request(&settings.name, &json!(request), &session.actor()).await?;
    if !session.global.quiet {
        let things = output::counted(request.tolerate.len(), "difference", "differences");
        eprintln!("{things} of {} will be left alone until {date}, once a server has taken that up.", settings.name);
    }
    Ok(ExitCode::SUCCESS)
}

/// What to say when nothing of the given name has drifted.
fn unknown(selector: &str, compared: &[(Settings, Comparison)]) -> String {
    let drifted: Vec<String> = compared
        .iter()
        .flat_map(|(_, comparison)| &comparison.report.objects)
        .map(|object| format!("{}/{}", object.object.kind, object.shown))
        .collect();
    match drifted.as_slice() {
        [] => format!("{selector} has not drifted, and nothing else has"),
        some => format!("{selector} has not drifted; these have: {}", some.join(", ")),
    }
}

async fn adopt(
    session: &Session,
    args: &Args,
    around: &Surroundings,
    compared: &[(Settings, Comparison)],
) -> anyhow::Result<ExitCode> {
    let [(settings, comparison)] = compared else { bail!("name the one source whose files are to take drift over") };
    match &comparison.report.standing {
        Standing::Compared => {}
        Standing::NothingApplied => bail!("nothing of {} was applied yet", settings.name),
        Standing::Failed(why) => bail!("{} cannot be compared: {why}", settings.name),
        Standing::Pending { .. } => {
            bail!("{} holds what is not applied yet; adopt when it is", settings.name)
        }
    }
    let mut chosen: Vec<(Named, Option<String>)> = Vec::new();
    for selector in &args.object {
        match comparison.report.find(selector) {
            Some((object, field)) => chosen.push((object.object.clone(), field.map(str::to_owned))),
            None => bail!("{}", unknown(selector, compared)),
        }
    }
    let wanted = |object: &Named, field: Option<&str>| {
        let takes =
            |(one, only): &(Named, Option<String>)| one.id == object.id && (only.is_none() || only.as_deref() == field);
        chosen.is_empty() || chosen.iter().any(takes)
    };
    let adoption = drift::adopt(around, settings, comparison, &wanted).await?;
    hand_over(session, args, &adoption)
}

/// Gives the patch out, and says what it does not do.
fn hand_over(session: &Session, args: &Args, adoption: &Adoption) -> anyhow::Result<ExitCode> {
    let patch: String = adoption.patches.iter().map(|patch| patch.diff.as_str()).collect();
    match &args.patch {
        Some(path) if !patch.is_empty() => {
            write_private(path, &patch).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Some(_) => {}
        None => {
            if let Some(patch) = adoption.patches.iter().find(|patch| patch.secret) {
                bail!(
                    "the lines around the changes of {} hold secrets, which are not printed; write the patch into a file \
                     by --patch FILE",
                    patch.path
                );
            }
            output::print(&patch)?;
        }
    }
    for left in &adoption.left {
        let field = left.field.as_ref().map(|field| format!(".{field}")).unwrap_or_default();
        let place = left.place.as_ref().map(|place| format!("; change it by hand at {place}")).unwrap_or_default();
        let name = visible(&left.object.name);
        eprintln!("{}/{name}{field} cannot be adopted here: {}{place}", left.object.kind, left.why);
    }
    for note in &adoption.notes {
        eprintln!("note: {note}");
    }
    if !session.global.quiet {
        let things = output::counted(adoption.adopted, "difference", "differences");
        let files = output::counted(adoption.patches.len(), "file", "files");
        match adoption.adopted {
            0 if adoption.left.is_empty() => eprintln!("There is no drift to adopt."),
            _ => eprintln!("The patch takes {things} over into {files}; {} left.", adoption.left.len()),
        }
    }
    Ok(if adoption.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DRIFT) })
}

/// Writes a file that only its owner may read.
fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// `main@3f2a9c1` or whatever the revision is called, with the commit shortened.
fn revision_name(revision: Option<&Revision>) -> String {
    let Some(revision) = revision else { return String::new() };
    match &revision.commit {
        Some(commit) => revision.name.replace(&commit.id, short(&commit.id)),
        None => revision.name.clone(),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// `file:line`, with the commit where there is one.
fn place_text(report: &Report, place: &Place) -> String {
    let commit = report.revision.as_ref().and_then(|revision| revision.commit.as_ref());
    let commit = commit.map(|commit| format!("@{}", short(&commit.id))).unwrap_or_default();
    format!("{} {}:{}{commit}", report.source, visible(&place.file), place.line)
}

fn time(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |time| time.to_string())
}

fn day(us: i64) -> String {
    time(us).chars().take(10).collect()
}

fn blame_text(blame: Option<&Blame>, verb: &str) -> String {
    match blame {
        Some(blame) => {
            let (actor, origin) = (visible(&blame.actor), visible(&blame.origin));
            format!("{verb} by {actor} at {} in run {} from {origin}", time(blame.at), blame.run)
        }
        None => format!("who {} is not in the change log", if verb == "changed" { "changed it" } else { "did it" }),
    }
}

fn tolerated_text(tolerated: &Tolerated) -> String {
    format!("tolerated until {} by {}", day(tolerated.until), visible(&tolerated.by))
}

fn standing_text(report: &Report) -> String {
    let revision = revision_name(report.revision.as_ref());
    match &report.standing {
        Standing::Compared if report.objects.is_empty() => format!("as declared at {revision}"),
        Standing::Compared => {
            format!(
                "{} not as declared at {revision}",
                output::counted(report.objects.len(), "object is", "objects are")
            )
        }
        Standing::NothingApplied => "nothing applied yet".to_owned(),
        Standing::Failed(why) => format!("cannot be compared: {}", visible(why)),
        Standing::Pending { what, counts } => {
            let what = match *what {
                "revision" => format!("{revision} is not applied yet"),
                "declaration" => "the declaration of the source changed".to_owned(),
                _ => "the variables or files that it reads are not those that it was applied with".to_owned(),
            };
            format!("pending, which is no drift: {what}. {}", render::summary_line(*counts, false))
        }
    }
}

/// What is wrong with an object, and whose doing it is.
fn existence_text(object: &Drifted) -> Option<(String, String)> {
    let blame = |verb| blame_text(object.blame.as_ref(), verb);
    match &object.what {
        What::Missing { renamed: None } => Some(("is missing".to_owned(), blame("deleted"))),
        What::Missing { renamed: Some(name) } => {
            Some((format!("is missing; what its entry declared is called {} now", visible(name)), blame("changed")))
        }
        What::Unwanted => Some(("exists and is declared absent".to_owned(), blame("made"))),
        What::Differs(_) => None,
    }
}

fn as_text(reports: &[&Report]) -> String {
    let mut out = String::new();
    if reports.is_empty() {
        return "There is no source of blueprints.\n".to_owned();
    }
    for report in reports {
        let _ = writeln!(out, "{}: {}", report.source, standing_text(report));
        for object in &report.objects {
            let (title, name, kind) = (object.title, &object.shown, &object.object.kind);
            let _ = write!(out, "\n  {title} {name}  {kind}");
            if let Some((wrong, blame)) = existence_text(object) {
                let _ = writeln!(out, "\n    {wrong}");
                for place in &object.places {
                    let _ = writeln!(out, "      declared by {}", place_text(report, place));
                }
                let _ = writeln!(out, "      {blame}");
            } else {
                out.push('\n');
            }
            if let Some(tolerated) = &object.tolerated {
                let _ = writeln!(out, "    {}", tolerated_text(tolerated));
            }
            let What::Differs(fields) = &object.what else { continue };
            for field in fields {
                for difference in &field.differences {
                    let _ = writeln!(out, "    {}: {}", difference.path, difference.text);
                    for line in &difference.lines {
                        let _ = writeln!(out, "        {line}");
                    }
                }
                if let Some(place) = &field.place {
                    let _ = writeln!(out, "      declared by {}", place_text(report, place));
                }
                let _ = writeln!(out, "      {}", blame_text(field.blame.as_ref(), "changed"));
                if let Some(tolerated) = field.tolerated.as_ref().filter(|_| object.tolerated.is_none()) {
                    let _ = writeln!(out, "      {}", tolerated_text(tolerated));
                }
            }
        }
        if !report.orphans.is_empty() {
            let _ = writeln!(out, "\n  No longer declared, and left as they are:");
            for orphan in &report.orphans {
                let _ =
                    writeln!(out, "    {} {}, once of {}", orphan.kind, visible(&orphan.name), visible(&orphan.place));
            }
        }
        if !report.objects.is_empty() || !report.orphans.is_empty() {
            out.push('\n');
        }
    }
    out
}

fn as_markdown(reports: &[&Report]) -> String {
    let drifted: usize = reports.iter().map(|report| report.objects.len()).sum();
    let headline = match drifted {
        0 => "no drift".to_owned(),
        some => format!("{} drifted", output::counted(some, "object", "objects")),
    };
    let mut out = format!("<!-- gatewright:drift -->\n## Gatewright drift: {headline}\n");
    for report in reports {
        let _ = writeln!(out, "\n### {}\n\n{}", code(&report.source), code(&standing_text(report)));
        if !report.objects.is_empty() {
            out.push_str("\n| object | difference | declared by | by whom |\n|---|---|---|---|\n");
        }
        for object in &report.objects {
            let name = format!("{} {}", object.title, code(&object.shown));
            let marked = |text: String, tolerated: Option<&Tolerated>| match tolerated {
                Some(tolerated) => format!("{text} ({})", code(&tolerated_text(tolerated))),
                None => text,
            };
            if let Some((wrong, blame)) = existence_text(object) {
                let places: Vec<String> = object.places.iter().map(|place| code(&place_text(report, place))).collect();
                let wrong = marked(render::markdown_prose(&wrong), object.tolerated.as_ref());
                let _ = writeln!(out, "| {name} | {wrong} | {} | {} |", places.join(", "), code(&blame));
            }
            let What::Differs(fields) = &object.what else { continue };
            for field in fields {
                let place = field.place.as_ref().map(|place| code(&place_text(report, place))).unwrap_or_default();
                let blame = code(&blame_text(field.blame.as_ref(), "changed"));
                for difference in &field.differences {
                    let text = format!("{}: {}", code(&difference.path), code(&difference.text));
                    let text = marked(text, field.tolerated.as_ref());
                    let _ = writeln!(out, "| {name} | {text} | {place} | {blame} |");
                }
            }
        }
        for orphan in &report.orphans {
            let _ = writeln!(
                out,
                "\n{} {} is no longer declared; it was in {}.",
                code(&orphan.kind),
                code(&orphan.name),
                code(&orphan.place)
            );
        }
    }
    out
}

fn as_json(report: &Report) -> Value {
    let (status, message, pending) = match &report.standing {
        Standing::Compared if report.has_drift() => ("drifted", None, None),
        Standing::Compared => ("as_declared", None, None),
        Standing::NothingApplied => ("new", None, None),
        Standing::Failed(why) => ("failed", Some(why), None),
        Standing::Pending { what, counts } => ("pending", None, Some(json!({ "what": what, "summary": counts }))),
    };
    let commit = report.revision.as_ref().and_then(|revision| revision.commit.as_ref()).map(|commit| &commit.id);
    let place = |place: &Place| json!({ "file": place.file, "line": place.line, "commit": commit });
    let blame = |blame: &Blame| json!({ "by": blame.actor, "at": blame.at, "run": blame.run, "from": blame.origin });
    let objects: Vec<Value> = report
        .objects
        .iter()
        .map(|object| {
            let (what, fields) = match &object.what {
                What::Missing { .. } => ("missing", Vec::new()),
                What::Unwanted => ("unwanted", Vec::new()),
                What::Differs(fields) => ("differs", fields.iter().collect()),
            };
            let fields: Vec<Value> = fields
                .into_iter()
                .map(|field| {
                    json!({
                        "field": field.field,
                        "declared": field.declared,
                        "present": field.present,
                        "place": field.place.as_ref().map(place),
                        "changed": field.blame.as_ref().map(blame),
                        "tolerated": field.tolerated,
                    })
                })
                .collect();
            json!({
                "kind": object.object.kind,
                "name": object.shown,
                "what": what,
                "renamed_to": match &object.what {
                    What::Missing { renamed } => renamed.as_deref(),
                    _ => None,
                },
                "places": object.places.iter().map(place).collect::<Vec<_>>(),
                "changed": object.blame.as_ref().map(blame),
                "fields": fields,
                "tolerated": object.tolerated,
            })
        })
        .collect();
    let orphans: Vec<Value> = report
        .orphans
        .iter()
        .map(|orphan| json!({ "kind": orphan.kind, "name": orphan.name, "place": orphan.place }))
        .collect();
    json!({
        "name": report.source,
        "status": status,
        "message": message,
        "revision": report.revision,
        "pending": pending,
        "objects": objects,
        "orphans": orphans,
    })
}
