//! Changes of files as patches that `git apply` takes.

use similar::TextDiff;

use super::super::settings::{Origin, Settings};
use crate::{base::diagnostic::FileId, blueprint::load::Loaded};

/// The path of a file in its repository.
pub fn path(settings: &Settings, path: &str) -> String {
    match &settings.origin {
        Origin::Directory { selection, .. } | Origin::Git { selection, .. } if !selection.folder.is_empty() => {
            format!("{}/{path}", selection.folder)
        }
        _ => path.to_owned(),
    }
}

/// Lines around a change.
const CONTEXT: usize = 3;

/// A unified diff with the header that git writes.
pub fn unified(path: &str, before: &str, after: &str) -> String {
    let (old, new) = (quoted(&format!("a/{path}")), quoted(&format!("b/{path}")));
    // A name with blanks ends at a tab.
    let end = if path.contains(' ') { "\t" } else { "" };
    let diff = TextDiff::from_lines(before, after);
    let mut unified = diff.unified_diff();
    format!("diff --git {old} {new}\n--- {old}{end}\n+++ {new}{end}\n{}", unified.context_radius(CONTEXT))
}

/// A path as git writes it in a patch.
fn quoted(path: &str) -> String {
    if !path.chars().any(|letter| letter.is_control() || matches!(letter, '"' | '\\')) {
        return path.to_owned();
    }
    let mut out = String::from("\"");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            0x20..=0x7e => out.push(char::from(byte)),
            byte => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}

/// Whether a patch would show a secret that stands near a change.
pub fn shows_secret(loaded: &Loaded, file: FileId, before: &str, after: &str) -> bool {
    let masked = loaded.sources.masked(file);
    let hidden: Vec<bool> = before.lines().zip(masked.lines()).map(|(plain, masked)| plain != masked).collect();
    let diff = TextDiff::from_lines(before, after);
    let lines = diff.grouped_ops(CONTEXT);
    let mut shown = lines.iter().flatten().flat_map(|op| op.old_range());
    shown.any(|line| hidden.get(line).copied().unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::unified;

    #[test]
    fn git_takes_patches_of_files_with_any_name_and_ending() {
        for path in ["plain.yaml", "deep/er/two words.yaml", "quo\"te.yaml", "größe.yaml", "tab\there.yaml"] {
            for (before, after) in
                [("a: 1\nb: 2", "a: 1\nb: 3"), ("a: 1\r\nb: 2\r\n", "a: 1\r\nb: 3\r\n"), ("a: 1\n", "a: 2\n")]
            {
                let folder = tempfile::tempdir().expect("a folder");
                let file = folder.path().join(path);
                std::fs::create_dir_all(file.parent().expect("a parent")).expect("the folder");
                std::fs::write(&file, before).expect("the file");
                let patch = unified(path, before, after);
                std::fs::write(folder.path().join("p.patch"), &patch).expect("the patch");
                let ran = Command::new("git").args(["apply", "p.patch"]).current_dir(&folder).output().expect("git");
                assert!(ran.status.success(), "{}\n{patch}", String::from_utf8_lossy(&ran.stderr));
                assert_eq!(std::fs::read_to_string(&file).expect("the file"), after, "{patch}");
            }
        }
    }
}
