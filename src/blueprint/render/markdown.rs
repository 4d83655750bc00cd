//! The plan as a comment of a pull request: GitHub, GitLab and Forgejo flavoured.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use uuid::Uuid;

use super::{
    escape::{code, fence, html, prose, thousands},
    fields::{Row, RowChange, Rows, Sign, TextLine},
    flow_picture::{Look, picture},
    homes::{Homes, flows_of},
    names::Names,
    places, reason_matters, verb,
};
use crate::{
    base::text::shorten,
    blueprint::plan::{Action, Counts, ObjectChange, Plan, label},
    model::{KindIndex, Model, Registry},
};

/// First line of every comment, by which a later run finds it to edit it in place.
pub const MARKER: &str = "<!-- gatewright:plan -->";

/// Longest value in characters.
const LONGEST: usize = 300;

/// Longest name in characters.
const LONGEST_NAME: usize = 120;

/// Longest warning in characters.
const LONGEST_WARNING: usize = 600;

/// Longest picture in bytes; larger ones are no help, and forges refuse to draw them.
const LONGEST_PICTURE: usize = 20_000;

/// How many rows the list of deletions has at most, and how many when space is short.
const DELETIONS: [usize; 3] = [200, 50, 10];

/// How many warnings are listed at most, and how many when space is short.
const WARNINGS: [usize; 3] = [100, 20, 5];

/// How many names a group lists whose details were left out.
const NAMES: usize = 50;

/// With so few changes in one group there is nothing to fold.
const FEW: usize = 5;

/// How a plan is written as a comment.
#[derive(Clone, Debug)]
pub struct MarkdownOptions {
    /// Begins the headline.
    pub title: String,
    /// Most bytes of the comment, and so most characters. The headline and the notes of what was left out (about a
    /// thousand bytes) are written whatever the limit is.
    pub limit: usize,
    /// What stands above everything else because it must not be overlooked, as Markdown.
    pub alert: String,
    /// Who gains and who loses access, as Markdown: in full, and shorter for when space is short.
    pub access: [String; 3],
    /// What the comparison was made from; none for a store, which is told by its revision. Names stand between backticks.
    pub origin: Option<String>,
}

impl Default for MarkdownOptions {
    fn default() -> Self {
        MarkdownOptions {
            title: "Gatewright plan".to_owned(),
            limit: 65_536,
            alert: String::new(),
            access: Default::default(),
            origin: None,
        }
    }
}

/// Writes a plan for the people who review a pull request: a headline with the counts, deletions loudly, then the
/// other changes folded by application, flow or kind, with a picture of each flow that changes, then the warnings.
///
/// `before` and `after` are the models that the plan leads from and to; they give the pictures and say what belongs
/// where. What does not fit into the limit is left out, largest parts first, and named.
pub fn markdown(
    plan: &Plan,
    before: &Model,
    after: &Model,
    registry: &Registry,
    warnings: &[String],
    options: &MarkdownOptions,
) -> String {
    let names = Names::of(plan, registry);
    let writer = Writer {
        plan,
        before,
        after,
        registry,
        names: &names,
        rows: Rows { registry, names: &names, longest: LONGEST },
        marks: plan.changes.iter().map(|change| (change.object.id, change.action)).collect(),
    };
    let mut comment = Comment {
        head: writer.head(&options.title),
        alert: options.alert.clone(),
        access: options.access.clone(),
        deletions: writer.deletions(),
        groups: writer.groups(),
        warnings: warnings.iter().map(|warning| warning_line(warning)).collect(),
        foot: writer.foot(options.origin.as_deref()),
        command: if options.origin.is_some() { "diff" } else { "plan" },
    };
    comment.fit(options.limit)
}

struct Writer<'a> {
    plan: &'a Plan,
    before: &'a Model,
    after: &'a Model,
    registry: &'a Registry,
    names: &'a Names<'a>,
    rows: Rows<'a>,
    marks: HashMap<Uuid, Action>,
}

/// What one group of changes is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    /// An application or a flow.
    Object(Uuid),
    /// What belongs to none or to several.
    Kind(KindIndex),
}

impl Writer<'_> {
    fn head(&self, title: &str) -> String {
        let counts = self.plan.counts();
        let Counts { create, update, delete, unchanged } = counts;
        let mut parts = Vec::new();
        for (count, word) in [(create, "to create"), (update, "to update"), (delete, "to delete")] {
            if count > 0 {
                parts.push(format!("{} {word}", thousands(count)));
            }
        }
        if parts.is_empty() {
            parts.push("no changes".to_owned());
        }
        parts.push(format!("{} unchanged", thousands(unchanged)));
        let renamed = self.plan.visible().filter(|change| self.names.renamed(change).is_some()).count();
        let renamed = if renamed > 0 { format!(" ({} renamed)", thousands(renamed)) } else { String::new() };
        format!("{MARKER}\n## {}: {}{renamed}\n", prose(&shorten(title, LONGEST_NAME)), parts.join(", "))
    }

    fn foot(&self, origin: Option<&str>) -> String {
        if let Some(origin) = origin {
            return format!("\n<sub>{}</sub>\n", prose(origin));
        }
        if self.plan.is_empty() {
            return "\nEverything that is declared is as it should be.\n".to_owned();
        }
        format!(
            "\n<sub>Planned for revision {} of the store. Applying refuses if what the plan touches has changed since.</sub>\n",
            self.plan.revision
        )
    }

    /// Name of an object as code.
    fn name(&self, name: &str) -> String {
        code(&shorten(&self.names.show(name), LONGEST_NAME))
    }

    fn deletions(&self) -> Vec<String> {
        let deleted = self.plan.visible().filter(|change| change.action == Action::Delete);
        deleted
            .map(|change| {
                let kind = self.registry.get(change.kind).title;
                let why = if reason_matters(change) || change.places.is_empty() {
                    prose(&self.names.reason(&change.reason))
                } else {
                    code(&places(&change.places))
                };
                format!("| {kind} | {} | {why} |\n", self.name(&change.object.name))
            })
            .collect()
    }

    /// The changes by subject, in the order in which the plan first touches each.
    fn groups(&self) -> Vec<Group> {
        let mut homes = Homes::new(self.before, self.after);
        let mut order: Vec<Subject> = Vec::new();
        let mut changes: HashMap<Subject, Vec<&ObjectChange>> = HashMap::new();
        let mut affected: HashSet<Uuid> = HashSet::new();
        let mut flows: Vec<Uuid> = Vec::new();
        for change in self.plan.visible() {
            let subject = match homes.of(change.object.id) {
                Some(home) => Subject::Object(home),
                None => Subject::Kind(change.kind),
            };
            changes.entry(subject).or_insert_with(|| {
                order.push(subject);
                Vec::new()
            });
            changes.entry(subject).or_default().push(change);
            for model in [self.before, self.after] {
                for flow in flows_of(model, change.object.id) {
                    if affected.insert(flow) {
                        flows.push(flow);
                    }
                }
            }
        }
        for flow in flows {
            let subject = Subject::Object(flow);
            if !changes.contains_key(&subject) {
                order.push(subject);
            }
        }
        let only = order.len() == 1;
        let groups = order.into_iter().map(|subject| {
            let changes = changes.remove(&subject).unwrap_or_default();
            let pictures = match subject {
                Subject::Object(id) if affected.contains(&id) => self.pictures(id),
                _ => String::new(),
            };
            self.group(subject, &changes, pictures, only)
        });
        // A group of deletions only says nothing that their own table does not.
        groups.filter(|group| !group.details.is_empty() || !group.pictures.is_empty()).collect()
    }

    fn group(&self, subject: Subject, changes: &[&ObjectChange], pictures: String, only: bool) -> Group {
        let title = match subject {
            Subject::Kind(kind) => html(self.registry.get(kind).title),
            Subject::Object(id) => {
                let (kind, name) = self.known(id);
                format!("{} <code>{}</code>", html(kind), html(&shorten(&self.names.show(&name), LONGEST_NAME)))
            }
        };
        let count = |action| changes.iter().filter(|change| change.action == action).count();
        let counts: Vec<String> = [Action::Create, Action::Update, Action::Delete]
            .into_iter()
            .filter(|action| count(*action) > 0)
            .map(|action| format!("{} to {}", thousands(count(action)), verb(action)))
            .collect();
        let counts = if counts.is_empty() {
            "a stage or policy that it shares with others changes".to_owned()
        } else {
            counts.join(", ")
        };
        let shown = || changes.iter().filter(|change| change.action != Action::Delete);
        let mut list: String = shown().take(NAMES).map(|change| format!("* {}\n", self.heading(change))).collect();
        if shown().count() > NAMES {
            // Writing into a string cannot fail, here and below.
            let _ = writeln!(list, "* and {} more", thousands(shown().count() - NAMES));
        }
        Group {
            open: only && changes.len() <= FEW,
            summary: format!("{title}: {counts}"),
            details: shown().map(|change| self.object(change)).collect(),
            list,
            pictures,
            level: Level::Whole,
            with_pictures: true,
        }
    }

    /// Title of the kind and name of the object of an id.
    fn known(&self, id: Uuid) -> (&'static str, String) {
        let found =
            |model: &Model| model.known(id).map(|object| (self.registry.get(object.kind).title, label(model, object)));
        found(self.after).or_else(|| found(self.before)).unwrap_or(("Object", id.to_string()))
    }

    fn heading(&self, change: &ObjectChange) -> String {
        let kind = self.registry.get(change.kind).title;
        let name = self.name(&change.object.name);
        let name = match self.names.renamed(change) {
            Some(old) => format!("{} renamed to {name}", self.name(old)),
            None => name,
        };
        let verb = match change.action {
            Action::Create => "Create",
            Action::Update => "Update",
            Action::Delete => "Delete",
        };
        format!("**{verb} {kind}** {name}")
    }

    fn object(&self, change: &ObjectChange) -> String {
        let mut out = self.heading(change);
        let mut aside = Vec::new();
        if !change.places.is_empty() {
            aside.push(code(&places(&change.places)));
        }
        if reason_matters(change) {
            aside.push(prose(&self.names.reason(&change.reason)));
        }
        if !aside.is_empty() {
            let _ = write!(out, " · {}", aside.join(" · "));
        }
        out.push_str("\n\n");
        let rows = self.rows.of(change);
        let cells: Vec<&Row> = rows.iter().filter(|row| !matches!(row.change, RowChange::Text(_))).collect();
        if !cells.is_empty() {
            let created = change.action == Action::Create;
            out.push_str(if created {
                "| Field | Value |\n|:--|:--|\n"
            } else {
                "| Field | Before | After |\n|:--|:--|:--|\n"
            });
            for row in cells {
                let path = code(&row.path);
                let _ = match &row.change {
                    RowChange::Value(value) if created => writeln!(out, "| {path} | {} |", code(value)),
                    RowChange::Value(value) => writeln!(out, "| {path} | | {} |", code(value)),
                    RowChange::Replaced { before, after } => {
                        writeln!(out, "| {path} | {} | {} |", code(before), code(after))
                    }
                    RowChange::Items { added, removed } => {
                        writeln!(out, "| {path} | {} | {} |", items("−", removed), items("+", added))
                    }
                    RowChange::Text(_) => Ok(()),
                };
            }
            out.push('\n');
        }
        for row in &rows {
            if let RowChange::Text(lines) = &row.change {
                let _ = write!(out, "{}:\n\n{}\n", code(&row.path), block(lines, change.action));
            }
        }
        out
    }

    fn pictures(&self, flow: Uuid) -> String {
        let (old, new) = (self.before.known(flow).is_some(), self.after.known(flow).is_some());
        let both = old && new;
        let name = |text: &str| self.names.masked(text);
        // In a flow that is new or goes as a whole there is nothing to point out.
        let mark = |id: Uuid| if both { self.marks.get(&id).copied() } else { None };
        let look = Look { mark: &mark, name: &name };
        let unmarked = Look { mark: &|_| None, name: &name };
        let draw = |model: &Model, look: &Look<'_>| {
            let drawn = picture(model, flow, look);
            if drawn.len() > LONGEST_PICTURE {
                return "_The flow is too large for a picture._\n".to_owned();
            }
            format!("```mermaid\n{drawn}```\n")
        };
        if both && draw(self.before, &unmarked) == draw(self.after, &unmarked) {
            return format!("**The flow**, whose steps stay the same\n\n{}\n", draw(self.after, &look));
        }
        let mut out = String::new();
        for (there, model, word) in [(old, self.before, "Before"), (new, self.after, "After")] {
            if there {
                let _ = write!(out, "**{word}**\n\n{}\n", draw(model, &look));
            }
        }
        out
    }
}

/// A comment in parts of which some may be left out.
struct Comment {
    head: String,
    alert: String,
    access: [String; 3],
    deletions: Vec<String>,
    groups: Vec<Group>,
    warnings: Vec<String>,
    foot: String,
    /// The command that shows everything.
    command: &'static str,
}

/// One folded part.
struct Group {
    open: bool,
    /// HTML.
    summary: String,
    /// The changes with their fields.
    details: String,
    /// The changes only by name.
    list: String,
    pictures: String,
    level: Level,
    with_pictures: bool,
}

/// How much of a group is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Whole,
    Names,
    Nothing,
}

impl Group {
    fn text(&self) -> String {
        let mut out =
            format!("\n<details{}><summary>{}</summary>\n\n", if self.open { " open" } else { "" }, self.summary);
        match self.level {
            Level::Whole => out.push_str(&self.details),
            Level::Names => {
                let _ = write!(out, "{}\n_The fields are left out for lack of space._\n\n", self.list);
            }
            Level::Nothing => out.push_str("_Left out for lack of space._\n\n"),
        }
        if self.with_pictures {
            out.push_str(&self.pictures);
        } else if !self.pictures.is_empty() {
            out.push_str("_The picture is left out for lack of space._\n\n");
        }
        out.push_str("</details>\n");
        out
    }

    /// Length of the larger of the details and the pictures; names count only when they may go as well.
    fn largest(&self, names: bool) -> usize {
        let details = match self.level {
            Level::Whole => self.details.len(),
            Level::Names if names => self.list.len(),
            Level::Names | Level::Nothing => 0,
        };
        details.max(if self.with_pictures { self.pictures.len() } else { 0 })
    }

    fn shrink(&mut self, names: bool) {
        if self.with_pictures && self.pictures.len() == self.largest(names) {
            self.with_pictures = false;
        } else {
            // A list that is hardly shorter than the details would not help.
            self.level = match self.level {
                Level::Whole if self.list.len() + SMALL / 2 < self.details.len() => Level::Names,
                _ => Level::Nothing,
            };
        }
    }
}

/// Parts smaller than this cost as much to leave out as to write.
const SMALL: usize = 200;

impl Comment {
    /// The comment within a limit, leaving out whole parts and never cutting one.
    fn fit(&mut self, limit: usize) -> String {
        let mut lengths: Vec<usize> = self.groups.iter().map(|group| group.text().len()).collect();
        let mut shrunk = HashSet::new();
        // No group is shorter than this, so that more than these need not be tried.
        let (mut step, mut kept) = (0, self.groups.len().min(limit / 60));
        loop {
            let shortened = shrunk.iter().filter(|at| **at < kept).count();
            let (head, tail) = self.frame(step, shortened, kept, limit);
            let mut excess = (head.len() + tail.len() + lengths[..kept].iter().sum::<usize>()).saturating_sub(limit);
            let last = step + 1 == DELETIONS.len();
            if excess == 0 || (kept == 0 && last) {
                let groups: String = self.groups[..kept].iter().map(Group::text).collect();
                return format!("{head}{groups}{tail}");
            }
            // Lists of hundreds give way first, then the largest groups, then lists, then names, then whole groups.
            let long = self.access[0].len() > self.access[1].len() && self.access[0].len() > limit / 4;
            if step == 0 && (long || self.deletions.len() > DELETIONS[1] || self.warnings.len() > WARNINGS[1]) {
                step = 1;
                continue;
            }
            let mut progress = false;
            while excess > 0 {
                let size = |at: &usize| self.groups[*at].largest(last);
                let largest = (0..kept).max_by_key(|at| (size(at), usize::MAX - at));
                let Some(at) = largest.filter(|at| size(at) > SMALL) else { break };
                self.groups[at].shrink(last);
                let length = self.groups[at].text().len();
                excess = excess.saturating_sub(lengths[at].saturating_sub(length));
                lengths[at] = length;
                shrunk.insert(at);
                progress = true;
            }
            if progress {
                continue;
            }
            if !last {
                step += 1;
                continue;
            }
            while excess > 0 && kept > 0 {
                kept -= 1;
                excess = excess.saturating_sub(lengths[kept]);
            }
        }
    }

    /// What is before and behind the groups.
    fn frame(&self, step: usize, shrunk: usize, kept: usize, limit: usize) -> (String, String) {
        let mut before = self.head.clone();
        if !self.alert.is_empty() {
            let _ = writeln!(before, "\n{}", self.alert.trim_end());
        }
        if !self.deletions.is_empty() {
            let count = self.deletions.len();
            let objects = if count == 1 { "object" } else { "objects" };
            let _ = write!(
                before,
                "\n> [!CAUTION]\n> **This deletes {} {objects}.**\n\n| Kind | Object | Why |\n|:--|:--|:--|\n",
                thousands(count)
            );
            before.extend(self.deletions.iter().take(DELETIONS[step]).map(String::as_str));
            if count > DELETIONS[step] {
                let _ = writeln!(before, "\n**… and {} more deletions.**", thousands(count - DELETIONS[step]));
            }
        }
        if !self.access[step].is_empty() {
            let _ = writeln!(before, "\n{}", self.access[step].trim_end());
        }
        let mut behind = String::new();
        let gone = self.groups.len() - kept;
        if gone > 0 {
            let _ = writeln!(behind, "\n_… and {} more groups._", thousands(gone));
        }
        if !self.warnings.is_empty() {
            let _ = writeln!(behind, "\n### Warnings\n");
            behind.extend(self.warnings.iter().take(WARNINGS[step]).map(String::as_str));
            if self.warnings.len() > WARNINGS[step] {
                let _ = writeln!(behind, "* … and {} more warnings", thousands(self.warnings.len() - WARNINGS[step]));
            }
        }
        if shrunk + gone > 0 {
            let groups = if shrunk + gone == 1 { "group is" } else { "groups are" };
            let _ = writeln!(
                behind,
                "\n> [!NOTE]\n> {} {groups} shortened or left out to keep this comment within {} characters. `gatewright {}` shows everything.",
                thousands(shrunk + gone),
                thousands(limit),
                self.command
            );
        }
        behind.push_str(&self.foot);
        (before, behind)
    }
}

fn items(sign: &str, items: &[String]) -> String {
    items.iter().map(|item| format!("{sign} {}", code(item))).collect::<Vec<_>>().join("<br>")
}

/// Lines as a code block: coloured where some come and some go, plain for a text that is new as a whole.
fn block(lines: &[TextLine], action: Action) -> String {
    let whole = action == Action::Create;
    let mut text = String::new();
    for line in lines {
        let sign = match line.sign {
            _ if whole => "",
            Sign::Keep => " ",
            Sign::Add => "+",
            Sign::Remove => "-",
            Sign::Note => "",
        };
        let _ = writeln!(text, "{sign}{}", line.text);
    }
    let fence = fence(&text);
    format!("{fence}{}\n{text}{fence}\n", if whole { "" } else { "diff" })
}

fn warning_line(warning: &str) -> String {
    let words: Vec<&str> = warning.split_whitespace().collect();
    format!("* {}\n", prose(&shorten(&words.join(" "), LONGEST_WARNING)))
}
