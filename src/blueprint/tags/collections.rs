//! Tags over lists and mappings: `!Enumerate` with its scopes, `!AtIndex`.

use indexmap::IndexMap;

use super::{
    super::{value::Val, yaml::Node},
    Evaluator, MAX_ROUNDS, Result, World, scalar, sequence,
};
use crate::base::diagnostic::Code;

impl<W: World> Evaluator<'_, W> {
    pub(super) fn enumerate(&mut self, node: &Node) -> Result<Val> {
        let form = "!Enumerate [list or mapping, SEQ|MAP, body]";
        let Some([over, output, body]) = sequence(node) else {
            return self.wrong_form(node, form);
        };
        let into_map = match self.eval(output)?.peel() {
            Val::Text(kind) if kind.eq_ignore_ascii_case("MAP") => true,
            Val::Text(kind) if kind.eq_ignore_ascii_case("SEQ") => false,
            _ => {
                return self.fail(
                    Code::ENUMERATE_VALUE,
                    "the second argument of !Enumerate is SEQ or MAP",
                    output.span,
                );
            }
        };
        // The iterable counts as inside: depth 0 there would be the tag itself, 1 is the enclosing one.
        self.scopes.push(None);
        let over_value = self.eval(over);
        self.scopes.pop();
        let over_value = over_value?;
        let secret = matches!(over_value, Val::Secret(_));
        let rounds: Vec<(Val, Val)> = match over_value.peel() {
            Val::List(items) => {
                items.iter().cloned().enumerate().map(|(at, item)| (Val::Int(at as i64), item)).collect()
            }
            Val::Map(map) => map.iter().map(|(key, value)| (key.value(), value.clone())).collect(),
            Val::Text(text) => text
                .chars()
                .enumerate()
                .map(|(at, letter)| (Val::Int(at as i64), Val::text(letter.to_string())))
                .collect(),
            Val::Unknown => return Ok(Val::Unknown),
            other => {
                let message = format!("!Enumerate goes over a list, a mapping or a text, not {}", other.kind_name());
                return self.fail(Code::ENUMERATE_VALUE, message, over.span);
            }
        };
        let mut list = Vec::new();
        let mut map = Val::Map(IndexMap::new());
        for (index, value) in rounds {
            self.rounds += 1;
            if self.rounds > MAX_ROUNDS {
                return self.fail(Code::YAML_BUDGET, "this !Enumerate goes through too many rounds", node.span);
            }
            self.scopes.push(Some((index, value.secret_if(secret))));
            self.expanding += 1;
            let result = self.eval(body);
            self.expanding -= 1;
            self.scopes.pop();
            let result = result?;
            if !into_map {
                list.push(result);
                continue;
            }
            match result.peel() {
                Val::List(pair) if pair.len() == 2 => {
                    let Some(key) = pair[0].clone().into_key() else {
                        return self.fail(
                            Code::ENUMERATE_VALUE,
                            format!("{} cannot be a key", pair[0].kind_name()),
                            body.span,
                        );
                    };
                    map.merge(Val::Map(IndexMap::from([(key, pair[1].clone())])));
                }
                Val::Map(_) => map.merge(result.peel().clone()),
                Val::Unknown => return Ok(Val::Unknown),
                other => {
                    let message =
                        format!("with MAP the body must give [key, value] or a mapping, not {}", other.kind_name());
                    return self.fail(Code::ENUMERATE_VALUE, message, body.span);
                }
            }
        }
        Ok(if into_map { map } else { Val::List(list) })
    }

    pub(super) fn scope(&mut self, node: &Node, pick: fn(&(Val, Val)) -> &Val) -> Result<Val> {
        let depth = match scalar(node).and_then(|text| text.trim().parse::<usize>().ok()) {
            Some(depth) => depth,
            None => return self.wrong_form(node, "!Value 0` or `!Index 0"),
        };
        let scope = depth.checked_add(1).and_then(|back| self.scopes.len().checked_sub(back));
        match scope.and_then(|at| self.scopes.get(at)) {
            Some(Some(scope)) => {
                let value = pick(scope).clone();
                self.copied(value, node)
            }
            Some(None) => {
                let mut message = format!("the number {depth} means the !Enumerate whose iterable this is");
                if self.scopes.iter().any(Option::is_some) {
                    message.push_str(&format!("; the one around it is {}", depth + 1));
                }
                self.fail(Code::ENUMERATE_SCOPE, message, node.span)
            }
            None => {
                let message = match self.scopes.len() {
                    0 => "there is no enclosing !Enumerate here".to_owned(),
                    1 => format!("there is one enclosing !Enumerate, so the number is 0, not {depth}"),
                    several => {
                        format!("there are {several} enclosing !Enumerate, so the number is at most {}", several - 1)
                    }
                };
                self.fail(Code::ENUMERATE_SCOPE, message, node.span)
            }
        }
    }

    pub(super) fn at_index(&mut self, node: &Node) -> Result<Val> {
        let form = "!AtIndex [list or mapping, index or key, default]";
        let (object, index, default) = match sequence(node) {
            Some([object, index]) => (object, index, None),
            Some([object, index, default]) => (object, index, Some(default)),
            _ => return self.wrong_form(node, form),
        };
        let collection = self.eval(object)?;
        let key = self.eval(index)?;
        let secret = matches!(collection, Val::Secret(_));
        let found = match (collection.peel(), key.peel()) {
            (Val::Unknown, _) | (_, Val::Unknown) => return Ok(Val::Unknown),
            (Val::List(items), Val::Int(at)) => {
                let at = if *at < 0 { at + items.len() as i64 } else { *at };
                usize::try_from(at).ok().and_then(|at| items.get(at)).cloned()
            }
            (Val::List(_), other) => {
                let message = format!("a list is indexed by an integer, not by {}", other.kind_name());
                return self.fail(Code::AT_INDEX, message, index.span);
            }
            (Val::Map(map), key) => key.clone().into_key().and_then(|key| map.get(&key)).cloned(),
            (Val::Null, _) if default.is_some() => None,
            (other, _) => {
                let message = format!("!AtIndex looks into a list or mapping, not into {}", other.kind_name());
                return self.fail(Code::AT_INDEX, message, object.span);
            }
        };
        match (found, default) {
            (Some(value), _) => Ok(value.secret_if(secret)),
            (None, Some(default)) => self.eval(default),
            (None, None) => {
                let message = format!("there is nothing at {} and no default", key.peel().python_repr());
                self.fail(Code::AT_INDEX, message, node.span)
            }
        }
    }
}
