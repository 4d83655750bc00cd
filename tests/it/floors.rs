//! The floors of the house hold: a module imports only floors below its own, siblings never import each other, and
//! the files of one floor do not go in circles.
//!
//! Every path of the source that begins with `crate`, `self` or `super` counts, in a `use` or anywhere else. Tests
//! inside the source (`#[cfg(test)]`) are exempt: the planner is tested with real kinds, which live above it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Ground first; those of one line are siblings.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["config"],
    &["model"],
    &["store"],
    &["blueprint"],
    &["identity"],
    &["expression"],
    &["policies"],
    &["flows"],
    &["stages"],
    &["sources", "providers", "outposts"],
    &["reconcile", "tasks"],
    &["registry"],
    &["api", "web"],
    &["cli"],
];

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|siblings| siblings.contains(&name))
}

/// A module: the names from the crate root down to it.
type Module = Vec<String>;

/// One source file with the paths that it mentions.
struct Source {
    file: PathBuf,
    module: Module,
    /// Absolute paths with the line of each.
    paths: Vec<(usize, Module)>,
}

#[test]
fn every_import_goes_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        // The crate root declares the floors, and imports nothing.
        let Some(own) = source.module.first() else { continue };
        let Some(rank) = floor(own) else {
            wrong.push(format!("{}: `{own}` is no floor; add it to tests/it/floors.rs", source.file.display()));
            continue;
        };
        for (line, path) in &source.paths {
            let Some(target) = path.first().filter(|target| *target != own) else { continue };
            let place = format!("{}:{line}", source.file.display());
            match floor(target) {
                None => wrong.push(format!("{place}: `{}` is on no floor", path.join("::"))),
                Some(at) if at == rank => wrong.push(format!("{place}: `{own}` imports its sibling `{target}`")),
                Some(at) if at > rank => wrong.push(format!("{place}: `{own}` imports `{target}` from above it")),
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "imports that leave their floor:\n{}", wrong.join("\n"));
}

#[test]
fn files_of_a_floor_do_not_go_in_circles() {
    let sources = sources();
    let modules: BTreeSet<&Module> = sources.iter().map(|source| &source.module).collect();
    // The file that a path leads into: the longest module that it begins with.
    let file_of = |path: &Module| {
        let length = (1..=path.len()).rev().find(|length| modules.contains(&path[..*length].to_vec()))?;
        Some(path[..length].to_vec())
    };
    let mut edges: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
    for source in &sources {
        for target in source.paths.iter().filter_map(|(_, path)| file_of(path)) {
            // A module and what is inside it are one thing, and know each other.
            let related = target.starts_with(&source.module) || source.module.starts_with(&target);
            if !related && target.first() == source.module.first() {
                edges.entry(&source.module).or_default().insert(target);
            }
        }
    }
    let circles: BTreeSet<Vec<String>> = edges.keys().filter_map(|start| circle(start, &edges)).collect();
    let circles: Vec<String> = circles.iter().map(|circle| circle.join(" → ")).collect();
    assert!(circles.is_empty(), "modules that import each other:\n{}", circles.join("\n"));
}

/// The shortest way from a module back to itself, beginning with the first name in order, so that every circle is
/// told once.
fn circle(start: &Module, edges: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in way.last().and_then(|last| edges.get(*last)).into_iter().flatten() {
                if next == start {
                    let first = (0..way.len()).min_by_key(|at| way[*at]).unwrap_or_default();
                    let way = way[first..].iter().chain(&way[..=first]);
                    return Some(way.map(|module| module.join("::")).collect());
                }
                if seen.insert(next) {
                    longer.push(way.iter().copied().chain([next]).collect());
                }
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn the_reader_sees_every_form_of_path() {
    let text = r##"
        //! See [`crate::comment`].
        use crate::{a::{self, b}, c as d, e::*};
        pub(crate) use super::f;
        /* crate::g /* nested */ crate::g */
        fn x<'a>(s: &'a str) -> crate::h::I<'a> { self::j::k("crate::l", '"', r#"crate::"m"#, '\'') }
        macro_rules! n { () => { $crate::o::p!() } }
        mod inner { use super::q; use super::super::r; }
        #[cfg(test)]
        mod tests { use crate::s; fn t() { if true { crate::u() } } }
        #[cfg(test)]
        mod far_tests;
        pub(in crate::v) struct W;
    "##;
    let (paths, test_files) = read(text, &["floor".to_owned(), "file".to_owned()]);
    let paths: Vec<String> = paths.into_iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
    let expected = [
        "3 a",
        "3 a::b",
        "3 c",
        "3 e",
        "4 floor::f",
        "6 h::I",
        "6 floor::file::j::k",
        "7 o::p",
        "8 floor::file::q",
        "8 floor::r",
        "13 v",
    ];
    assert_eq!(paths, expected);
    assert_eq!(test_files, ["far_tests"]);
}

/// Reads all of `src/` but the binary and the files that are only compiled for tests.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut sources = Vec::new();
    let mut tests = BTreeSet::new();
    for path in files {
        let file = path.strip_prefix(&root).expect("found below src").to_path_buf();
        let mut module: Module = file.with_extension("").iter().map(|name| name.to_string_lossy().into()).collect();
        match module.last().map(String::as_str) {
            Some("main") if module.len() == 1 => continue,
            Some("lib") if module.len() == 1 => module.clear(),
            Some("mod") => drop(module.pop()),
            _ => {}
        }
        let (paths, test_files) = read(&fs::read_to_string(&path).expect("source is text"), &module);
        tests.extend(test_files.into_iter().map(|name| [module.clone(), vec![name]].concat()));
        sources.push(Source { file: Path::new("src").join(file), module, paths });
    }
    assert!(sources.len() > 10, "the source is not where this test looks for it");
    sources.retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
    sources
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("src/ can be read") {
        let path = entry.expect("src/ can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The paths of a file as absolute ones, and the names of its modules that only tests have.
fn read(text: &str, module: &[String]) -> (Vec<(usize, Module)>, Vec<String>) {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |(_, token)| token.as_str());
    let matches = |at: usize, words: &[&str]| words.iter().enumerate().all(|(n, expected)| word(at + n) == *expected);
    let (mut paths, mut tests) = (Vec::new(), Vec::new());
    // Inline modules that are open, each with the depth of braces outside it.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        if matches(at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at += 7;
            while !matches!(word(at), "mod" | "{" | ";" | "") {
                at += 1;
            }
            if word(at) == "mod" && word(at + 2) == ";" {
                tests.push(word(at + 1).to_owned());
            }
            let mut open = 0;
            while at < tokens.len() {
                match word(at) {
                    "{" => open += 1,
                    "}" => open -= 1,
                    _ => {}
                }
                if open == 0 && matches!(word(at), "}" | ";") {
                    break;
                }
                at += 1;
            }
            at += 1;
            continue;
        }
        match word(at) {
            "mod" if word(at + 2) == "{" => {
                inline.push((word(at + 1).to_owned(), depth));
                at += 1;
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|(_, outside)| *outside == depth);
            }
            start @ ("crate" | "self" | "super") if word(at + 1) == "::" => {
                let mut base: Module = match start {
                    "crate" => Vec::new(),
                    _ => module.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect(),
                };
                while word(at + 1) == "::" && matches!(word(at), "super" | "self" | "crate") {
                    if word(at) == "super" {
                        base.pop();
                    }
                    at += 2;
                }
                tree(&tokens, &mut at, &base, &mut paths);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    (paths, tests)
}

/// Reads what follows `prefix::`: a name, a longer path, or a group in braces. Leaves `at` behind it.
fn tree(tokens: &[(usize, String)], at: &mut usize, prefix: &[String], paths: &mut Vec<(usize, Module)>) {
    let Some((line, token)) = tokens.get(*at) else { return };
    *at += 1;
    match token.as_str() {
        "{" => loop {
            match tokens.get(*at).map(|(_, token)| token.as_str()) {
                None => return,
                Some("}") => {
                    *at += 1;
                    return;
                }
                Some(",") => *at += 1,
                Some("as") => *at += 2,
                Some(_) => tree(tokens, at, prefix, paths),
            }
        },
        "self" | "*" => paths.push((*line, prefix.to_vec())),
        name => {
            let longer = [prefix, &[name.to_owned()]].concat();
            let next = |n: usize| tokens.get(*at + n).map_or("", |(_, token)| token.as_str());
            // A turbofish ends the part of a path that names modules.
            let goes_on = next(0) == "::" && (next(1) == "{" || next(1) == "*" || is_word(next(1)));
            if goes_on {
                *at += 1;
                tree(tokens, at, &longer, paths);
            } else {
                paths.push((*line, longer));
            }
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::` and single signs with their lines; comments and literals are left out.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let is = |at: usize, expected: char| chars.get(at) == Some(&expected);
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let start = at;
        match chars[at] {
            '/' if is(at + 1, '/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if is(at + 1, '*') => {
                let mut open = 0;
                loop {
                    if is(at, '/') && is(at + 1, '*') {
                        open += 1;
                        at += 2;
                    } else if is(at, '*') && is(at + 1, '/') {
                        open -= 1;
                        at += 2;
                    } else {
                        at += 1;
                    }
                    if open == 0 || at >= chars.len() {
                        break;
                    }
                }
            }
            '"' => at = quoted(&chars, at, '"'),
            // A lifetime has no closing quote behind its first character.
            '\'' if is(at + 1, '\\') || is(at + 2, '\'') => at = quoted(&chars, at, '\''),
            'r' if is(at + 1, '"') || (is(at + 1, '#') && (is(at + 2, '"') || is(at + 2, '#'))) => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                at += hashes + 2;
                let closes = |at: usize| is(at, '"') && (1..=hashes).all(|n| is(at + n, '#'));
                while at < chars.len() && !closes(at) {
                    at += 1;
                }
                at += hashes + 1;
            }
            c if c.is_alphanumeric() || c == '_' => {
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                // `br"…"` is a raw string too: step back so that its `r` opens it.
                if word == "br" && (is(at, '"') || is(at, '#')) {
                    at -= 1;
                } else {
                    tokens.push((line, word));
                }
            }
            ':' if is(at + 1, ':') => {
                tokens.push((line, "::".into()));
                at += 2;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((line, c.into()));
                }
                at += 1;
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// The end of a literal that begins at `at`.
fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}
