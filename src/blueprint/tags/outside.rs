//! Tags that read what is outside the entries: variables, files, the context.

use std::sync::Arc;

use super::{
    super::{
        inputs::Access,
        value::{MapKey, Val},
        yaml::{Data, Node},
    },
    Evaluator, Fault, Result, World,
};
use crate::base::diagnostic::{Code, Diagnostic, Severity, Span, nearest};

impl<W: World> Evaluator<'_, W> {
    /// The name and optional default of `!Env`, `!File` and `!Context`.
    fn name_and_default<'n>(&mut self, node: &'n Node, form: &str) -> Result<(Val, Option<&'n Arc<Node>>)> {
        match &node.data {
            Data::Scalar(scalar) => Ok((Val::Text(scalar.text.clone()), None)),
            Data::Sequence(items) => match items.as_slice() {
                [name] => Ok((self.eval(name)?, None)),
                [name, default] => Ok((self.eval(name)?, Some(default))),
                _ => self.wrong_form(node, form),
            },
            Data::Mapping(_) => self.wrong_form(node, form),
        }
    }

    /// What stands in for something that may be read but is not there. Who only judges cannot know whether it will be.
    fn missing(&mut self, default: Option<&Arc<Node>>) -> Result<Val> {
        if default.is_none() && self.inputs.lenient { Ok(Val::Unknown) } else { self.default(default) }
    }

    pub(super) fn default(&mut self, default: Option<&Arc<Node>>) -> Result<Val> {
        default.map_or(Ok(Val::Null), |node| self.eval(node))
    }

    /// What stands in for something that may not be read.
    fn denied(&mut self, default: Option<&Arc<Node>>) -> Result<Val> {
        match default {
            Some(_) => self.default(default),
            None if self.inputs.lenient => Ok(Val::Unknown),
            None => Err(Fault::Reported),
        }
    }

    pub(super) fn env(&mut self, node: &Node) -> Result<Val> {
        let (name, default) = self.name_and_default(node, "!Env NAME` or `!Env [NAME, default]")?;
        let Val::Text(name) = name.peel().clone() else {
            return self.wrong_form(node, "!Env NAME` or `!Env [NAME, default]");
        };
        if let (Data::Scalar(_), Some((first, _))) = (&node.data, name.split_once(',')) {
            let rest = name[first.len() + 1..].trim();
            self.world.report(
                Diagnostic::new(Code::ENV_INLINE_DEFAULT, format!("this reads a variable whose name is `{name}`"))
                    .at(node.span, "")
                    .fix("write the default in list form", node.span, format!("!Env [{}, {rest}]", first.trim())),
            );
        }
        match self.inputs.env(&name) {
            Access::Found(value) => Ok(Val::text(value).secret_if(true)),
            Access::Missing(why) => {
                if default.is_none() {
                    let so = if self.inputs.lenient { "not known here" } else { "null" };
                    let message = format!("the variable `{name}` {why}, so this is {so}");
                    self.world.report(Diagnostic::new(Code::ENV_MISSING, message).at(node.span, ""));
                }
                self.missing(default)
            }
            Access::Denied => {
                let mut finding =
                    Diagnostic::new(Code::ENV_DENIED, format!("the variable `{name}` is not allowed here"))
                        .at(node.span, "")
                        .help(format!(
                            "allow it with `--allow-env {name}`, or set it in a file given with `--env-file`"
                        ));
                if default.is_some() {
                    finding = finding.severity(Severity::Warning).help("the default is used");
                } else if self.inputs.lenient {
                    finding = finding.severity(Severity::Warning);
                }
                self.world.report(finding);
                self.denied(default)
            }
        }
    }

    pub(super) fn file(&mut self, node: &Node) -> Result<Val> {
        let (name, default) = self.name_and_default(node, "!File path` or `!File [path, default]")?;
        let Val::Text(name) = name.peel().clone() else {
            return self.wrong_form(node, "!File path` or `!File [path, default]");
        };
        match self.inputs.file(self.folder, &name) {
            Access::Found(text) => Ok(Val::text(text).secret_if(true)),
            Access::Missing(why) => {
                let used = match default {
                    Some(_) => "the default is used",
                    None if self.inputs.lenient => "the value is not known here",
                    None => "the value is null",
                };
                self.world.report(
                    Diagnostic::new(Code::FILE_MISSING, format!("the file `{name}` cannot be read: {why}"))
                        .at(node.span, used),
                );
                self.missing(default)
            }
            Access::Denied => {
                let mut finding = Diagnostic::new(Code::FILE_DENIED, format!("the file `{name}` is not allowed here"))
                    .at(node.span, "")
                    .help("allow its folder with `--allow-files DIR`, or keep it below the blueprint's own folder");
                if self.inputs.lenient {
                    finding = finding.severity(Severity::Warning);
                }
                self.world.report(finding);
                self.denied(None)
            }
        }
    }

    pub(super) fn context(&mut self, node: &Node) -> Result<Val> {
        let form = "!Context key` or `!Context [key, default]";
        let (name, default) = self.name_and_default(node, form)?;
        let Some(key) = name.into_key() else {
            return self.wrong_form(node, form);
        };
        let mut value = self.engine.get(&key).cloned();
        let (document, names) = (self.document, self.names);
        for at in names.get(&key).into_iter().flatten() {
            let (_, inner) = &document.context[*at];
            let scopes = std::mem::take(&mut self.scopes);
            self.expanding += 1;
            let found = self.eval(inner);
            self.expanding -= 1;
            self.scopes = scopes;
            merge(&mut value, found?);
        }
        if let Some(given) = self.inputs.context.get(&key) {
            merge(&mut value, given.clone());
        }
        match (value, default) {
            (Some(value), _) => self.copied(value, node),
            (None, Some(default)) => self.eval(default),
            (None, None) => {
                self.note_missing_context(&key, node.span);
                Ok(Val::Null)
            }
        }
    }

    fn note_missing_context(&mut self, key: &MapKey, span: Span) {
        let known: Vec<String> = self
            .document
            .context
            .iter()
            .filter_map(|(name, _)| Val::literal(name)?.into_key())
            .chain(self.inputs.context.keys().cloned())
            .chain(self.engine.keys().cloned())
            .map(|key| key.text())
            .collect();
        let key = key.text();
        let mut finding =
            Diagnostic::new(Code::CONTEXT_MISSING, format!("the context has no `{key}`, so this is null")).at(span, "");
        if let Some(meant) = nearest(&key, known.iter().map(String::as_str)) {
            finding = finding.severity(Severity::Warning).help(format!("did you mean `{meant}`?"));
        }
        self.world.report(finding);
    }
}

pub(super) fn merge(value: &mut Option<Val>, later: Val) {
    match value {
        Some(value) => value.merge(later),
        None => *value = Some(later),
    }
}
