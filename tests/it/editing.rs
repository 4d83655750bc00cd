//! Laws of editing documents, over generated ones: an edited text says what it should, and everything else in it stays.

use gatewright::{
    base::diagnostic::FileId,
    blueprint::{
        edit::{Edit, Editor, Step, Why, edits},
        value::Val,
        yaml,
    },
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::{Value, json};

/// Values that YAML 1.1 readers stumble over are among them.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            "x",
            "yes",
            "no",
            "1:30",
            "2024-01-01",
            "~",
            "",
            " lead",
            "a: b",
            "# no",
            "it's",
            "\"q\"",
            "1_000",
            "[x]",
            "two words",
            "é",
            "<<",
            "=",
            "-",
            "a\nb",
            "a\nb\n",
            "\n  c\nd",
            "tab\tin",
            "a, b",
            "{y}",
            "!x",
            "&x",
            "*x",
            "end:",
            "a\n\n",
        ])
        .prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (-1000..1000_i32).prop_map(|number| json!(f64::from(number) / 8.0)),
        Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "c", "on", "two words", "k: v", "é", "1"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Writes values in layouts that the choices decide about.
struct Writer {
    choices: Vec<u8>,
    at: usize,
    comments: usize,
    newline: &'static str,
}

impl Writer {
    fn choose(&mut self, of: u8) -> u8 {
        self.at += 1;
        self.choices[self.at % self.choices.len()].wrapping_add((self.at % 251) as u8) % of
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        format!("# comment {}", self.comments)
    }

    fn end(&mut self, out: &mut String) {
        if self.choose(4) == 0 {
            let comment = self.comment();
            out.push_str(&format!("  {comment}"));
        }
        out.push_str(self.newline);
    }

    fn above(&mut self, out: &mut String, indent: usize) {
        if self.choose(5) == 0 {
            let comment = self.comment();
            out.push_str(&format!("{}{comment}{}", " ".repeat(indent), self.newline));
        }
    }

    fn scalar(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) => {
                let plain = !text.is_empty()
                    && text.chars().all(|letter| letter.is_ascii_lowercase())
                    && text.len() == 1
                    && text != "y"
                    && text != "n";
                let single = !text.chars().any(|letter| letter == '\n' || letter == '\t' || letter == '\'');
                match self.choose(3) {
                    0 if plain => text.clone(),
                    1 if single => format!("'{text}'"),
                    _ => Value::from(text.as_str()).to_string(),
                }
            }
            Value::Null => "null".to_owned(),
            other => other.to_string(),
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}{}]", items.join(", "), if self.choose(4) == 0 && !items.is_empty() { "," } else { "" })
            }
            Value::Object(pairs) => {
                let pairs: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), self.flow(value)))
                    .collect();
                format!("{{{}}}", pairs.join(", "))
            }
            other => self.scalar(other),
        }
    }

    /// The value behind a colon or dash, with the end of its line.
    fn behind(&mut self, out: &mut String, value: &Value, indent: usize, key: bool) {
        match value {
            Value::Object(pairs) if !pairs.is_empty() && self.choose(3) > 0 => {
                let step = 1 + usize::from(self.choose(4));
                if key {
                    self.end(out);
                    self.block(out, value, indent + step);
                } else {
                    // On the line of the dash.
                    out.push(' ');
                    let mut inner = String::new();
                    self.pairs(&mut inner, pairs, indent + 2, false);
                    out.push_str(inner.trim_start_matches(' '));
                }
            }
            Value::Array(items) if !items.is_empty() && key && self.choose(3) > 0 => {
                let step = usize::from(self.choose(3));
                self.end(out);
                self.block(out, value, indent + step);
            }
            Value::String(text) if text.ends_with("b\n") && self.choose(2) == 0 => {
                let pad = " ".repeat(indent + 3);
                let lines: Vec<String> = text.lines().map(|line| format!("{pad}{line}")).collect();
                out.push_str(&format!(" |{}{}{}", self.newline, lines.join(self.newline), self.newline));
            }
            other => {
                let text = self.flow(other);
                out.push_str(&format!(" {text}"));
                self.end(out);
            }
        }
    }

    fn block(&mut self, out: &mut String, value: &Value, indent: usize) {
        match value {
            Value::Object(pairs) => self.pairs(out, pairs, indent, true),
            Value::Array(items) => {
                for item in items {
                    self.above(out, indent);
                    out.push_str(&format!("{}-", " ".repeat(indent)));
                    self.behind(out, item, indent, false);
                }
            }
            _ => {}
        }
    }

    fn pairs(&mut self, out: &mut String, pairs: &serde_json::Map<String, Value>, indent: usize, first: bool) {
        for (at, (key, value)) in pairs.iter().enumerate() {
            if first || at > 0 {
                self.above(out, indent);
            }
            out.push_str(&format!("{}{}:", " ".repeat(indent), Value::from(key.as_str())));
            self.behind(out, value, indent, true);
        }
    }
}

/// A document with a field between two others.
fn document(field: &Value, choices: Vec<u8>) -> String {
    let newline = if choices[0].is_multiple_of(8) { "\r\n" } else { "\n" };
    let mut writer = Writer { choices, at: 0, comments: 0, newline };
    let whole = json!({ "before": [1, {"x": "keep"}], "field": field, "behind": "keep" });
    let mut out = String::new();
    let Value::Object(pairs) = &whole else { return out };
    writer.pairs(&mut out, pairs, 0, true);
    out
}

fn read(text: &str) -> Value {
    let mut found = Vec::new();
    let root = yaml::parse(FileId(0), text, &yaml::Limits::default(), &mut found);
    let root = root.unwrap_or_else(|| panic!("{found:#?}\n{text}"));
    Val::literal(&root).expect("no tags").to_json()
}

fn comments(text: &str) -> Vec<String> {
    let spans = yaml::comments(FileId(0), text);
    spans.into_iter().map(|span| text[span.start as usize..span.end as usize].trim_end().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400),
        ..ProptestConfig::default()
    })]

    #[test]
    fn edited_documents_say_what_they_should_and_keep_the_rest(
        before in value(),
        after in value(),
        choices in prop::collection::vec(any::<u8>(), 16..64),
    ) {
        let text = document(&before, choices);
        prop_assert_eq!(&read(&text)["field"], &before, "the generator writes what it means:\n{}", text);
        let mut editor = Editor::new(&text).expect("a document");
        let all: Result<Vec<Edit>, serde_json::Error> =
            edits(&[Step::Key("field".to_owned())], &before, &after, &mut |value| Ok(yaml_value(value)));
        let all = all.expect("edits");
        for edit in &all {
            match editor.make(edit, &[]) {
                Ok(()) => {}
                // A collection with comments in it is not thrown away.
                Err(refused) if refused.why == Why::Comments => return Ok(()),
                Err(refused) => prop_assert!(false, "{:?}: {:?} in\n{}", edit, refused, editor.text()),
            }
        }
        let edited = editor.text();
        let mut expected = read(&text);
        expected["field"] = after.clone();
        prop_assert_eq!(read(edited), expected, "{}\n->\n{}", text, edited);
        if all.is_empty() {
            prop_assert_eq!(edited, text.as_str());
        }
        // Only comments of removed items may go with them, and none comes.
        let (old, new) = (comments(&text), comments(edited));
        let mut rest = old.iter();
        prop_assert!(new.iter().all(|comment| rest.any(|other| other == comment)), "{}\n->\n{}", text, edited);
        let removes = all.iter().any(|edit| edit.operation == gatewright::blueprint::edit::Operation::Remove);
        prop_assert!(removes || old.len() == new.len(), "{}\n->\n{}", text, edited);
        // The neighbours stay byte for byte.
        let from = text.find("\"field\":").expect("the field");
        prop_assert_eq!(&edited[..from], &text[..from]);
        let behind = text.rfind("\"behind\":").expect("the last field");
        prop_assert!(edited.ends_with(&text[behind..]), "{}\n->\n{}", text, edited);
    }
}

fn yaml_value(value: &Value) -> serde_yaml::Value {
    serde_yaml::to_value(value).expect("a value")
}
