//! What expressions reach of the world.

use gatewright::{
    expression::{Map, Value},
    policies::{
        engine::PlanView,
        mappings::evaluate::{Mapping, MappingError, mapping},
    },
};
use serde_json::{Value as Json, json};

use super::lab::Lab;

const PEOPLE: &str = "
- {model: authentik_core.group, id: staff, identifiers: {name: staff}, attrs: {attributes: {tier: 1, list: [a]}}}
- {model: authentik_core.group, id: finance, identifiers: {name: finance}, attrs: {parent: !KeyOf staff, attributes: {list: [b]}}}
- {model: authentik_core.group, id: admins, identifiers: {name: admins}, attrs: {is_superuser: true}}
- {model: authentik_core.user, id: ada, identifiers: {username: ada}, attrs: {name: Ada L, email: ada@example.org, groups: [!KeyOf finance], attributes: {role: dev, '$bytes': eA==}}}
- {model: authentik_core.user, identifiers: {username: bob}, attrs: {name: Bob, email: bob@example.org, groups: [!KeyOf staff, !KeyOf admins]}}
- {model: authentik_core.user, identifiers: {username: eve}, attrs: {name: Eve, email: eve@example.com, is_active: false}}
- {model: authentik_core.application, id: app, identifiers: {slug: app}, attrs: {name: App, meta_launch_url: 'https://app/%(username)s'}}
- {model: authentik_policies_expression.expressionpolicy, identifiers: {name: template}, attrs: {expression: return True}}
- {model: authentik_policies_expression.expressionpolicy, identifiers: {name: callee}, attrs: {expression: \"ak_message(str(context['x'])); context['y'] = 2; return context['x']\"}}
- {model: authentik_policies_expression.expressionpolicy, identifiers: {name: endless}, attrs: {expression: \"return ak_call_policy('endless').passing\"}}
";

#[tokio::test]
async fn expressions_see_people_and_ask_the_directory() {
    let lab = Lab::new(PEOPLE).await;
    let users = "from authentik.core.models import User, Group, Application\n";
    let table: Vec<(&str, Json)> = vec![
        (
            "return [request.user.username, request.user.email, request.user.is_superuser, request.user.attributes['role']]",
            json!(["ada", "ada@example.org", false, "dev"]),
        ),
        // What looks like a tag of the stored form of contexts is data.
        ("return type(request.user.attributes['$bytes']).__name__", json!("str")),
        ("return [group.name for group in request.user.ak_groups.all()]", json!(["finance"])),
        ("return [group.name for group in request.user.all_groups().order_by('name')]", json!(["finance", "staff"])),
        (
            "return [ak_is_group_member(request.user, name='staff'), ak_is_group_member(request.user, name='admins')]",
            json!([true, false]),
        ),
        ("return ak_is_group_member(request.user, attributes__tier=1)", json!(true)),
        ("return request.user.group_attributes()", json!({"list": ["b"], "role": "dev", "$bytes": "eA=="})),
        ("return ak_user_by(username='bob').name", json!("Bob")),
        ("return ak_user_by(email__endswith='@example.com').username", json!("eve")),
        ("return [ak_user_by(username='zoe'), ak_user_by(unknown=1)]", json!([null, null])),
        ("return ak_user_by(username='bob').is_superuser", json!(true)),
        ("return ak_user_by(pk=request.user.pk).username", json!("ada")),
        ("return User.objects.filter(is_active=True).exclude(username='ada').count()", json!(1)),
        (
            "return list(User.objects.filter(ak_groups__name='staff').values_list('username', flat=True))",
            json!(["bob"]),
        ),
        (
            "return list(User.objects.order_by('-username').values_list('username', flat=True)[:2])",
            json!(["eve", "bob"]),
        ),
        (
            "return list(User.objects.filter(username__in=['ada', 'bob']).order_by('email').values('username', 'is_active'))",
            json!([{"username": "ada", "is_active": true}, {"username": "bob", "is_active": true}]),
        ),
        ("return User.objects.filter(attributes__role='dev').exists()", json!(true)),
        (
            "return [user.username for user in Group.objects.get(name='staff').users.order_by('username')]",
            json!(["bob"]),
        ),
        ("return Application.objects.get(slug='app').get_launch_url()", json!("https://app/ada")),
        ("return request.user.has_usable_password()", json!(false)),
        ("return ak_user_has_authenticator(request.user)", json!(false)),
        ("return str(ak_client_ip)", json!("192.0.2.1")),
        (
            "return [http_request.headers['User-Agent'], http_request.META['HTTP_USER_AGENT'], http_request.GET.get('next'), http_request.COOKIES]",
            json!(["Lynx", "Lynx", "/", {"theme": "dark"}]),
        ),
        ("return 'authorization' in http_request.headers or 'HTTP_COOKIE' in http_request.META", json!(false)),
        (
            "r = ak_call_policy('callee', x=5)\nreturn [r.passing, r.messages, r.raw_result, context['y']]",
            json!([true, {"$tuple": ["5"]}, 5, 2]),
        ),
    ];
    for (expression, expected) in table {
        let text =
            if expression.contains("User.") || expression.contains("Group.") || expression.contains("Application.") {
                format!("{users}{expression}")
            } else {
                expression.to_owned()
            };
        assert_eq!(lab.evaluate(&text, None).await, Ok(dict(expected)), "{expression}");
    }
}

/// A mapping with a key that begins with `$` has a form of its own.
fn dict(value: Json) -> Json {
    match value {
        Json::Object(map) if map.contains_key("$bytes") => {
            json!({"$dict": map.into_iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>()})
        }
        other => other,
    }
}

#[tokio::test]
async fn what_expressions_may_not_do_is_an_error_that_says_so() {
    let lab = Lab::new(PEOPLE).await;
    let revision = lab.world.store().revision().await.expect("a revision");
    let table = [
        ("User.objects.create(username='x')", "PermissionError: expressions cannot create"),
        ("request.user.delete()", "PermissionError: expressions cannot delete"),
        (
            "Group.objects.filter(name='staff').update(name='x')",
            "PermissionError: expressions cannot change or delete many",
        ),
        (
            "g = Group.objects.get(name='staff')\ng.is_superuser = True\ng.save()",
            "PermissionError: expressions cannot change is_superuser",
        ),
        (
            "request.user.is_superuser = True\nrequest.user.save()",
            "PermissionError: expressions cannot change is_superuser",
        ),
        ("request.user.type = 'internal_service_account'\nrequest.user.save()", "ValueError: type"),
        ("request.user.username = ''\nrequest.user.save()", "ValueError: username"),
        ("User.objects.filter(nonsense=1).first()", "ValueError: Cannot resolve keyword 'nonsense'"),
        ("ak_call_policy('nobody')", "ValueError: there is no policy named"),
        ("ak_call_policy('endless')", "more than 10 deep"),
        ("requests.get('http://127.0.0.1:1/')", "OSError: 127.0.0.1 is a loopback address"),
        ("ak_create_jwt(request.user, 'p', [])", "NotImplementedError"),
    ];
    for (expression, expected) in table {
        let text = format!("from authentik.core.models import User, Group\n{expression}");
        let error = lab.evaluate(&text, None).await.expect_err(expression);
        assert!(error.contains(expected), "{expression}: {error}");
    }
    assert_eq!(lab.world.store().revision().await.expect("a revision"), revision);
}

#[tokio::test]
async fn expressions_describe_people_and_leave_events() {
    let lab = Lab::new(PEOPLE).await;
    let text = "from authentik.core.models import Group\nrequest.user.attributes['seen'] = True\nrequest.user.name = 'Ada'\n\
                request.user.save()\nrequest.user.ak_groups.add(Group.objects.get(name='admins'))\n\
                request.user.set_password('new one')\nak_create_event('seen', password='x', note='y')\n\
                return [g.name for g in request.user.ak_groups.order_by('name')]";
    assert_eq!(lab.evaluate(text, None).await, Ok(json!(["admins", "finance"])));
    let again = "return [request.user.name, request.user.attributes['seen'], request.user.check_password('new one')]";
    assert_eq!(lab.evaluate(again, None).await, Ok(json!(["Ada", true, true])));
    assert_eq!(lab.events().await, ["custom_seen"]);
    let changes = lab.world.store().changes_of(lab.person("ada").await.id().expect("ada")).await.expect("changes");
    assert!(changes.iter().any(|change| change.actor == "expression:template"), "{changes:?}");
}

#[tokio::test]
async fn the_plan_is_shared_below_its_keys_and_not_at_the_top() {
    let lab = Lab::new(PEOPLE).await;
    let data = Value::Map(Map::from_iter([("username".to_owned(), Value::text("x"))]));
    let mut plan = PlanView { context: Map::from_iter([("prompt_data".to_owned(), data)]), ..PlanView::default() };
    let text = "context['prompt_data']['username'] = 'ada'\ncontext['top'] = 1\nplan = context['flow_plan']\n\
                plan.context['deny_message'] = 'no'\nplan.context['pending_user'] = request.user\nplan.redirect('https://x/')\n\
                return True";
    assert_eq!(lab.evaluate(text, Some(&mut plan)).await, Ok(json!(true)));
    let Value::Map(data) = &plan.context["prompt_data"] else { panic!("a mapping") };
    assert_eq!(data["username"], Value::text("ada"));
    assert!(!plan.context.contains_key("top"));
    assert_eq!(plan.context["deny_message"], Value::text("no"));
    assert_eq!(plan.redirects, ["https://x/"]);
    // Whoever is in a context is a reference: what an expression saw of them is not kept.
    let Value::Handle(pending) = &plan.context["pending_user"] else { panic!("a user") };
    assert!(pending.attributes.is_none());
}

#[tokio::test]
async fn mappings_give_values_skip_and_fail_with_an_event() {
    let lab = Lab::new(PEOPLE).await;
    let subject = lab.person("ada").await;
    let run = async |expression: &str| {
        let variables = Map::from_iter([("ldap".to_owned(), Value::Map(Map::new()))]);
        let asked = Mapping {
            object: None,
            name: "mapping",
            expression,
            subject: &subject,
            visit: None,
            variables,
            debug: false,
        };
        mapping(&lab.world, asked).await.map(|(value, _)| value.to_json())
    };
    assert_eq!(run("return {'n': user.username, 'l': ldap}").await.expect("a value"), json!({"n": "ada", "l": {}}));
    assert_eq!(run("yield 'a'\nyield 'b'").await.expect("a value"), json!(["a", "b"]));
    assert!(matches!(run("raise SkipObject").await, Err(MappingError::Skip)));
    assert!(lab.events().await.is_empty());
    assert!(matches!(run("return 1 +").await, Err(MappingError::Failed { .. })));
    assert!(matches!(run("return nothing_like_it").await, Err(MappingError::Failed { .. })));
    assert_eq!(lab.events().await, ["property_mapping_exception"; 2]);
}
