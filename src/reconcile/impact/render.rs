//! The report as people read it: on a terminal, and in a pull request.

use std::fmt::Write;

use super::{Access, Accounts, Dependency, Existence, Impact, PeopleList, TargetImpact};
use crate::{
    base::text::shorten,
    blueprint::render::escape::{code, prose, thousands, visible},
};

/// Longest name in characters.
const LONGEST_NAME: usize = 120;

/// How many reasons are given for one person's access.
const REASONS: usize = 3;

/// Room kept for saying what was left out, in bytes.
const RESERVE: usize = 200;

/// Writes a report for a terminal; empty when nobody's access changes.
pub fn render_text(impact: &Impact) -> String {
    let mut out = String::new();
    for target in &impact.targets {
        // Writing into a string cannot fail, here and below.
        let _ = writeln!(out, "{}", visible(&headline(target)));
        for (list, sign) in lists(target) {
            for person in &list.people {
                let _ = write!(out, "  {sign} {}", visible(&shorten(&person.name, LONGEST_NAME)));
                let why = [(&person.before, "before"), (&person.after, "after")].map(|(side, word)| {
                    let reasons = reasons(&side.reasons);
                    if reasons.is_empty() { String::new() } else { format!("{word}: {reasons}") }
                });
                let why: Vec<String> = why.into_iter().filter(|text| !text.is_empty()).collect();
                let _ = writeln!(out, " ({})", visible(&why.join("; ")));
            }
            if list.count > list.people.len() {
                let _ = writeln!(out, "  {sign} and {} more", thousands(list.count - list.people.len()));
            }
        }
        for note in notes(target) {
            let _ = writeln!(out, "  ! {}", visible(&note));
        }
    }
    for (words, names) in accounts(&impact.accounts) {
        let _ = writeln!(out, "{words}: {}", visible(&names));
    }
    out
}

/// Writes a report for a pull request, at most `limit` bytes long, so that it fits beside the plan; empty when nobody's
/// access changes. What does not fit is left out and counted: first the lists of people, then whole targets. The notes
/// that say so (about 200 bytes) are written whatever the limit is.
pub fn render_markdown(impact: &Impact, limit: usize) -> String {
    let accounts: String =
        accounts(&impact.accounts).iter().map(|(words, names)| format!("{words}: {}\n\n", prose(names))).collect();
    if impact.targets.is_empty() && accounts.is_empty() {
        return String::new();
    }
    let head = "### Who gains and who loses access\n\n";
    let whole: String = impact.targets.iter().map(|target| section(target, true)).collect();
    if head.len() + whole.len() + accounts.len() <= limit {
        return format!("{head}{whole}{accounts}");
    }
    let mut out = head.to_owned();
    let mut left_out = 0;
    for target in &impact.targets {
        let section = section(target, false);
        if out.len() + section.len() + RESERVE <= limit {
            out.push_str(&section);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let _ = write!(out, "_{} more are left out for lack of space._\n\n", thousands(left_out));
    }
    out.push_str("_The names are left out for lack of space._\n\n");
    if out.len() + accounts.len() <= limit {
        out.push_str(&accounts);
    }
    out
}

fn section(target: &TargetImpact, whole: bool) -> String {
    let headline = headline(target);
    // A number at the beginning is no list here, as it stands behind the asterisks.
    let (count, rest) = headline.split_at(headline.find(|letter: char| !letter.is_ascii_digit()).unwrap_or_default());
    let mut out = format!("**{count}{}**\n\n", prose(rest));
    for note in notes(target) {
        let _ = write!(out, "* {}\n\n", prose(&note));
    }
    if !whole {
        return out;
    }
    for (list, sign) in lists(target) {
        if list.people.is_empty() {
            continue;
        }
        let (one, many) = match sign {
            '+' => ("user gains access", "users gain access"),
            '-' => ("user loses access", "users lose access"),
            '?' => ("user depends on a policy from now on", "users depend on a policy from now on"),
            _ => ("user depends on a policy no longer", "users depend on a policy no longer"),
        };
        let _ = write!(
            out,
            "<details><summary>{}</summary>\n\n| User | Before | After |\n|:--|:--|:--|\n",
            counted(list.count, one, many)
        );
        for person in &list.people {
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                code(&shorten(&person.name, LONGEST_NAME)),
                prose(&reasons(&person.before.reasons)),
                prose(&reasons(&person.after.reasons))
            );
        }
        if list.count > list.people.len() {
            let _ = writeln!(out, "| and {} more | | |", thousands(list.count - list.people.len()));
        }
        out.push_str("\n</details>\n\n");
    }
    out
}

/// One sentence about a target.
fn headline(target: &TargetImpact) -> String {
    let title = target.title.to_lowercase();
    // The name need not be unique, so the slug is shown where it says more.
    let same = target.name.eq_ignore_ascii_case(&target.slug) || target.slug.is_empty();
    let named = |name: &str| format!("`{}`", shorten(name, LONGEST_NAME).replace('`', "'"));
    let mut name = named(&target.name);
    if !same {
        name = format!("{name} ({})", named(&target.slug));
    }
    match (target.existence, target.before, target.after) {
        (Existence::Created, _, Some(after)) => format!("New {title} {name}, {}", extent(after)),
        (Existence::Deleted, Some(before), _) => format!("Deleted {title} {name}, which was {}", extent(before)),
        (_, before, after) => {
            let mut parts = Vec::new();
            let mut add = |list: &PeopleList, one: &str, many: &str| {
                if list.count > 0 {
                    let counted = match parts.is_empty() {
                        true => counted(list.count, "user", "users"),
                        false => thousands(list.count),
                    };
                    parts.push(format!("{counted} {}", if list.count == 1 { one } else { many }));
                }
            };
            add(&target.gains, "gains", "gain");
            add(&target.loses, "loses", "lose");
            let certain = !parts.is_empty();
            let mut add = |list: &PeopleList, words: &str| {
                if list.count > 0 {
                    parts.push(format!("{} {words}", counted(list.count, "user", "users")));
                }
            };
            add(&target.begins_to_depend, "from now on with a policy's consent only");
            add(&target.ceases_to_depend, "no longer dependent on a policy");
            let now = match (before, after) {
                (Some(before), Some(after)) if before.allowed != after.allowed => {
                    format!(
                        " ({} of {} users instead of {})",
                        thousands(after.allowed),
                        thousands(after.users),
                        thousands(before.allowed)
                    )
                }
                _ => String::new(),
            };
            match (certain, parts.len()) {
                (_, 0) => format!("The policies of {title} {name} change"),
                (true, 1 | 2) if target.begins_to_depend.count + target.ceases_to_depend.count == 0 => {
                    format!("{} access to {title} {name}{now}", parts.join(", "))
                }
                _ => format!("Access to {title} {name}: {}{now}", parts.join(", ")),
            }
        }
    }
}

fn extent(access: Access) -> String {
    let (allowed, users) = (thousands(access.allowed), thousands(access.users));
    match (access.open, access.depends) {
        (true, _) => format!("open to all {users} users"),
        (false, 0) => format!("open to {allowed} of {users} users"),
        (false, depends) => {
            format!("open to {allowed} of {users} users, and depending on policies for {}", thousands(depends))
        }
    }
}

/// What a reader must know about what was not evaluated.
fn notes(target: &TargetImpact) -> Vec<String> {
    let mut notes = Vec::new();
    let dependency = |policy: &Dependency| {
        let name = shorten(&policy.name, LONGEST_NAME).replace('`', "'");
        let state = match (policy.before, policy.after, policy.changes) {
            (true, true, true) => " (changes)",
            (false, true, _) => " (from now on)",
            (true, false, _) => " (no longer)",
            _ => "",
        };
        format!("`{name}`{state}")
    };
    if !target.depends_on.is_empty() {
        let names: Vec<String> = target.depends_on.iter().map(dependency).collect();
        notes.push(format!("not evaluated, because a request or an expression decides: {}", names.join(", ")));
    }
    if target.still_depends > 0 {
        let counted = counted(target.still_depends, "user has", "users have");
        notes.push(format!("{counted} access that depends on such a policy before and after"));
    }
    notes
}

fn lists(target: &TargetImpact) -> [(&PeopleList, char); 4] {
    [(&target.loses, '-'), (&target.gains, '+'), (&target.begins_to_depend, '?'), (&target.ceases_to_depend, '=')]
}

fn accounts(accounts: &Accounts) -> Vec<(&'static str, String)> {
    let lists = [
        ("New accounts", &accounts.created),
        ("Deleted accounts", &accounts.deleted),
        ("Accounts that become active", &accounts.enabled),
        ("Accounts that become inactive", &accounts.disabled),
    ];
    let shown = lists.into_iter().filter(|(_, list)| list.count > 0).map(|(words, list)| {
        let mut names: Vec<String> =
            list.names.iter().map(|name| format!("`{}`", shorten(name, LONGEST_NAME).replace('`', "'"))).collect();
        if list.count > names.len() {
            names.push(format!("and {} more", thousands(list.count - names.len())));
        }
        (words, names.join(", "))
    });
    shown.collect()
}

fn reasons(reasons: &[String]) -> String {
    let mut shown: Vec<String> = reasons.iter().take(REASONS).cloned().collect();
    if reasons.len() > REASONS {
        shown.push(format!("and {} more", reasons.len() - REASONS));
    }
    shown.join(", ")
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}
