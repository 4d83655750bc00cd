//! Values of reference fields.

use uuid::Uuid;

use super::{
    super::{
        resolve::Attr,
        tags::Fault,
        value::Val,
        yaml::{Data, Node},
    },
    Composer, Converted, Wanted,
};
use crate::{
    base::diagnostic::{Code, Diagnostic},
    model::registry::FieldInfo,
};

impl Composer<'_, '_> {
    pub(super) fn references(
        &mut self,
        field: &FieldInfo,
        reference: &crate::model::Reference,
        attr: &Attr,
        value: &Val,
    ) -> Converted {
        let items: Vec<(&Node, &Val)> = match (value.peel(), reference.many) {
            (Val::Unknown, _) => return None,
            (Val::List(values), true) => match (&attr.node.tag, &attr.node.data) {
                (None, Data::Sequence(nodes)) if nodes.len() == values.len() => {
                    nodes.iter().map(|node| &**node).zip(values).collect()
                }
                _ => values.iter().map(|value| (&*attr.node, value)).collect(),
            },
            (Val::Null, false) => {
                let from_find = attr.node.tag.as_ref().is_some_and(|tag| tag.name == "!Find");
                if from_find {
                    self.find_nothing(&attr.node, reference.target);
                }
                if !field.nullable {
                    self.found.push(
                        Diagnostic::new(
                            Code::REFERENCE_VALUE,
                            format!("`{}` must refer to an object and cannot be null", field.name),
                        )
                        .at(attr.node.span, ""),
                    );
                }
                return Some(Wanted::Edges(Vec::new()));
            }
            (Val::Null, true) => Vec::new(),
            (other, true) => {
                self.found.push(
                    Diagnostic::new(
                        Code::FIELD_VALUE,
                        format!("`{}` is a list of references, not {}", field.name, other.kind_name()),
                    )
                    .at(attr.node.span, "not a list"),
                );
                return None;
            }
            (_, false) => vec![(&*attr.node, value)],
        };
        let mut targets = Vec::with_capacity(items.len());
        let mut complete = true;
        for (node, item) in items {
            match item.peel() {
                Val::Unknown => {
                    complete = false;
                    continue;
                }
                Val::Null if reference.many => {
                    self.find_nothing(node, reference.target);
                    continue;
                }
                _ => {}
            }
            match self.resolver.reference(reference.target, item) {
                Ok(Some(object)) => {
                    if !targets.contains(&object.id) {
                        targets.push(object.id);
                    }
                }
                Ok(None) => {
                    complete = false;
                    self.bad_reference(field, reference.target, node, item);
                }
                Err(Fault::Need(need)) => {
                    self.needs.insert(need);
                    complete = false;
                }
                Err(_) => complete = false,
            }
        }
        complete.then_some(Wanted::Edges(targets))
    }

    fn find_nothing(&mut self, node: &Node, target: &str) {
        self.found.push(
            Diagnostic::new(Code::FIND_NOTHING, format!("no object of {target} matches, so there is no reference"))
                .at(node.span, "finds nothing")
                .help("check the spelling, or add the file that declares the object"),
        );
    }

    pub(super) fn bad_reference(&mut self, field: &FieldInfo, target: &str, node: &Node, item: &Val) {
        let finding = match item.peel() {
            Val::Object(object) => {
                let kind = self.registry.get(object.kind).name;
                Diagnostic::new(Code::REFERENCE_KIND, format!("`{}` refers to {target}, not to {kind}", field.name))
                    .at(node.span, "of the wrong kind")
            }
            Val::Text(text) if Uuid::parse_str(text.trim()).is_ok() => {
                if self.options.offline {
                    return;
                }
                Diagnostic::new(Code::REFERENCE_VALUE, format!("there is no {target} with this id"))
                    .at(node.span, "not found")
            }
            Val::Int(_) if self.registry.targets(target).iter().any(|kind| self.registry.get(*kind).numbered) => {
                if self.options.offline {
                    return;
                }
                Diagnostic::new(Code::REFERENCE_VALUE, format!("there is no {target} with this number"))
                    .at(node.span, "not found")
            }
            Val::Text(_) => {
                let finding =
                    Diagnostic::new(Code::REFERENCE_VALUE, format!("`{}` is a reference, not a name", field.name))
                        .at(node.span, "no id");
                match self.registry.find(target).and_then(|info| info.keys.first().map(|key| (info, key))) {
                    Some((info, key)) => {
                        finding.help(format!("write `!Find [{}, [{}, …]]` or `!KeyOf id`", info.name, key.fields[0]))
                    }
                    None => finding.help(format!("write `!Find [{target}, [name, …]]` or `!KeyOf id`")),
                }
            }
            other => Diagnostic::new(
                Code::REFERENCE_VALUE,
                format!("`{}` is a reference, not {}", field.name, other.kind_name()),
            )
            .at(node.span, "no reference"),
        };
        self.found.push(finding);
    }
}
