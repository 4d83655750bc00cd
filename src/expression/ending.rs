//! Odds and ends of a conversation with the sandbox: rows put in place, lines of tracebacks, exceptions, the time.

use monty_types::{ExcType, MontyException, MontyObject, OsFunctionCall};

use super::{
    PlanChange,
    bridge::{Inward, QUERY},
    program::Code,
    value::Value,
};

/// Puts the rows of queries where the queries stand.
pub(super) fn put(value: &mut Value, rows: &[Value]) {
    match value {
        Value::Handle(handle) if handle.kind == QUERY => {
            *value = handle.id.parse::<usize>().ok().and_then(|at| rows.get(at)).cloned().unwrap_or_default();
        }
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
            items.iter_mut().for_each(|item| put(item, rows))
        }
        Value::Map(map) => map.values_mut().for_each(|value| put(value, rows)),
        Value::Dict(pairs) => pairs.iter_mut().for_each(|(_, value)| put(value, rows)),
        _ => {}
    }
}

/// What was done to the plan.
pub(super) fn plan_changes(changes: Value) -> Vec<PlanChange> {
    let Value::List(changes) = changes else { return Vec::new() };
    changes
        .into_iter()
        .filter_map(|change| match change {
            Value::Tuple(change) => match &change[..] {
                [Value::Text(what), Value::Text(url)] if what == "redirect" => Some(PlanChange::Redirect(url.clone())),
                [Value::Text(what), stage] if what == "append" => Some(PlanChange::Append(stage.clone())),
                [Value::Text(what), stage, Value::Int(at)] if what == "insert" => {
                    Some(PlanChange::Insert(stage.clone(), *at))
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// The innermost line of the expression itself in a traceback.
pub(super) fn line(code: &Code, error: &MontyException) -> Option<u32> {
    error
        .traceback()
        .iter()
        .rev()
        .map(|frame| frame.start.line)
        .find(|line| *line > code.before && *line <= code.last)
        .map(|line| line - code.before)
}

/// An exception of this name inside the expression.
pub(super) fn exception(name: &str, message: String) -> MontyException {
    // The language has one exception for whatever goes wrong outside.
    let name = if name == "ConnectionError" { "OSError" } else { name };
    MontyException::new(name.parse().unwrap_or(ExcType::RuntimeError), Some(message))
}

/// What `datetime.now` and `date.today` are at a moment in UTC.
pub(super) fn now(call: &OsFunctionCall, moment: jiff::civil::DateTime) -> MontyObject {
    let inward = Inward::default();
    match call {
        OsFunctionCall::DateTimeNow(Some(zone)) => {
            let shift = jiff::SignedDuration::from_secs(i64::from(zone.offset_seconds));
            inward.convert(&Value::DateTime(moment.saturating_add(shift), Some(zone.offset_seconds)))
        }
        OsFunctionCall::DateTimeNow(None) => inward.convert(&Value::DateTime(moment, None)),
        _ => inward.convert(&Value::Date(moment.date())),
    }
}
