//! `gatewright blame`: who is behind each field of an object.

use std::{process::ExitCode, sync::Arc};

use anyhow::bail;
use serde_json::{Value, json};

use super::{
    Session,
    database::{self, DatabaseArgs},
    history::{clock, iso, short},
    output,
};
use crate::{
    base::text::shorten,
    blueprint::{plan::Shown, render::visible},
    reconcile::{
        content::Revision,
        history::{self, Blame, Blamed, LastWriter, Owner},
    },
    registry::registry,
};

/// Show who is behind each field of an object
///
/// For each field: its value, the entry that declares it (source, file, line and commit), and who changed it last. A field
/// that somebody else than its owner changed is marked with `!`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kind; the part after the dot is enough where only one kind has it
    #[arg(value_name = "KIND")]
    kind: String,
    /// Name or id of the object
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Characters of a value at most.
const VALUE: usize = 40;

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&args.database.flags())?;
    session.start_quiet_log(&config)?;
    super::runtime()?.block_on(async {
        let store = database::existing(&config).await?;
        let registry = Arc::new(registry()?);
        let info = history::kind(&registry, &args.kind)?;
        let id = history::object(&store, info, &args.name).await?;
        let Some(blame) = history::blame(&store, &registry, id).await? else {
            bail!(
                "the {} {:?} is gone; `gatewright history --object {}/{id}` shows what happened to it",
                info.title.to_lowercase(),
                args.name,
                info.name
            );
        };
        store.close().await;
        if args.json {
            output::print(&format!("{:#}\n", json(&blame)))?;
        } else {
            let title = registry.find(&blame.object.kind).map_or("", |info| info.title);
            output::print(&format!("{title}  {}  {id}\n\n{}", visible(&blame.object.name), table(&blame.fields)))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn table(fields: &[Blamed]) -> String {
    let mut rows = vec![["", "Field", "Value", "Declared by", "Last changed"].map(str::to_owned)];
    for field in fields {
        let owners: Vec<String> = field.owners.iter().map(place).collect();
        let owner = if owners.is_empty() { "-".to_owned() } else { owners.join(", ") };
        rows.push([
            if field.drifted { "!" } else { "" }.to_owned(),
            visible(&field.field),
            value(&field.value),
            visible(&owner),
            visible(&field.last.as_ref().map_or_else(|| "before the change log".to_owned(), last)),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [a, b, c, d]: [usize; 4] = std::array::from_fn(width);
    let mut text = String::new();
    for [mark, field, value, owner, last] in &rows {
        let line = format!("{mark:a$} {field:b$}  {value:c$}  {owner:d$}  {last}");
        text.push_str(if a == 0 { line[1..].trim_end() } else { line.trim_end() });
        text.push('\n');
    }
    if fields.iter().any(|field| field.drifted) {
        text.push_str("\n! changed by somebody else than its owner\n");
    }
    text
}

/// `source file:line@commit`.
fn place(owner: &Owner) -> String {
    let entry = &owner.entry;
    let commit = owner.revision.as_ref().and_then(commit).map(|commit| format!("@{commit}")).unwrap_or_default();
    format!("{} {}:{}{commit}", entry.source, entry.document, entry.line)
}

fn commit(revision: &Revision) -> Option<String> {
    revision.commit.as_ref().map(|commit| short(&commit.id))
}

fn last(last: &LastWriter) -> String {
    let change = &last.change;
    let author = last.revision.as_ref().and_then(|revision| revision.commit.as_ref());
    let by = author.map_or_else(String::new, |commit| format!(" ({})", commit.author));
    format!("{} run {} {}{by}", clock(change.at), change.run, change.actor)
}

fn value(shown: &Shown) -> String {
    let text = match shown {
        Shown::Nothing => "none".to_owned(),
        Shown::Secret | Shown::Generated => "(secret)".to_owned(),
        Shown::Json(value) => value.to_string(),
        Shown::Objects(objects) => objects.iter().map(|named| named.name.clone()).collect::<Vec<_>>().join(", "),
    };
    shorten(&visible(&text), VALUE)
}

fn json(blame: &Blame) -> Value {
    let fields: Vec<Value> = blame
        .fields
        .iter()
        .map(|field| {
            let owners: Vec<Value> = field
                .owners
                .iter()
                .map(|owner| {
                    json!({
                        "source": owner.entry.source,
                        "file": owner.entry.document,
                        "line": owner.entry.line,
                        "run": owner.run,
                        "revision": owner.revision,
                    })
                })
                .collect();
            let last = field.last.as_ref().map(|last| {
                json!({
                    "run": last.change.run,
                    "at": iso(last.change.at),
                    "by": last.change.actor,
                    "source": last.source,
                    "revision": last.revision,
                })
            });
            let value = match &field.value {
                Shown::Nothing => Value::Null,
                Shown::Secret | Shown::Generated => json!({ "secret": true }),
                Shown::Json(value) => value.clone(),
                Shown::Objects(objects) => json!(objects),
            };
            json!({ "field": field.field, "value": value, "owners": owners, "last": last, "drifted": field.drifted })
        })
        .collect();
    json!({ "version": 1, "kind": "blame", "object": blame.object, "fields": fields })
}
