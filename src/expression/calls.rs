//! From what the prelude passes to the calls that a host knows.

use super::{
    bridge::texts,
    host::{Call, HttpBody, HttpCall, ObjectRef, Relate},
    value::{Handle, Map, Value},
};

fn object(value: &Value) -> Result<ObjectRef, String> {
    match value {
        Value::Handle(Handle { kind, id, .. }) => Ok(ObjectRef { kind: kind.clone(), id: id.clone() }),
        _ => Err("an object was expected".to_owned()),
    }
}

/// A change of a relation.
pub(super) fn relate((object, relation): (ObjectRef, String), rest: &[Value]) -> Result<Call, String> {
    let [Value::Text(change), Value::List(members)] = rest else {
        return Err("a list of objects was expected".to_owned());
    };
    let change = match change.as_str() {
        "set" => Relate::Set,
        "add" => Relate::Add,
        "remove" => Relate::Remove,
        _ => Relate::Clear,
    };
    let members = members.iter().map(self::object).collect::<Result<_, _>>()?;
    Ok(Call::Relate { object, relation, change, members })
}

/// Any other call.
pub(super) fn call(function: &str, values: Vec<Value>) -> Result<Call, String> {
    let wrong = || format!("wrong arguments for {function}");
    Ok(match (function, &values[..]) {
        ("method", [on, Value::Text(name), Value::List(arguments), Value::Map(named)]) => {
            Call::Method { object: object(on)?, name: name.clone(), arguments: arguments.clone(), named: named.clone() }
        }
        ("create", [Value::Text(model), Value::Map(fields)]) => {
            Call::Create { model: model.clone(), fields: fields.clone() }
        }
        ("delete", [on]) => Call::Delete { object: object(on)? },
        ("has_authenticator", [user, kind]) => {
            Call::HasAuthenticator { user: object(user)?, device_type: kind.as_text().map(str::to_owned) }
        }
        ("call_policy", [Value::Text(name), Value::Map(context)]) => {
            let mut context = context.clone();
            context.shift_remove("flow_plan");
            Call::CallPolicy { name: name.clone(), context }
        }
        ("create_event", [Value::Text(action), Value::Map(context)]) => {
            let mut context = context.clone();
            context.shift_remove("flow_plan");
            Call::CreateEvent { action: action.clone(), context }
        }
        ("create_jwt", [user, provider, Value::List(scopes), Value::Text(validity)]) => Call::CreateJwt {
            user: object(user)?,
            provider: provider.clone(),
            scopes: texts(scopes),
            validity: validity.clone(),
        },
        ("resolve_dns", [Value::Text(host), version]) => Call::ResolveDns {
            host: host.clone(),
            version: match version {
                Value::None => None,
                Value::Int(4) => Some(4),
                Value::Int(6) => Some(6),
                _ => return Err("ip_version is 4, 6 or None".to_owned()),
            },
        },
        ("reverse_dns", [Value::Text(address)]) => Call::ReverseDns { address: address.clone() },
        ("define_attribute", [Value::Map(fields)]) => Call::DefineAttribute(fields.clone()),
        ("random", [Value::Int(bytes)]) => Call::Random(u16::try_from(*bytes).map_err(|_| wrong())?),
        ("now", []) => Call::Now,
        ("http", [Value::Map(fields)]) => Call::Http(http(fields)?),
        _ => return Err(wrong()),
    })
}

fn http(fields: &Map) -> Result<HttpCall, String> {
    let field = |name: &str| fields.get(name).unwrap_or(&Value::None);
    let json = field("has_json").truth();
    let body = match field("data") {
        _ if json => HttpBody::Json(field("json").clone()),
        Value::None => HttpBody::Empty,
        Value::Bytes(bytes) => HttpBody::Bytes(bytes.clone()),
        Value::Text(text) => HttpBody::Bytes(text.as_bytes().to_vec()),
        other => HttpBody::Form(pairs(other)?),
    };
    let auth = match field("auth") {
        Value::None => None,
        Value::Tuple(parts) | Value::List(parts) => match &parts[..] {
            [user, password] => Some((plain(user)?, plain(password)?)),
            _ => return Err("auth is a pair of user and password".to_owned()),
        },
        _ => return Err("auth is a pair of user and password".to_owned()),
    };
    Ok(HttpCall {
        method: plain(field("method"))?,
        url: plain(field("url"))?,
        params: pairs(field("params"))?,
        headers: pairs(field("headers"))?,
        auth,
        body,
        timeout: match field("timeout") {
            Value::Int(seconds) => Some(*seconds as f64),
            Value::Float(seconds) => Some(*seconds),
            _ => None,
        },
        follow: field("follow").truth(),
    })
}

fn plain(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(if *value { "True" } else { "False" }.to_owned()),
        _ => Err("text was expected".to_owned()),
    }
}

/// Names and values of a map or of a list of pairs. A list as a value is the name several times, None leaves it out.
fn pairs(value: &Value) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    let mut add = |name: &Value, value: &Value| -> Result<(), String> {
        match value {
            Value::None => {}
            Value::List(items) | Value::Tuple(items) => {
                for item in items {
                    out.push((plain(name)?, plain(item)?));
                }
            }
            value => out.push((plain(name)?, plain(value)?)),
        }
        Ok(())
    };
    match value {
        Value::None => {}
        Value::Map(map) => {
            for (name, value) in map {
                add(&Value::Text(name.clone()), value)?;
            }
        }
        Value::List(items) | Value::Tuple(items) => {
            for item in items {
                let (Value::Tuple(pair) | Value::List(pair)) = item else {
                    return Err("pairs were expected".to_owned());
                };
                let [name, value] = &pair[..] else { return Err("pairs were expected".to_owned()) };
                add(name, value)?;
            }
        }
        _ => return Err("a map was expected".to_owned()),
    }
    Ok(out)
}
