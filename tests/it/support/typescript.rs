//! Reads the TypeScript declarations that a generator made of an API's description back into operations and JSON Schema.
//! Knows what `swagger-typescript-api` writes, no more of the language.

use serde_json::{Map, Value, json};

use super::published::{Operation, fits};

/// The operation that a method and a path mean.
pub fn operation(text: &str, method: &str, path: &str) -> Option<Operation> {
    let (template, rest) = text
        .split("@request ")
        .skip(1)
        .filter_map(|part| {
            let (first, rest) = part.split_once('\n')?;
            let (given, template) = first.trim().split_once(':')?;
            (given == method && fits(template, path)).then_some((template, rest))
        })
        // `/comments/mine` rather than `/comments/{id}`.
        .min_by_key(|(template, _)| template.matches('{').count())?;
    let (_, signature) = rest.split_once("*/")?;
    let (_, signature) = signature.split_once('(')?;
    let mut reader = Reader { rest: signature, format: None };
    let (mut members, _) = reader.members(')');
    reader.expect("=>");
    let answer = reader.kind();
    let body = members.remove("body");
    let query = members.remove("query").unwrap_or_default();
    let of = |place: &'static str, members: &Map<String, Value>| {
        members.iter().map(|(name, schema)| (place, name.clone(), schema.clone())).collect::<Vec<_>>()
    };
    let mut parameters = of("path", &members);
    parameters.extend(query["properties"].as_object().map(|members| of("query", members)).unwrap_or_default());
    // Which code means success, and what an error says, the generator left out; the description has one shape for errors.
    let answers = [("2XX".to_owned(), answer), ("default".to_owned(), reference("APIError"))].into();
    Some(Operation { path: template.to_owned(), parameters, body, answers })
}

/// The schema of a named type.
pub fn definition(text: &str, name: &str) -> Option<Value> {
    let find = |start: &str| text.split_once(start).map(|(_, rest)| Reader { rest, format: None });
    if let Some(mut reader) = find(&format!("\ninterface {name} {{")) {
        return Some(reader.object('}'));
    }
    find(&format!("\ntype {name} = ")).map(|mut reader| reader.kind())
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

struct Reader<'a> {
    rest: &'a str,
    /// What the last comment says of the next member's format.
    format: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix("/*") else { return };
            let (comment, rest) = comment.split_once("*/").expect("a comment ends");
            let format = comment.split_once("@format ").and_then(|(_, format)| format.split_whitespace().next());
            self.format = format.or(self.format);
            self.rest = rest;
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) {
        assert!(self.eat(text), "{text} is expected before {:.60}", self.rest);
    }

    fn name(&mut self) -> &'a str {
        self.skip();
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_$".contains(c))).unwrap_or(self.rest.len());
        assert!(end > 0, "a name is expected before {:.60}", self.rest);
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn quoted(&mut self) -> Option<&'a str> {
        if !self.eat("\"") {
            return None;
        }
        let (text, rest) = self.rest.split_once('"').expect("a text ends");
        self.rest = rest;
        Some(text)
    }

    /// Members up to what closes them, with the names of those that must be there.
    fn members(&mut self, close: char) -> (Map<String, Value>, Vec<String>) {
        let (mut members, mut required) = (Map::new(), Vec::new());
        loop {
            self.format = None;
            if self.eat(&close.to_string()) {
                return (members, required);
            }
            let format = self.format.take();
            let name = self.quoted().unwrap_or_else(|| self.name()).to_owned();
            if !self.eat("?") {
                required.push(name.clone());
            }
            self.expect(":");
            let mut schema = self.kind();
            match format {
                Some("int64" | "int32") => schema["type"] = json!("integer"),
                Some(format) => schema["format"] = json!(format),
                None => {}
            }
            members.insert(name, schema);
            if !self.eat(";") {
                self.eat(",");
            }
        }
    }

    fn object(&mut self, close: char) -> Value {
        let (properties, required) = self.members(close);
        json!({"type": "object", "properties": properties, "required": required})
    }

    /// A type.
    fn kind(&mut self) -> Value {
        let mut choices = vec![self.choice()];
        while self.eat("|") {
            choices.push(self.choice());
        }
        if choices.len() == 1 { choices.remove(0) } else { json!({ "anyOf": choices }) }
    }

    fn choice(&mut self) -> Value {
        let mut schema = if self.eat("{") {
            self.object('}')
        } else if let Some(text) = self.quoted() {
            json!({ "const": text })
        } else {
            match self.name() {
                name @ ("string" | "number" | "boolean") => json!({ "type": name }),
                "any" => json!({}),
                "Promise" => self.argument(),
                // The second one is what an error looks like, and always `any`.
                "HttpResponse" => self.argument(),
                name => reference(name),
            }
        };
        while self.eat("[]") {
            schema = json!({"type": "array", "items": schema});
        }
        schema
    }

    /// The first argument of a generic type.
    fn argument(&mut self) -> Value {
        self.expect("<");
        let first = self.kind();
        if self.eat(",") {
            self.kind();
        }
        self.expect(">");
        first
    }
}
