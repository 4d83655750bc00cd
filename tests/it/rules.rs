//! Rules over several objects that a kind declares and the planner keeps.

use gatewright::base::diagnostic::Code;

use crate::support::lab::Lab;

const FIRST_DEFAULT: &str = "
version: 1
entries:
- model: authentik_brands.brand
  identifiers: {domain: one.example}
  attrs: {default: true}
";

#[test]
fn there_is_at_most_one_default_brand() {
    let mut lab = Lab::new();
    lab.apply(FIRST_DEFAULT);
    let second = FIRST_DEFAULT.replace("one.example", "two.example");
    let judged = lab.plan(&[("two.yaml", &second)]);
    assert_eq!(judged.errors(), [Code::KEY_TAKEN], "{}", judged.report());
    let neither = FIRST_DEFAULT.replace("one.example", "two.example").replace("true", "false");
    lab.apply(&neither);
    let moved = [("one.yaml", FIRST_DEFAULT.replace("true", "false")), ("two.yaml", second)];
    let moved: Vec<(&str, &str)> = moved.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert!(lab.plan(&moved).errors().is_empty(), "the mark may move from one brand to the other in one run");
}

/// Writing passwords back is on unless it is turned off, so two sources that do not mention it are one too many.
#[test]
fn at_most_one_directory_gets_passwords_written_back() {
    let source = |name: &str, more: &str| {
        format!(
            "version: 1\nentries:\n- model: authentik_sources_ldap.ldapsource\n  identifiers: {{slug: {name}}}\n  attrs: {{name: {name}, server_uri: ldaps://{name}.example, base_dn: dc={name}{more}}}\n"
        )
    };
    let (yes, no) = (", sync_users_password: true", ", sync_users_password: false");
    let together =
        |one: &str, two: &str| Lab::new().plan(&[("one.yaml", &source("one", one)), ("two.yaml", &source("two", two))]);
    for (one, two) in [("", ""), (yes, ""), ("", yes), (yes, yes)] {
        let judged = together(one, two);
        assert_eq!(judged.errors(), [Code::KEY_TAKEN], "{one} {two}: {}", judged.report());
        assert!(judged.words(Code::KEY_TAKEN).contains("sync_users_password"), "{}", judged.report());
    }
    for (one, two) in [(no, ""), ("", no), (no, no)] {
        let judged = together(one, two);
        assert!(judged.found.is_empty(), "{one} {two}: {}", judged.report());
    }
    let mut lab = Lab::new();
    lab.apply(&source("one", ""));
    assert_eq!(lab.plan(&[("two.yaml", &source("two", ""))]).errors(), [Code::KEY_TAKEN]);
    lab.apply(&source("two", no));
    let moved = lab.plan(&[("one.yaml", &source("one", no)), ("two.yaml", &source("two", yes))]);
    assert!(moved.found.is_empty() && moved.changed_fields().len() == 2, "{}", moved.report());
}

#[test]
fn groups_do_not_contain_themselves() {
    let circle = "
version: 1
entries:
- {model: authentik_core.group, id: a, identifiers: {name: a}, attrs: {parent: !KeyOf b}}
- {model: authentik_core.group, id: b, identifiers: {name: b}, attrs: {parent: !KeyOf c}}
- {model: authentik_core.group, id: c, identifiers: {name: c}, attrs: {parent: !KeyOf a}}
- {model: authentik_core.group, id: d, identifiers: {name: d}, attrs: {parent: !KeyOf d}}
";
    let judged = Lab::new().plan(&[("circle.yaml", circle)]);
    assert_eq!(judged.errors(), [Code::CIRCULAR; 4], "{}", judged.report());
    let mut lab = Lab::new();
    lab.apply(&circle.replace("attrs: {parent: !KeyOf a}", "attrs: {parent: null}").replace("!KeyOf d", "null"));
    let close = "
version: 1
entries:
- model: authentik_core.group
  identifiers: {name: c}
  attrs: {parent: !Find [authentik_core.group, [name, a]]}
";
    assert_eq!(lab.plan(&[("close.yaml", close)]).errors(), [Code::CIRCULAR]);
}

#[test]
fn outposts_serve_providers_of_their_type() {
    let outpost = "
version: 1
entries:
- {model: authentik_flows.flow, id: flow, identifiers: {slug: f}, attrs: {name: f, title: f, designation: authorization}}
- model: authentik_providers_ldap.ldapprovider
  id: provider
  identifiers: {name: directory}
  attrs: {authorization_flow: !KeyOf flow}
- model: authentik_outposts.outpost
  identifiers: {name: outpost}
  attrs: {type: TYPE, providers: [!KeyOf provider], config: {}}
";
    let errors = |kind: &str| Lab::new().plan(&[("outpost.yaml", &outpost.replace("TYPE", kind))]).errors();
    assert_eq!(errors("ldap"), []);
    assert_eq!(errors("proxy"), [Code::CROSS_FIELD]);
}

#[test]
fn entitlements_are_given_to_groups_and_users_only() {
    let binding = "
version: 1
entries:
- {model: authentik_core.application, id: app, identifiers: {slug: app}, attrs: {name: app}}
- model: authentik_core.applicationentitlement
  id: entitlement
  identifiers: {name: editor, app: !KeyOf app}
- {model: authentik_policies_dummy.dummypolicy, id: policy, identifiers: {name: p}}
- {model: authentik_core.group, id: group, identifiers: {name: g}}
- model: authentik_policies.policybinding
  identifiers: {target: !KeyOf entitlement, order: 0, WHO: !KeyOf WHO}
";
    let errors = |who: &str| Lab::new().plan(&[("binding.yaml", &binding.replace("WHO", who))]).errors();
    assert_eq!(errors("group"), []);
    assert_eq!(errors("policy"), [Code::CROSS_FIELD]);
}
