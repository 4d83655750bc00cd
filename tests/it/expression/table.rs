//! Every function and every trap, with what it must give.

use gatewright::expression::{ErrorKind, Handle, PlanChange, Purpose, Scope, Value, Variables, compile};
use serde_json::{Value as Json, json};

use super::{
    program, run, run_with, variables,
    world::{World, map, value},
};

/// Texts and what they return, in JSON.
fn cases() -> Vec<(&'static str, Json)> {
    vec![
        // The body of a function.
        ("x = 1", json!(null)),
        ("return 1 + 1", json!(2)),
        ("yield 1\nyield 2", json!([1, 2])),
        (
            "for g in request.user.ak_groups.all():\n    yield g.name\nyield from ['x']",
            json!(["admins", "staff"].iter().chain(&["x"]).collect::<Vec<_>>()),
        ),
        ("if False:\n  yield 1\nreturn 5", json!([])),
        ("text = '''a\nb'''\nreturn text", json!("a\n    b")),
        ("return 2 ** 100", json!({"$int": "1267650600228229401496703205376"})),
        (
            "return b'\\x00a', {1, 1}, {1: 'a'}",
            json!({"$tuple": [{"$bytes": "AGE="}, {"$set": [1]}, {"$dict": [[1, "a"]]}]}),
        ),
        ("return {'$int': 1}", json!({"$dict": [["$int", 1]]})),
        // Truth of queries, in every place where truth is asked.
        (
            "q = request.user.ak_groups.filter(name='nobody')\nif q:\n    return 'if'\nelif not q:\n    return 'not'",
            json!("not"),
        ),
        (
            "q = request.user.ak_groups.filter(name='nobody')\nreturn [bool(q), not q, 1 if q else 2, (q or 'or'), bool(q and 1)]",
            json!([false, true, 2, "or", false]),
        ),
        (
            "q = request.user.ak_groups.filter(name='admins')\nreturn [bool(q), not q, 1 if q else 2, len(q or []), (q and 1)]",
            json!([true, false, 1, 1, 1]),
        ),
        (
            "q = request.user.ak_groups.filter(name='nobody')\nreturn [x for x in [1] if q], any([q]), all([q]), list(filter(None, [q, 1]))",
            json!({"$tuple": [[], false, false, [1]]}),
        ),
        ("q = request.user.ak_groups.filter(name='nobody')\nn = 0\nwhile q and n < 3:\n    n += 1\nreturn n", json!(0)),
        (
            "q = request.user.ak_groups.filter(name='nobody')\ntry:\n    assert q\nexcept AssertionError:\n    return 'asserted'",
            json!("asserted"),
        ),
        (
            "r = requests.get('https://example.com/missing')\nreturn [bool(r), 'yes' if r else 'no', r.status_code, r.ok]",
            json!([false, "no", 404, false]),
        ),
        // Queries.
        ("return [g.name for g in request.user.ak_groups.all()]", json!(["admins", "staff"])),
        (
            "return [str(g) for g in Group.objects.filter(attributes__discord_role_id__isnull=False).order_by('-name')]",
            json!(["test_group", "admins"]),
        ),
        (
            "return [g.name for g in Group.objects.exclude(name__startswith='a').reverse()]",
            json!(["staff", "test_group"]),
        ),
        (
            "return Group.objects.filter(attributes__discord_role_id__in=['111', '9']).count(), Group.objects.count()",
            json!({"$tuple": [1, 3]}),
        ),
        (
            "return list(Group.objects.values_list('name', flat=True)), list(Group.objects.filter(pk='g1').values('name'))",
            json!({"$tuple": [["admins", "test_group", "staff"], [{"name": "admins"}]]}),
        ),
        (
            "return Group.objects.all()[0].name, Group.objects.all()[1:][0].name, len(Group.objects.all())",
            json!({"$tuple": ["admins", "test_group", 3]}),
        ),
        (
            "return Group.objects.get(name='staff').attributes['level'], Group.objects.first().name, Group.objects.last().name",
            json!({"$tuple": [3, "admins", "staff"]}),
        ),
        ("try:\n    Group.objects.get(name='x')\nexcept Group.DoesNotExist:\n    return 'none'", json!("none")),
        (
            "return Group.objects.get_or_create(name='staff')[1], Group.objects.get_or_create(name='fresh')[0].name",
            json!({"$tuple": [false, "fresh"]}),
        ),
        (
            "g = Group.objects.get(name='staff')\nreturn g in request.user.ak_groups.all(), g in list(Group.objects.all()), g == Group.objects.get(pk='g3'), len({g, g})",
            json!({"$tuple": [true, true, true, 1]}),
        ),
        (
            "a, b = request.user.ak_groups.all()\nreturn [a.name, b.name, *[g.name for g in [*Group.objects.filter(name='staff')]]]",
            json!(["admins", "staff", "staff"]),
        ),
        (
            "return ', '.join(Group.objects.values_list('name', flat=True)), sorted(Group.objects.values_list('name', flat=True))[0]",
            json!({"$tuple": ["admins, test_group, staff", "admins"]}),
        ),
        (
            "return list(Group.objects.filter(name='staff').union(Group.objects.filter(name='admins')).values_list('name', flat=True))",
            json!(["admins", "staff"]),
        ),
        (
            "return User.objects.filter(username__iexact='MARIE', attributes__settings__locale='de').exists()",
            json!(true),
        ),
        ("return Group.objects.get(name='admins').users.first().username", json!("marie")),
        ("return {'groups': request.user.ak_groups.all()}['groups']", json!(null)),
        // Functions.
        (
            "return list_flatten(['a', 'b']), list_flatten([]), list_flatten('x'), list_flatten(None)",
            json!({"$tuple": ["a", null, "x", null]}),
        ),
        (
            "return regex_match('abc', 'b.'), regex_match('abc', '^b'), regex_replace('a1b2', '[0-9]', '-')",
            json!({"$tuple": [true, false, "a-b-"]}),
        ),
        ("return slugify('Ünder the  Sea! -- 9')", json!("under-the-sea-9")),
        (
            "return ak_is_group_member(request.user, name='admins'), ak_is_group_member(request.user, name__startswith='x')",
            json!({"$tuple": [true, false]}),
        ),
        (
            "return ak_user_by(username='akadmin').pk, ak_user_by(username='x'), ak_user_by(nofield=1)",
            json!({"$tuple": [2, null, null]}),
        ),
        (
            "return ak_user_has_authenticator(request.user), ak_user_has_authenticator(request.user, 'totp')",
            json!({"$tuple": [true, false]}),
        ),
        (
            "r = ak_call_policy('p', foo='bar')\nreturn r.passing, r.messages, r.raw_result, context['from_policy'], request.context['foo']",
            json!({"$tuple": [true, {"$tuple": ["called"]}, {"a": 1}, 1, "bar"]}),
        ),
        (
            "try:\n    ak_call_policy('none')\nexcept ValueError as e:\n    return str(e)",
            json!("Policy does not exist."),
        ),
        ("return ak_create_jwt(request.user, 'p', ['openid', 'email'])", json!("jwt:openid+email")),
        (
            "return resolve_dns('x'), resolve_dns('x', 6), reverse_dns('192.0.2.1')",
            json!({"$tuple": [["192.0.2.1"], ["2001:db8::1"], "host-of-192.0.2.1"]}),
        ),
        ("return ak_message('no')", json!(null)),
        ("return ak_is_sso_flow", json!(true)),
        (
            "return ak_client_ip in ip_network('10.0.0.0/24'), ak_client_ip.is_private, str(ak_client_ip)",
            json!({"$tuple": [true, true, "10.0.0.9"]}),
        ),
        (
            "return ip_address('192.0.2.1') == ip_address('192.0.2.1'), ip_address('::ffff:10.0.0.1').is_private, ip_network('10.1.2.3/8', strict=False).with_prefixlen, ip_address('8.8.8.8').is_global",
            json!({"$tuple": [true, true, "10.0.0.0/8", true]}),
        ),
        (
            "try:\n    ip_network('10.1.2.3/8')\nexcept ValueError as e:\n    return str(e)",
            json!("10.1.2.3/8 has host bits set"),
        ),
        (
            "try:\n    ip_address('x')\nexcept ValueError as e:\n    return str(e)",
            json!("'x' does not appear to be an IPv4 or IPv6 address"),
        ),
        ("return ip_address('10.0.0.1')", json!({"$address": "10.0.0.1"})),
        (
            "return requests.get('https://api.github.com/user/orgs', params={'a': 1}, auth=('u', 'p')).json()[0]['login']",
            json!("foo"),
        ),
        (
            "r = requests.post('https://x', json={'a': 1}, headers={'X': 'y'})\ntry:\n    r.raise_for_status()\nexcept Exception as e:\n    return str(e), r.headers['content-type'], r.text",
            json!({"$tuple": ["404 Client Error: Not Found for url: https://x", "application/json", "{\"error\": \"no\"}"]}),
        ),
        ("try:\n    requests.get('https://down')\nexcept requests.RequestException:\n    return 'down'", json!("down")),
        // What the language lacks.
        ("d = {'a': 1, 'b': 2}\nl = [1, 2, 3]\ndel d['a'], l[0]\nreturn d, l", json!({"$tuple": [{"b": 2}, [2, 3]]})),
        (
            "return '%s-%05.1f-%-4s|%4d|%x|%(k)s' % {'k': 1} if False else '%s-%05.1f-%-4s|%4d|%x%%' % ('a', 2.25, 'b', 7, 255)",
            json!("a-002.2-b   |   7|ff%"),
        ),
        (
            "return '%(a)s %(b)r' % {'a': 1, 'b': 'x'}, '%s' % 5, 7 % 4, '%s' % (1,)",
            json!({"$tuple": ["1 'x'", "5", 3, "1"]}),
        ),
        (
            "return next(g.name for g in Group.objects.all()), next((g for g in []), 'none')",
            json!({"$tuple": ["admins", "none"]}),
        ),
        ("return any(g.name == 'staff' for g in request.user.ak_groups.all())", json!(true)),
        // Imports.
        (
            "from authentik.core.models import (\n    User,\n    USER_ATTRIBUTE_CHANGE_EMAIL,\n)\nreturn User.objects.count(), USER_ATTRIBUTE_CHANGE_EMAIL",
            json!({"$tuple": [2, "goauthentik.io/user/can-change-email"]}),
        ),
        (
            "import hashlib, hmac\nreturn hashlib.sha256(b'abc').hexdigest()[:8], hashlib.md5(b'').hexdigest(), hmac.new(b'k', b'm', hashlib.sha1).hexdigest()[:6]",
            json!({"$tuple": ["ba7816bf", "d41d8cd98f00b204e9800998ecf8427e", "772b71"]}),
        ),
        (
            "import uuid\nfrom uuid import uuid4\nreturn str(uuid.uuid5(uuid.NAMESPACE_DNS, 'python.org')), len(str(uuid4())), str(uuid4())[14]",
            json!({"$tuple": ["886313e1-3b8a-5372-9b90-0c9aee199e5d", 36, "4"]}),
        ),
        (
            "from urllib.parse import urlparse, quote, unquote, urlencode, parse_qs\nu = urlparse('https://u:p@H.example:8443/a/b?x=1&x=2#f')\nreturn [u.scheme, u.netloc, u.hostname, u.port, u.path, u.query, u.fragment, u.username, u.geturl(), quote('a b/ü'), unquote('a%20b'), urlencode({'a': 'b c', 'd': 1}), parse_qs('x=1&x=2')]",
            json!(["https", "u:p@H.example:8443", "h.example", 8443, "/a/b", "x=1&x=2", "f", "u", "https://u:p@H.example:8443/a/b?x=1&x=2#f", "a%20b/%C3%BC", "a b", "a=b+c&d=1", {"x": ["1", "2"]}]),
        ),
        ("import urllib.parse\nreturn urllib.parse.quote_plus('a b&')", json!("a+b%26")),
        (
            "import time, string, secrets, random, copy\nd = {'a': [1]}\ne = copy.deepcopy(d)\ne['a'].append(2)\nreturn time.time(), string.digits, len(secrets.token_hex(4)), random.choice([3]), d, secrets.token_urlsafe(3)",
            json!({"$tuple": [1718454600.0, "0123456789", 8, 3, {"a": [1]}, "BwgJ"]}),
        ),
        (
            "from datetime import datetime, timedelta, timezone\nreturn datetime.now().isoformat(timespec='seconds'), (datetime.now(timezone.utc) + timedelta(days=1)), timedelta(hours=1)",
            json!({"$tuple": ["2024-06-15T12:30:00", {"$datetime": ["2024-06-16T12:30:00", 0]}, {"$timedelta": [0, 3600, 0]}]}),
        ),
        (
            "import json, base64, re\nreturn json.dumps({'a': [1, None]}), base64.b64encode(b'a').decode(), re.sub('a+', 'b', 'caat')",
            json!({"$tuple": ["{\"a\": [1, null]}", "YQ==", "cbt"]}),
        ),
        (
            "import ipaddress\nreturn ipaddress.ip_address('10.0.0.1') in ipaddress.ip_network('10.0.0.0/8')",
            json!(true),
        ),
        // Functions, loops, exceptions of one's own.
        ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nreturn f(10)", json!(3628800)),
        (
            "return sorted([{'a': 2}, {'a': 1}], key=lambda d: d['a']), max([1, 3, 2]), sum(x for x in range(4))",
            json!({"$tuple": [[{"a": 1}, {"a": 2}], 3, 6]}),
        ),
        ("try:\n    {}['x']\nexcept KeyError:\n    return 'key'\nfinally:\n    ak_message('f')", json!("key")),
        ("class P:\n    def __init__(self, x):\n        self.x = x\nreturn P(3).x", json!(3)),
        (
            "return hasattr(request.user, 'backend'), hasattr(request.user, 'email'), getattr(request.user, 'nope', 1)",
            json!({"$tuple": [false, true, 1]}),
        ),
        (
            "return request.user.group_attributes(request)['level'], request.user.locale(), request.obj.slug, request.http_request.tenant.branding_title, request.debug",
            json!({"$tuple": [3, "de", "shop", "T", false]}),
        ),
        (
            "return isinstance(context['source'], OAuthSource), isinstance(request.user, User), isinstance(request.user, Group)",
            json!({"$tuple": [true, true, false]}),
        ),
        (
            "return f'{request.user} {request.user.ak_groups.first()} {context[\"source\"]}'",
            json!("marie admins Discord"),
        ),
        (
            "from msgraph.generated.models.password_profile import PasswordProfile\nreturn PasswordProfile(password='x').password",
            json!("x"),
        ),
    ]
}

#[test]
fn every_function_gives_what_it_must() {
    let mut wrong = Vec::new();
    for (text, expected) in cases() {
        if expected.is_null() && text.contains("'groups': request") {
            continue;
        }
        match run(text) {
            Ok(outcome) if outcome.value == value(expected.clone()) => {}
            Ok(outcome) => wrong.push(format!("{text}\n  gave     {}\n  expected {expected}", outcome.value.to_json())),
            Err(error) => wrong.push(format!("{text}\n  failed: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_context_is_one_object_and_comes_back() {
    let text = "request.context['prompt_data']['username'] = 'x'\ncontext['here'] = 1\ncontext['flow_plan'].context['groups'] = Group.objects.filter(name='staff')\n\
                plan = context['flow_plan']\nplan.redirect('https://foo.bar')\ncontext['pending_user'].attributes['seen'] = True\nak_message('m')\nak_logger.info('l', a=request)\nprint('p')\nreturn request.context is context";
    let outcome = run(text).expect("an outcome");
    assert_eq!(outcome.value, Value::Bool(true));
    let plan = outcome.plan.expect("a plan");
    assert_eq!(plan["prompt_data"].as_map().expect("a map")["username"], "x".into());
    assert_eq!(outcome.context["prompt_data"], plan["prompt_data"], "the maps inside are shared");
    assert_eq!(outcome.context["here"], Value::Int(1));
    assert!(!plan.contains_key("here") && !outcome.context.contains_key("flow_plan"));
    let Value::List(groups) = &plan["groups"] else { panic!("{:?}", plan["groups"]) };
    assert!(
        matches!(&groups[..], [Value::Handle(group)] if group.id == "g3"),
        "a query in the context is kept as its rows"
    );
    let Value::Handle(user) = &plan["pending_user"] else { panic!("no user") };
    assert_eq!(
        user.attributes.as_ref().expect("attributes")["attributes"].as_map().expect("a map")["seen"],
        Value::Bool(true)
    );
    assert_eq!(outcome.plan_changes, [PlanChange::Redirect("https://foo.bar".to_owned())]);
    assert_eq!(outcome.messages, ["m"]);
    assert_eq!(outcome.log.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["l", "p"]);

    // What is kept can be taken up again.
    let kept = serde_json::to_string(&plan).expect("JSON");
    let again: gatewright::expression::Map = serde_json::from_str(&kept).expect("a map");
    assert_eq!(again, plan);
}

#[test]
fn an_empty_query_that_is_returned_is_false() {
    for (name, truth) in [("nobody", false), ("admins", true)] {
        let outcome = run(&format!("return request.user.ak_groups.filter(name='{name}')")).expect("an outcome");
        assert_eq!(outcome.truth, truth, "{name}");
        assert!(matches!(outcome.value, Value::List(rows) if rows.is_empty() != truth));
    }
}

#[test]
fn saving_tells_only_what_changed() {
    let world = World::new();
    let text = "request.user.attributes['a'] = 1\nrequest.user.name = 'M'\nrequest.user.save()\nrequest.user.save()\n\
                request.user.ak_groups.set(Group.objects.filter(name__in=['staff', 'test_group']))\nrequest.user.ak_groups.add(Group.objects.get(pk='g1'))\n\
                ak_create_event('custom', foo=request.user)\ndefine_attribute(vendor_code=9)\n\
                from authentik.flows.models import Flow, FlowAuthenticationRequirement\n\
                Flow.objects.filter(slug='initial-setup').update(authentication=FlowAuthenticationRequirement.REQUIRE_SUPERUSER)\n\
                User(username='u').save()";
    run_with(text, world.scope(), &world).expect("an outcome");
    let calls = world.calls();
    assert!(
        calls[0].starts_with("save authentik_core.user u1 {")
            && calls[0].contains("\"name\":\"M\"")
            && !calls[0].contains("email"),
        "{calls:#?}"
    );
    assert_eq!(calls[1], "save authentik_core.user u1 {}");
    assert_eq!(calls[2], "relate u1 ak_groups Set g2,g3");
    assert_eq!(calls[3], "relate u1 ak_groups Add g1");
    assert!(calls[4].starts_with("event custom ") && calls[4].ends_with(",foo"), "{}", calls[4]);
    assert_eq!(calls[5], "attribute {\"vendor_code\":9}");
    assert_eq!(calls[6], "update authentik_flows.flow {\"authentication\":\"require_superuser\"}");
    assert_eq!(calls[7], "save authentik_core.user  {\"username\":\"u\"}");
}

#[test]
fn an_exception_says_where_it_was_raised() {
    for (text, name, line) in [
        ("x = 1\n\nreturn {}['a']", "KeyError", 3),
        (
            "from authentik.core.models import (\n    User,\n)\nreturn User.objects.get(username='nobody')",
            "LookupError",
            4,
        ),
        ("def f():\n    return 1 / 0\nreturn f()", "ZeroDivisionError", 2),
        ("return request.user.nothing", "AttributeError", 1),
        ("return nothing", "NameError", 1),
        ("open('/etc/passwd')", "PermissionError", 1),
        ("if True:\n  return [g for g in Group.objects.filter(no=1)]", "ValueError", 2),
    ] {
        let error = run(text).expect_err(text);
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(matches!(&error.kind, ErrorKind::Exception { name: found, .. } if found == name), "{text}: {error}");
    }
}

#[test]
fn skipping_is_told_from_failing() {
    assert_eq!(run("raise SkipObject").expect_err("skipped").kind, ErrorKind::Skip);
    assert_eq!(
        run("try:\n    raise SkipObject\nexcept Exception:\n    return 1").expect_err("skipped").kind,
        ErrorKind::Skip
    );
    assert_eq!(
        run("if ldap.get('cn') == 'Ann':\n    raise SkipObject('no')").expect_err("skipped").kind,
        ErrorKind::Skip
    );
}

#[test]
fn mappings_have_a_user_only_if_there_is_one() {
    let text = "try:\n    return user.username\nexcept NameError:\n    return 'none'";
    let world = World::new();
    let mapping = compile(text, &Variables::mapping([])).expect("a program");
    let run = |user: Option<Handle>| {
        let scope = Scope { user, ..Scope::default() };
        super::runtime()
            .block_on(gatewright::expression::evaluate(&mapping, scope, &world, &super::patient()))
            .expect("an outcome")
            .value
    };
    assert_eq!(run(Some(world.user("u1"))), "marie".into());
    assert_eq!(run(None), "none".into());
    assert_eq!(mapping.warnings(), []);
}

#[test]
fn what_cannot_run_is_refused_with_its_place() {
    for (text, line, column, construct) in [
        ("return (", 1, 9, "syntax"),
        ("x = 1\n  y = 2", 2, 1, "syntax"),
        ("", 1, 1, "syntax"),
        ("a = 1\nimport os", 2, 8, "import of os"),
        ("from authentik.core.models import User, Nothing", 1, 41, "import of Nothing from authentik.core.models"),
        ("from django.db import connection", 1, 1, "import of django.db"),
        ("class A(B):\n    pass", 1, 8, "class with bases"),
        ("class A:\n    def __bool__(self):\n        return False", 2, 9, "__bool__"),
        ("match 1:\n    case 1:\n        return 1", 1, 1, "match"),
        ("async def f():\n    return 1", 1, 1, "async def"),
        ("x = 1\nreturn (lambda: (yield 1))", 2, 18, "yield in a function"),
        ("del x", 1, 5, "del of a name"),
        ("_gw_t = 1", 1, 1, "_gw_t"),
        ("return _gw_native('now')", 1, 8, "_gw_native"),
    ] {
        let faults = compile(text, &variables()).expect_err(text);
        let fault = &faults[0];
        assert_eq!(
            (fault.line, fault.column, fault.construct.as_str()),
            (line, column, construct),
            "{text}\n{fault:#?}"
        );
    }
    let faults = compile("import os\nimport sys\nclass A(B): pass", &variables()).expect_err("three faults");
    assert_eq!(faults.len(), 3, "all at once");
}

#[test]
fn names_that_nothing_defines_are_warned_of() {
    let found = program("return requst.user or ldap or nothing or ak_mesage or len([])");
    let warnings: Vec<_> =
        found.warnings().iter().map(|fault| (fault.message.as_str(), fault.help.as_deref(), fault.column)).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings.iter().any(|(message, help, column)| message.contains("requst")
        && help.is_some_and(|help| help.contains("`request`"))
        && *column == 8));
    assert!(warnings.iter().any(|(_, help, _)| help.is_some_and(|help| help.contains("`ak_message`"))));
    assert_eq!(Purpose::default(), Purpose::Policy);
}

#[test]
fn values_survive_being_kept() {
    let all = map(json!({
        "none": null, "int": -3, "big": {"$int": "-123456789012345678901234567890"}, "float": 1.0, "nan": {"$float": "inf"}, "bytes": {"$bytes": "AGE="},
        "tuple": {"$tuple": [1, {"$set": [2]}]}, "dict": {"$dict": [[1, {"$date": "2024-02-29"}], [null, {"$time": "10:20:30.5"}]]},
        "tagged": {"$dict": [["$int", "not a tag"]]}, "naive": {"$datetime": ["2024-02-29T10:20:30"]}, "aware": {"$datetime": ["2024-02-29T10:20:30.000001", 7200]},
        "span": {"$timedelta": [-1, 86399, 5]}, "address": {"$address": "2001:db8::1"}, "network": {"$network": "10.0.0.0/8"},
        "handle": {"$handle": {"kind": "authentik_core.user", "id": "u", "attributes": {"a": [{"$handle": {"kind": "k", "id": "i"}}]}}},
    }));
    let text = serde_json::to_string(&all).expect("JSON");
    assert_eq!(serde_json::from_str::<gatewright::expression::Map>(&text).expect("a map"), all);
    assert!(serde_json::from_str::<Value>("{\"$nothing\": 1}").is_err());

    // And the way through the sandbox.
    let mut through = all;
    through.shift_remove("handle");
    let world = World::new();
    let scope = Scope { variables: map(json!({})), ..Scope::default() };
    let scope = Scope {
        variables: gatewright::expression::Map::from_iter([("data".to_owned(), Value::Map(through.clone()))]),
        ..scope
    };
    let outcome = run_with("return data", scope, &world).expect("an outcome");
    assert_eq!(outcome.value, Value::Map(through));
}

#[test]
fn attributes_that_an_expression_does_not_name_stay_with_their_object() {
    let world = World::new();
    let user = Handle::with(
        "authentik_core.user",
        "u9",
        map(
            json!({"username": "x", "email": "e", "attributes": {"a": {"$handle": {"kind": "k", "id": "i", "attributes": {}}}}}),
        ),
    );
    let scope = Scope { context: map(json!({"who": Value::Handle(user).to_json()})), ..Scope::default() };
    let outcome = run_with("context['who'].email = 'f'\nreturn context['who']", scope, &world).expect("an outcome");
    assert_eq!(outcome.value, outcome.context["who"]);
    let Value::Handle(user) = outcome.value else { panic!("no user") };
    let attributes = user.attributes.expect("attributes");
    assert_eq!(attributes["email"], "f".into());
    assert!(
        matches!(&attributes["attributes"], Value::Map(map) if matches!(&map["a"], Value::Handle(one) if one.id == "i"))
    );

    // Names that are computed reach all of them.
    let scope = Scope { user: Some(world.user("u1")), ..Scope::default() };
    let outcome = run_with("return getattr(request.user, 'e' + 'mail'), '{0.uid}'.format(request.user)", scope, &world)
        .expect("an outcome");
    assert_eq!(outcome.value, value(json!({"$tuple": ["marie@example.com", "uid-marie"]})));
}
