//! The kind `authentik_stages_prompt.prompt`: one field of a form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Key, Kind};

/// One field of a form that prompt stages show.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prompt {
    /// Name of the prompt, unique among prompts; users do not see it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Key under which the answer is kept in the flow. A user write stage writes the user's field of that name;
    /// `attributes.a.b` goes into the user's attributes.
    #[schemars(length(min = 1))]
    pub field_key: String,
    /// Label of the field.
    #[schemars(length(min = 1))]
    pub label: String,
    /// What the field looks like and which answers it takes.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Refuses an empty answer.
    pub required: bool,
    /// Hint inside the empty field; for radio buttons and drop-downs the choices.
    pub placeholder: String,
    /// Answer that the field starts with; for radio buttons and drop-downs the choice that starts selected.
    pub initial_value: String,
    /// Position among the prompts of a stage, ascending.
    #[schemars(range(min = -2147483648, max = 2147483647))]
    pub order: i32,
    /// Explanation below the field.
    pub sub_text: String,
    /// Whether `placeholder` is an expression; one that returns a list gives several choices.
    pub placeholder_expression: bool,
    /// Whether `initial_value` is an expression.
    pub initial_value_expression: bool,
}

impl Default for Prompt {
    fn default() -> Self {
        Prompt {
            name: String::new(),
            field_key: String::new(),
            label: String::new(),
            field_type: FieldType::Text,
            required: true,
            placeholder: String::new(),
            initial_value: String::new(),
            order: 0,
            sub_text: String::new(),
            placeholder_expression: false,
            initial_value_expression: false,
        }
    }
}

impl Kind for Prompt {
    const NAME: &'static str = "authentik_stages_prompt.prompt";
    const TITLE: &'static str = "Prompt";
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name", "field_key", "label", "type"];
    const READ_ONLY: &'static [&'static str] = &["promptstage_set"];
}

/// What a field looks like and which answers it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FieldType {
    /// One line of text.
    #[serde(rename = "text")]
    Text,
    /// Several lines of text.
    #[serde(rename = "text_area")]
    TextArea,
    /// One line of text that cannot be changed.
    #[serde(rename = "text_read_only")]
    TextReadOnly,
    /// Several lines of text that cannot be changed.
    #[serde(rename = "text_area_read_only")]
    TextAreaReadOnly,
    /// A user name that nobody else has.
    #[serde(rename = "username")]
    Username,
    /// A mail address.
    #[serde(rename = "email")]
    Email,
    /// A password; two such fields on a stage must agree.
    #[serde(rename = "password")]
    Password,
    /// A whole number.
    #[serde(rename = "number")]
    Number,
    /// A box to tick; never required.
    #[serde(rename = "checkbox")]
    Checkbox,
    /// One of the choices, all shown.
    #[serde(rename = "radio-button-group")]
    RadioButtonGroup,
    /// One of the choices, folded away.
    #[serde(rename = "dropdown")]
    Dropdown,
    /// A date.
    #[serde(rename = "date")]
    Date,
    /// A date with a time.
    #[serde(rename = "date-time")]
    DateTime,
    /// A file, kept as a data URI.
    #[serde(rename = "file")]
    File,
    /// A line between fields; has no answer.
    #[serde(rename = "separator")]
    Separator,
    /// Not shown; the answer is always the initial value, or else the placeholder.
    #[serde(rename = "hidden")]
    Hidden,
    /// Text on the page, may contain HTML; the answer is fixed as with `hidden`.
    #[serde(rename = "static")]
    Static,
    /// One of the languages of the pages.
    #[serde(rename = "ak-locale")]
    Locale,
}
