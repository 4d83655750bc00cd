//! Which bytes of a document are secret, so that no report shows them: the values of secret attributes, also where the
//! key or the YAML around it is mistyped.

use std::ops::Range;

use super::yaml::{Data, Node};
use crate::{
    base::diagnostic::{Span, nearest},
    model::{Change, KindInfo, Registry},
};

/// Parts of key names that say that the value is a secret.
const WORDS: [&str; 8] = ["pass", "pwd", "secret", "token", "private", "credential", "kubeconfig", "keytab"];

/// The spans of a document's secrets.
pub fn of_document(root: &Node, registry: &Registry) -> Vec<Span> {
    let mut walk = Walk { registry, spans: Vec::new() };
    walk.node(root);
    walk.spans
}

/// The ranges of what may be secret in a text that could not be parsed. Rather too much than too little.
pub fn of_text(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    // Column of the secret-looking key whose value the following, deeper lines may belong to.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let indent = content.len() - content.trim_start().len();
        if open.is_some_and(|column| content.is_empty() || indent > column) {
            ranges.push(start + indent..start + content.len());
        } else {
            open = None;
            if let Some((column, value)) = secret_in(content) {
                ranges.push(start + value..start + content.len());
                open = content[..column].chars().all(|letter| " -?\"'".contains(letter)).then_some(column);
            }
        }
        start += line.len();
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// Where the first secret-looking key of a line starts, and where what follows it does.
fn secret_in(line: &str) -> Option<(usize, usize)> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut at = 0;
    while let Some(found) = line[at..].find(is_word) {
        let start = at + found;
        let end = line[start..].find(|letter| !is_word(letter)).map_or(line.len(), |length| start + length);
        let before = line[..start].trim_end_matches([' ', '"', '\'']);
        let after = line[end..].trim_start_matches(['"', '\'']).trim_start();
        let is_key = before.is_empty() || before.ends_with(['-', '{', '[', ',', '?']) || after.starts_with(':');
        if is_key && looks_secret(&line[start..end]) {
            let value = after.strip_prefix(':').unwrap_or(after).trim_start();
            return Some((start, line.len() - value.len()));
        }
        at = end;
    }
    None
}

/// Whether a key's name says that its value is a secret.
fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    WORDS.iter().any(|word| key.contains(word)) || matches!(key.trim(), "key" | "auth" | "key_data")
}

struct Walk<'r> {
    registry: &'r Registry,
    spans: Vec<Span>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node) {
        match &node.data {
            Data::Scalar(_) => {}
            Data::Sequence(items) => items.iter().for_each(|item| self.node(item)),
            Data::Mapping(pairs) => {
                let kind = node.pair("model").map(|(_, model)| match &model.data {
                    Data::Scalar(scalar) if model.tag.is_none() => self.registry.find(&scalar.text),
                    _ => None,
                });
                for (key, value) in pairs {
                    match (key_text(key), kind) {
                        (Some("attrs" | "identifiers"), Some(kind)) => self.fields(value, kind),
                        (Some(key), _) if looks_secret(key) => self.hide(value),
                        _ => self.node(value),
                    }
                }
            }
        }
    }

    /// The attributes of an entry.
    fn fields(&mut self, node: &Node, kind: Option<&KindInfo>) {
        let (None, Data::Mapping(pairs)) = (&node.tag, &node.data) else { return self.node(node) };
        for (key, value) in pairs {
            if key_text(key).is_some_and(|key| self.is_secret(key, kind)) {
                self.hide(value);
            } else {
                self.node(value);
            }
        }
    }

    fn is_secret(&self, key: &str, kind: Option<&KindInfo>) -> bool {
        let Some(kind) = kind else {
            let mut kinds = self.registry.kinds();
            return looks_secret(key)
                || kinds.any(|kind| nearest(key, kind.secret_names().map(|(name, _)| name)).is_some());
        };
        let present = kind.changes.iter().find_map(|change| match change {
            Change::Renamed { from, to, .. } if *from == key => Some(*to),
            _ => None,
        });
        if let Some(field) = kind.fields.get(present.unwrap_or(key)) {
            return field.secret.is_some();
        }
        // An unknown key may be any attribute of the kind, mistyped; unless it is clearly another one, it counts as the secret.
        let meant = nearest(key, kind.fields.keys().map(String::as_str)).and_then(|name| kind.fields.get(name));
        looks_secret(key) || kind.secret_names().next().is_some() && meant.is_none_or(|field| field.secret.is_some())
    }

    /// Hides what is written in a value, but not the names by which tags look values up.
    fn hide(&mut self, node: &Node) {
        let Some(tag) = &node.tag else { return self.spans.push(node.span) };
        match (tag.name.as_str(), &node.data) {
            ("!KeyOf" | "!Find" | "!FindObject" | "!Index" | "!Value", _) => {}
            ("!Env" | "!File" | "!Context", Data::Sequence(items)) => {
                items.iter().skip(1).for_each(|item| self.hide(item));
            }
            ("!Env" | "!File" | "!Context", _) => {}
            (_, Data::Sequence(items)) => items.iter().for_each(|item| self.hide(item)),
            _ => self.spans.push(node.span),
        }
    }
}

fn key_text(node: &Node) -> Option<&str> {
    match &node.data {
        Data::Scalar(scalar) if node.tag.is_none() => Some(&scalar.text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::diagnostic::Sources,
        blueprint::yaml::{self, Limits},
        registry::registry,
    };

    /// What is left of a text when its secrets are cut out.
    fn rest(text: &str) -> String {
        let mut sources = Sources::default();
        let file = sources.add("test.yaml", text);
        let mut ranges = match yaml::parse(file, text, &Limits::default(), &mut Vec::new()) {
            Some(root) => {
                let registry = registry().expect("the declarations agree");
                let spans = of_document(&root, &registry);
                spans.iter().map(|span| span.start as usize..span.end as usize).collect()
            }
            None => of_text(text),
        };
        ranges.sort_by_key(|range| range.start);
        let mut rest = text.to_owned();
        for range in ranges.into_iter().rev() {
            rest.replace_range(range, "…");
        }
        rest
    }

    #[test]
    fn secrets_are_found_whatever_is_wrong_around_them() {
        let user = |attrs: &str| {
            format!("entries:\n- model: authentik_core.user\n  identifiers: {{username: bob}}\n  attrs:\n{attrs}")
        };
        for attrs in [
            "    password: SECRET",
            "    pasword: SECRET",
            "    pass: SECRET",
            "    pw: SECRET",
            "    psswrd: [SECRET, SECRET]",
            "    password: {a: SECRET}",
            "    password: |\n      SECRET\n      SECRET\n",
            "    password: !Env [NAME, SECRET]",
            "    password: !If [!Context plain, SECRET, !Format [SECRET, !Context plain]]",
            "    attributes: {db_password: SECRET, plain: 1}",
            // Texts that do not parse.
            "    password: \"SECRET",
            "    password SECRET\n    name: x\n",
            "    \"password\": \"SECRET\" SECRET",
            "    password: !SECRET",
            "    password: |\n      SECRET\n\n      SECRET\n    name: 'x\n",
            "    password:\n      SECRET: SECRET: SECRET\n    name: x\n",
        ] {
            let text = user(attrs);
            let rest = rest(&text);
            assert!(!rest.contains("SECRET"), "{text}\nshows\n{rest}");
            let seen = rest.contains("bob") && rest.contains("plain") == attrs.contains("plain");
            assert!(seen, "{text}\nhides too much:\n{rest}");
        }
        for text in [
            "entries:\n- model: authentik_core.user\n  atrrs: {name: Bob, password: SECRET}\n",
            "entries:\n- model: authentik_core.usr\n  attrs: {name: Bob, password: SECRET}\n",
            "entries:\n- model: authentik_core.user\n  attrs: {name: Bob, password: SECRET\n",
            "entries:\n- model: authentik_core.user\n  attrs: {name: Bob, password SECRET}}\n",
            "context: {admin_password: SECRET, name: Bob}\n",
            "x: &anchor SECRET\ny: Bob\nentries: [{model: authentik_core.token, attrs: {key: *anchor}}]\n",
        ] {
            let rest = rest(text);
            assert!(!rest.contains("SECRET") && rest.contains("Bob"), "{text}\nshows\n{rest}");
        }
    }

    #[test]
    fn what_only_sounds_secret_stays_visible() {
        for attrs in ["{password_stage: seen}", "{nmae: seen}"] {
            let text =
                format!("entries: [{{model: authentik_stages_identification.identificationstage, attrs: {attrs}}}]");
            assert!(rest(&text).contains("seen"), "{text}");
        }
        assert!(rest("entries: [{model: authentik_core.user, attrs: {nam: seen}}]").contains("seen"));
    }
}
