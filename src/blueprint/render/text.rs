//! The plan in a terminal.

use std::{collections::HashMap, fmt::Write};

use anstyle::{AnsiColor, Style};

use super::{
    escape::{thousands, visible},
    fields::{Row, RowChange, Rows, Sign},
    names::Names,
    places, reason_matters, summary_line, verb,
};
use crate::{
    blueprint::plan::{Action, ObjectChange, Plan},
    model::{KindIndex, Registry},
};

/// How many objects of one kind and action are listed unless everything is asked for.
const MANY: usize = 200;

/// Longest value or line in characters unless everything is asked for.
const LONGEST: usize = 500;

/// Widest column of names that places are lined up behind.
const NAME_COLUMN: usize = 56;

/// How a plan is written for a terminal.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// Whether control sequences for colour may be used.
    pub colour: bool,
    /// Columns of the terminal; what is longer than a line is laid out over several.
    pub width: usize,
    /// Lists every object, every value in full, and what deleted objects lose.
    pub verbose: bool,
}

/// Writes a plan for people: deletions first, then the other changes by kind in the order of the documents, each with
/// its fields. Ends with the [`summary_line`] and a line break.
pub fn text(plan: &Plan, registry: &Registry, options: &TextOptions) -> String {
    let names = Names::of(plan, registry);
    let longest = if options.verbose { usize::MAX } else { LONGEST };
    let rows = Rows { registry, names: &names, longest };
    let mut writer = Writer { out: String::new(), registry, names: &names, rows, options };
    writer.plan(plan);
    writer.out
}

/// Writes the fields of one change of a plan, each on a line or more, as [`text`] does.
pub fn fields(plan: &Plan, change: &ObjectChange, registry: &Registry, options: &TextOptions) -> String {
    let names = Names::of(plan, registry);
    let rows = Rows { registry, names: &names, longest: if options.verbose { usize::MAX } else { LONGEST } };
    let found = rows.of(change);
    let mut writer = Writer { out: String::new(), registry, names: &names, rows, options };
    found.iter().for_each(|row| writer.row(row));
    writer.out
}

struct Writer<'a> {
    out: String,
    registry: &'a Registry,
    names: &'a Names<'a>,
    rows: Rows<'a>,
    options: &'a TextOptions,
}

impl Writer<'_> {
    fn plan(&mut self, plan: &Plan) {
        let (deleted, others): (Vec<_>, Vec<_>) = plan.visible().partition(|change| change.action == Action::Delete);
        if deleted.is_empty() && others.is_empty() {
            self.out.push_str("No changes. Everything that is declared is as it should be.\n\n");
        }
        if !deleted.is_empty() {
            let objects = if deleted.len() == 1 { "object" } else { "objects" };
            let headline = format!("Deletes {} {objects}:", thousands(deleted.len()));
            self.line(0, &self.paint(look(Action::Delete), &headline));
            self.out.push('\n');
            self.kinds(&deleted);
            if !others.is_empty() {
                self.line(0, &self.paint(Style::new().bold(), "Creates and updates:"));
                self.out.push('\n');
            }
        }
        self.kinds(&others);
        self.line(0, &self.paint(Style::new().bold(), &summary_line(plan.counts(), false)));
    }

    fn kinds(&mut self, changes: &[&ObjectChange]) {
        let mut order: Vec<KindIndex> = Vec::new();
        let mut kinds: HashMap<KindIndex, Vec<&ObjectChange>> = HashMap::new();
        for change in changes {
            let group = kinds.entry(change.kind).or_default();
            if group.is_empty() {
                order.push(change.kind);
            }
            group.push(change);
        }
        for kind in order {
            let info = self.registry.get(kind);
            let (title, name) = (self.paint(Style::new().bold(), info.title), self.paint(quiet(), info.name));
            self.line(0, &format!("{title}  {name}"));
            self.objects(&kinds[&kind]);
            self.out.push('\n');
        }
    }

    fn objects(&mut self, changes: &[&ObjectChange]) {
        let mut left_out: Vec<(Action, usize)> = Vec::new();
        let mut shown: Vec<(&ObjectChange, String)> = Vec::new();
        for action in [Action::Delete, Action::Create, Action::Update] {
            let all = changes.iter().filter(|change| change.action == action).count();
            if all > MANY && !self.options.verbose {
                left_out.push((action, all - MANY));
            }
        }
        let mut seen: HashMap<&'static str, usize> = HashMap::new();
        for change in changes {
            let count = seen.entry(change.action.symbol()).or_default();
            *count += 1;
            if *count <= MANY || self.options.verbose {
                shown.push((change, self.name(change)));
            }
        }
        let widths = shown.iter().map(|(_, name)| name.chars().count()).filter(|width| *width <= NAME_COLUMN);
        let column = widths.max().unwrap_or_default();
        for (change, name) in &shown {
            self.object(change, name, column);
        }
        for (action, count) in left_out {
            let text = format!("… and {} more to {} (use --verbose to see all)", thousands(count), verb(action));
            self.line(2, &self.paint(quiet(), &text));
        }
    }

    fn name(&self, change: &ObjectChange) -> String {
        let name = self.names.show(&change.object.name);
        match self.names.renamed(change) {
            Some(old) => format!("{} → {name}", visible(old)),
            None => name,
        }
    }

    fn object(&mut self, change: &ObjectChange, name: &str, column: usize) {
        let sign = self.paint(look(change.action), change.action.symbol());
        let loud = change.action == Action::Delete;
        let mut line = format!("{sign} {}", if loud { self.paint(look(change.action), name) } else { name.to_owned() });
        let mut aside: Vec<String> = Vec::new();
        if !change.places.is_empty() {
            aside.push(places(&change.places));
        }
        if reason_matters(change) {
            aside.push(visible(&self.names.reason(&change.reason)));
        }
        if !aside.is_empty() {
            let gap = " ".repeat(column.saturating_sub(name.chars().count()));
            let _ = write!(line, "{gap}   {}", self.paint(quiet(), &aside.join("  ")));
        }
        self.line(2, &line);
        if change.action != Action::Delete || self.options.verbose {
            for row in self.rows.of(change) {
                self.row(&row);
            }
        }
    }

    fn row(&mut self, row: &Row) {
        let path = &row.path;
        let fits = |text: &str| 6 + text.chars().count() <= self.options.width;
        match &row.change {
            RowChange::Value(value) => self.line(6, &format!("{path}: {value}")),
            RowChange::Replaced { before, after } => {
                let line = format!("{path}: {before} → {after}");
                if fits(&line) {
                    self.line(6, &line);
                } else {
                    self.line(6, &format!("{path}:"));
                    self.signed(Sign::Remove, before);
                    self.signed(Sign::Add, after);
                }
            }
            RowChange::Items { added, removed } => {
                let signed = |sign: &'static str, items: &[String]| {
                    items.iter().map(|item| format!("{sign} {item}")).collect::<Vec<_>>()
                };
                let items = [signed("+", added), signed("-", removed)].concat();
                if fits(&format!("{path}: {}", items.join("  "))) {
                    let painted = [(Sign::Add, added), (Sign::Remove, removed)].map(|(sign, items)| {
                        items.iter().map(|item| self.paint_signed(sign, item)).collect::<Vec<_>>()
                    });
                    self.line(6, &format!("{path}: {}", painted.concat().join("  ")));
                } else {
                    self.line(6, &format!("{path}:"));
                    for item in added {
                        self.signed(Sign::Add, item);
                    }
                    for item in removed {
                        self.signed(Sign::Remove, item);
                    }
                }
            }
            RowChange::Text(lines) => {
                self.line(6, &format!("{path}:"));
                for line in lines {
                    self.signed(line.sign, &line.text);
                }
            }
        }
    }

    fn signed(&mut self, sign: Sign, text: &str) {
        let line = self.paint_signed(sign, text);
        self.line(8, &line);
    }

    fn paint_signed(&self, sign: Sign, text: &str) -> String {
        match sign {
            Sign::Add => self.paint(AnsiColor::Green.on_default(), &format!("+ {text}")),
            Sign::Remove => self.paint(AnsiColor::Red.on_default(), &format!("- {text}")),
            Sign::Keep => format!("  {text}"),
            Sign::Note => self.paint(quiet(), text),
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.out, "{}", format!("{:indent$}{text}", "").trim_end());
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.options.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

fn look(action: Action) -> Style {
    match action {
        Action::Create => AnsiColor::Green.on_default(),
        Action::Update => AnsiColor::Yellow.on_default(),
        Action::Delete => AnsiColor::Red.on_default().bold(),
    }
}

fn quiet() -> Style {
    Style::new().dimmed()
}
