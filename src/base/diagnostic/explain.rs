//! The catalogue of codes as text: one entry for the terminal, the whole of it for `docs/errors.md`.

use std::fmt::Write;

use super::Code;

/// Columns that an explanation is wrapped at.
const WIDTH: usize = 100;

/// The hundreds of the code numbers and what they are about.
const GROUPS: &[(&str, &str)] = &[
    ("GW00", "Files and YAML"),
    ("GW01", "Documents and entries"),
    ("GW02", "Tags"),
    ("GW03", "Kinds and attributes"),
    ("GW04", "Planning"),
    ("GW05", "Applying"),
    ("GW06", "Export and migration"),
];

/// What a code means and what to do about it, wrapped for a terminal, ending with a line break.
pub fn explain(code: Code) -> String {
    let info = code.info();
    let mut out = format!("{}[{}]: {}\n\n", info.severity, info.name, info.title);
    for paragraph in info.explanation.split('\n') {
        wrap(paragraph, &mut out);
    }
    out
}

/// Breaks a paragraph between words. A word wider than the line stays whole, so that it can be copied.
fn wrap(paragraph: &str, out: &mut String) {
    let mut column = 0;
    for word in paragraph.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
}

/// The text of `docs/errors.md`: every code by group and number.
pub fn index_markdown() -> String {
    let mut out = String::from(
        "# Diagnostic codes\n\n\
         Every finding about a blueprint or a configuration carries one of these codes. A code keeps its meaning for\n\
         good; the wording of a message may change. `gatewright explain CODE` prints an entry in the terminal.\n\n\
         This page is generated from the catalogue in `src/base/diagnostic/codes.rs`; after a change there, run\n\
         `GATEWRIGHT_UPDATE=1 cargo test --lib errors_page`.\n",
    );
    let mut codes: Vec<_> = Code::all().map(Code::info).collect();
    codes.sort_by_key(|info| info.name);
    let mut group = "";
    for info in codes {
        let hundred = info.name.get(..4).unwrap_or(info.name);
        // Writing into a string cannot fail, here and below.
        if hundred != group {
            group = hundred;
            let title = GROUPS.iter().find(|(prefix, _)| *prefix == hundred).map_or("Others", |(_, title)| title);
            let _ = write!(out, "\n## {title} ({hundred}xx)\n");
        }
        let (name, severity, title) = (info.name, info.severity, info.title);
        let _ = write!(out, "\n### {name}: {}\n\n*{severity}.* {}\n", escape(title), escape(info.explanation));
    }
    out
}

/// Keeps characters that Markdown would read as markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_wrapped_and_complete() {
        let text = explain(Code::FILE_OUTSIDE);
        assert!(text.starts_with("error[GW0004]: a path leads out of its folder\n\nA symlink or a path"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH) && text.lines().count() == 4, "{text}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(words(&text).ends_with(&words(Code::FILE_OUTSIDE.info().explanation)));
    }

    #[test]
    fn the_catalogue_keeps_its_rules() {
        let mut names: Vec<&str> = Code::all().map(|code| code.info().name).collect();
        for code in Code::all() {
            let info = code.info();
            assert!(
                info.name.strip_prefix("GW").is_some_and(|n| n.len() == 4 && n.bytes().all(|b| b.is_ascii_digit())),
                "{code} is not GW and four digits"
            );
            assert!(GROUPS.iter().any(|(prefix, _)| info.name.starts_with(prefix)), "{code} is in no group");
            assert!(!info.title.ends_with('.') && info.explanation.ends_with('.'), "{code}: punctuation");
            assert_eq!(Code::find(&info.name.to_lowercase()), Some(code), "{code} is not found by its name");
        }
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a code is used twice");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "this floor is below the one that knows the environment")]
    fn the_errors_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
        if std::env::var_os("GATEWRIGHT_UPDATE").is_some_and(|value| value == "1") {
            std::fs::write(path, index_markdown()).expect("docs/ can be written");
        }
        let committed = std::fs::read_to_string(path).expect("docs/errors.md exists");
        assert!(
            committed == index_markdown(),
            "docs/errors.md is stale; run: GATEWRIGHT_UPDATE=1 cargo test --lib errors_page"
        );
    }
}
