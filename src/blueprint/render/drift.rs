//! How present values differ from declared ones, in words: a plan read the other way round.

use super::{
    fields::{Row, RowChange, Rows, Sign},
    names::Names,
};
use crate::{
    blueprint::plan::{Action, FieldDiff, ObjectChange, Plan},
    model::Registry,
};

/// Longest value or line in characters.
const LONGEST: usize = 500;

/// One place at which a present value differs from the declared one. All texts are fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Field with the way into its value: `attributes.department`.
    pub path: String,
    /// `declared 1, now 2`.
    pub text: String,
    /// For texts of several lines, the lines with `-` for declared and `+` for present ones.
    pub lines: Vec<String>,
}

/// The differences in one field of an object that the plan would put back.
pub fn differences(plan: &Plan, registry: &Registry, change: &ObjectChange, diff: &FieldDiff) -> Vec<Difference> {
    let names = Names::of(plan, registry);
    let rows = Rows { registry, names: &names, longest: LONGEST };
    let turned = FieldDiff { before: diff.after.clone(), after: diff.before.clone(), ..diff.clone() };
    let turned = ObjectChange { action: Action::Update, fields: vec![turned], ..change.clone() };
    rows.of(&turned).into_iter().map(difference).collect()
}

/// What an object is called in a plan, without what is not to be printed.
pub fn shown_name(plan: &Plan, registry: &Registry, name: &str) -> String {
    Names::of(plan, registry).show(name)
}

fn difference(Row { path, change }: Row) -> Difference {
    let mut lines = Vec::new();
    let text = match change {
        RowChange::Value(text) => text,
        RowChange::Replaced { before, after } => format!("declared {before}, now {after}"),
        RowChange::Items { added, removed } => {
            let part = |word: &str, items: &[String]| match items {
                [] => None,
                items => Some(format!("{word} {}", items.join(", "))),
            };
            let parts = [part("lacks", &removed), part("has besides", &added)];
            parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
        RowChange::Text(all) => {
            let sign = |sign| match sign {
                Sign::Keep | Sign::Note => ' ',
                Sign::Add => '+',
                Sign::Remove => '-',
            };
            lines = all.into_iter().map(|line| format!("{} {}", sign(line.sign), line.text)).collect();
            "its lines differ".to_owned()
        }
    };
    Difference { path, text, lines }
}
