//! One field of a form as it is shown and as its answer is judged. Spec: flows §5.13.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, civil, tz::Offset};
use serde_json::{Value as Json, json};

use super::prompt::{FieldType, Prompt};
use crate::{
    expression::Value,
    flows::challenge::{Answer, Errors},
};

/// Longest text that is read as a number.
const DIGITS: usize = 1000;

/// A prompt with what its expressions came to.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The prompt.
    pub prompt: Prompt,
    /// Hint; empty for choices.
    pub placeholder: String,
    /// The answer to begin with.
    pub initial: Value,
    /// What there is to choose from.
    pub choices: Option<Vec<Value>>,
}

impl Field {
    /// A field of a prompt; `choices` is what its placeholder came to.
    pub(super) fn new(prompt: Prompt, placeholder: Value, initial: Value) -> Field {
        let is_choice = matches!(prompt.field_type, FieldType::RadioButtonGroup | FieldType::Dropdown);
        if !is_choice {
            return Field { placeholder: shown(&placeholder), prompt, initial, choices: None };
        }
        let choices = match placeholder {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => items,
            other => vec![other],
        };
        let is_offered = choices.iter().any(|choice| shown(choice) == shown(&initial));
        let initial =
            if is_offered { initial } else { choices.first().cloned().unwrap_or_else(|| Value::text(String::new())) };
        Field { prompt, placeholder: String::new(), initial, choices: Some(choices) }
    }

    /// As the challenge has it.
    pub(super) fn to_json(&self) -> Json {
        let choices = self.choices.as_ref().map(|choices| choices.iter().map(shown).collect::<Vec<_>>());
        json!({
            "field_key": self.prompt.field_key,
            "label": self.prompt.label,
            "type": self.prompt.field_type,
            "required": self.prompt.required,
            "placeholder": self.placeholder,
            "initial_value": shown(&self.initial),
            "order": self.prompt.order,
            "sub_text": self.prompt.sub_text,
            "choices": choices,
        })
    }

    /// The value of an answer; none for a field without a value, or for an answer that is wrong, which is then in `errors`.
    ///
    /// Fields that cannot be edited have their value whatever was sent. The reference demands that something be sent for
    /// those of them that only look like text; here nothing is.
    pub(super) fn judge(&self, answer: &Answer, errors: &mut Errors) -> Option<Value> {
        use FieldType as Type;
        let key = &self.prompt.field_key;
        match self.prompt.field_type {
            Type::Separator => return None,
            Type::Hidden | Type::Static => {
                let fixed = if self.initial.truth() { self.initial.clone() } else { self.placeholder.as_str().into() };
                return Some(fixed);
            }
            Type::TextReadOnly | Type::TextAreaReadOnly => return Some(self.initial.clone()),
            _ => {}
        }
        let sent = match answer.0.get(key) {
            None => return self.missing(errors),
            Some(Json::Null) => {
                errors.add(key, "This field may not be null.", "null");
                return None;
            }
            Some(sent) => sent,
        };
        let judged = match self.prompt.field_type {
            Type::Checkbox => truth(sent).map(Value::Bool),
            Type::Number => number(sent).map(Value::Int),
            _ => self.text(sent),
        };
        judged.map_err(|(text, code)| errors.add(key, text, code)).ok()
    }

    fn missing(&self, errors: &mut Errors) -> Option<Value> {
        if self.prompt.field_type == FieldType::Checkbox {
            let initial = Json::String(shown(&self.initial));
            return Some(Value::Bool(truth(&initial).unwrap_or(false)));
        }
        if self.initial.truth() {
            return Some(self.initial.clone());
        }
        if self.prompt.required {
            errors.add(&self.prompt.field_key, "This field is required.", "required");
        }
        None
    }

    fn text(&self, sent: &Json) -> Result<Value, Wrong> {
        use FieldType as Type;
        let text = match sent {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => return Err(wrong("Not a valid string.")),
        };
        if text.contains('\0') {
            return Err(("Null characters are not allowed.".to_owned(), "null_characters_not_allowed"));
        }
        let text = if self.prompt.field_type == Type::Email { text.trim().to_owned() } else { text };
        if text.is_empty() && self.prompt.field_type != Type::Locale {
            let blank = ("This field may not be blank.".to_owned(), "blank");
            return if self.prompt.required { Err(blank) } else { Ok(Value::Text(text)) };
        }
        match self.prompt.field_type {
            Type::Email if !is_mail_address(&text) => Err(wrong("Enter a valid email address.")),
            Type::RadioButtonGroup | Type::Dropdown => {
                let offered = self.choices.iter().flatten().find(|choice| shown(choice) == text);
                offered.cloned().ok_or_else(|| no_choice(&text))
            }
            Type::Locale if !text.is_empty() && !is_locale(&text) => Err(no_choice(&text)),
            Type::Date => {
                let wrong = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.";
                text.parse::<civil::Date>().map(Value::Date).map_err(|_| self::wrong(wrong))
            }
            Type::DateTime => moment(&text).ok_or_else(|| {
                wrong(
                    "Datetime has wrong format. Use one of these formats instead: \
                     YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
                )
            }),
            Type::File => file(&text).map(|()| Value::Text(text)),
            _ => Ok(Value::Text(text)),
        }
    }
}

/// What is wrong with an answer, for people and for programs.
type Wrong = (String, &'static str);

fn wrong(text: &str) -> Wrong {
    (text.to_owned(), "invalid")
}

fn no_choice(text: &str) -> Wrong {
    (format!("\"{text}\" is not a valid choice."), "invalid_choice")
}

/// A value as it is shown: what Python's `str` makes of it, but nothing for `None`.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::None => String::new(),
        Value::Text(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Big(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.to_string(),
        Value::DateTime(moment, _) => moment.to_string(),
        Value::Address(address) => address.to_string(),
        other => other.to_json().to_string(),
    }
}

/// A truth value in the spellings that forms and clients use.
fn truth(sent: &Json) -> Result<bool, Wrong> {
    match sent {
        Json::Bool(value) => Ok(*value),
        Json::String(text) if ["true", "on", "1", "yes"].contains(&text.to_ascii_lowercase().as_str()) => Ok(true),
        Json::String(text) if ["false", "off", "0", "no", ""].contains(&text.to_ascii_lowercase().as_str()) => {
            Ok(false)
        }
        _ => Err(wrong("Must be a valid boolean.")),
    }
}

fn number(sent: &Json) -> Result<i64, Wrong> {
    let read = match sent {
        Json::Number(number) => number.as_i64().or_else(|| {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
            format!("{whole:.0}").parse().ok()
        }),
        Json::String(text) if text.len() > DIGITS => {
            return Err(("String value too large.".to_owned(), "max_string_length"));
        }
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| wrong("A valid integer is required."))
}

/// A moment; one without an offset is in UTC.
fn moment(text: &str) -> Option<Value> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        let civil = Offset::UTC.to_datetime(moment);
        return Some(Value::DateTime(civil, Some(0)));
    }
    text.contains(['T', ' '])
        .then(|| text.parse::<civil::DateTime>().ok())?
        .map(|civil| Value::DateTime(civil, Some(0)))
}

/// Checks that it is a data URI in base64.
fn file(text: &str) -> Result<(), Wrong> {
    let rest = text.strip_prefix("data:").ok_or_else(|| wrong("Invalid scheme"))?;
    let encoded = rest.split_once(',').filter(|(head, _)| head.ends_with(";base64"));
    let (_, encoded) = encoded.ok_or_else(|| wrong("Invalid encoding"))?;
    STANDARD.decode(encoded).map(drop).map_err(|_| wrong("Invalid encoding"))
}

/// Whether a text looks like the name of a language: `de`, `pt-BR`, `zh_Hans`.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let fits = |part: &str, shortest: usize, longest: usize| {
        (shortest..=longest).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let language = parts.next().unwrap_or_default();
    fits(language, 2, 3)
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| fits(part, 2, 8))
}

/// Whether a text has the shape of a mail address that people have.
fn is_mail_address(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"<>,;:\"()[]\\@".contains(letter);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    text.len() <= 254
        && !local.is_empty()
        && dots
        && local.chars().all(plain)
        && (host == "localhost" || host.contains('.'))
        && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(field_type: &str, required: bool, initial: &str) -> Field {
        let prompt = json!({ "name": "p", "field_key": "k", "label": "K", "type": field_type, "required": required });
        let prompt = serde_json::from_value(prompt).expect("a prompt");
        let choices = Value::List(vec!["one".into(), Value::Int(2)]);
        let is_choice = matches!(field_type, "dropdown" | "radio-button-group");
        Field::new(prompt, if is_choice { choices } else { "hint".into() }, initial.into())
    }

    /// The value that a field makes of what is sent, or the code of what is wrong, with `!`.
    fn judged(field: &Field, sent: Option<Json>) -> String {
        let answer = Answer(sent.map(|sent| ("k".to_owned(), sent)).into_iter().collect());
        let mut errors = Errors::default();
        let value = field.judge(&answer, &mut errors);
        match errors.0.first() {
            Some((_, error)) => format!("!{}", error.code.clone().unwrap_or_default()),
            None => value.map_or_else(|| "-".to_owned(), |value| value.to_json().to_string()),
        }
    }

    #[test]
    fn each_type_takes_its_answers_and_no_others() {
        let table: &[(&str, bool, &str, Option<Json>, &str)] = &[
            ("text", true, "", Some(json!(" a ")), "\" a \""),
            ("text", true, "", Some(json!("")), "!blank"),
            ("text", false, "", Some(json!("")), "\"\""),
            ("text", true, "", Some(json!(5)), "\"5\""),
            ("text", true, "", Some(json!(true)), "!invalid"),
            ("text", true, "", Some(json!(["a"])), "!invalid"),
            ("text", true, "", Some(json!({ "a": 1 })), "!invalid"),
            ("text", true, "", Some(json!("a\u{0}")), "!null_characters_not_allowed"),
            ("text", true, "", Some(Json::Null), "!null"),
            ("text", true, "", None, "!required"),
            ("text", false, "", None, "-"),
            ("text", true, "given", None, "\"given\""),
            ("text", true, "given", Some(json!("")), "!blank"),
            ("text_read_only", true, "given", Some(json!("other")), "\"given\""),
            ("hidden", true, "given", Some(json!("other")), "\"given\""),
            ("static", true, "", Some(json!("other")), "\"hint\""),
            ("separator", true, "", Some(json!("other")), "-"),
            ("email", true, "", Some(json!(" ada@example.org ")), "\"ada@example.org\""),
            ("email", true, "", Some(json!("ada@example")), "!invalid"),
            ("email", true, "", Some(json!("ada@@example.org")), "!invalid"),
            ("email", true, "", Some(json!("ada@example.org\nBcc: x@example.org")), "!invalid"),
            ("number", true, "", Some(json!("12")), "12"),
            ("number", true, "", Some(json!(12.0)), "12"),
            ("number", true, "", Some(json!(1.5)), "!invalid"),
            ("number", true, "", Some(json!("")), "!invalid"),
            ("checkbox", true, "", None, "false"),
            ("checkbox", true, "", Some(json!("on")), "true"),
            ("checkbox", true, "", Some(json!("maybe")), "!invalid"),
            ("dropdown", true, "", Some(json!("one")), "\"one\""),
            ("dropdown", true, "", Some(json!("2")), "2"),
            ("dropdown", true, "", Some(json!("three")), "!invalid_choice"),
            ("date", true, "", Some(json!("2024-02-29")), "{\"$date\":\"2024-02-29\"}"),
            ("date", true, "", Some(json!("2023-02-29")), "!invalid"),
            (
                "date-time",
                true,
                "",
                Some(json!("2024-02-29T10:00:00+02:00")),
                "{\"$datetime\":[\"2024-02-29T08:00:00\",0]}",
            ),
            ("date-time", true, "", Some(json!("2024-02-29")), "!invalid"),
            ("file", true, "", Some(json!("data:text/plain;base64,QQ==")), "\"data:text/plain;base64,QQ==\""),
            ("file", true, "", Some(json!("data:text/plain,A")), "!invalid"),
            ("file", true, "", Some(json!("http://example.org/")), "!invalid"),
            ("ak-locale", true, "", Some(json!("")), "\"\""),
            ("ak-locale", true, "", Some(json!("pt-BR")), "\"pt-BR\""),
            ("ak-locale", true, "", Some(json!("../x")), "!invalid_choice"),
        ];
        for (kind, required, initial, sent, expected) in table {
            assert_eq!(&judged(&field(kind, *required, initial), sent.clone()), expected, "{kind} {sent:?}");
        }
    }

    #[test]
    fn what_is_selected_at_first_is_a_choice() {
        assert_eq!(field("dropdown", true, "2").to_json()["initial_value"], "2");
        assert_eq!(field("dropdown", true, "9").to_json()["initial_value"], "one");
        assert_eq!(field("dropdown", true, "").to_json()["choices"], json!(["one", "2"]));
        assert_eq!(field("text", true, "").to_json()["choices"], Json::Null);
    }
}
