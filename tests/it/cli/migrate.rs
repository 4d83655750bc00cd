//! `migrate`: files of other releases rewritten, with their comments and layout.

use super::Desk;

const OLD: &str = "\
# Written for 2023.3, and read by many.
version: 1
metadata:
  name: old # the name stays
entries:
  # The house's own brand.
  - model: authentik_tenants.tenant # renamed in 2024.2
    id: brand
    identifiers:
      domain: acme.test
    attrs:
      branding_title: Acme   # two blanks before
      # kept for a month
      event_retention: days=30 # gone
  - model: authentik_sources_ldap.ldappropertymapping
    id: mail
    identifiers: {name: \"mail\"}
    attrs:
      object_field: email   # where it goes
      expression: |
        # a comment of the expression
        return list_flatten(ldap.get(\"mail\"))

  - model: authentik_sources_ldap.ldapsource
    identifiers: {slug: ldap}
    attrs:
      name: ldap
      server_uri: ldaps://ldap.acme.test
      base_dn: dc=acme
      user_property_mappings:   # of 2024.8
        - !KeyOf mail
        - !Find [authentik_sources_ldap.ldappropertymapping, [name, mail]]
  - model: authentik_flows.flow
    id: flow
    identifiers: {slug: f}
    attrs: {name: f, title: F, designation: authorization}
  - model: authentik_providers_oauth2.oauth2provider
    identifiers:
      name: web
    attrs:
      authorization_flow: !KeyOf flow
      client_id: web
      redirect_uris: |   # all of them
        https://a.test/cb
        https://b.test/cb
      # behind the list
      sub_mode: user_email
  - model: authentik_providers_oauth2.oauth2provider
    identifiers: {name: phone}
    attrs: {client_id: phone, authorization_flow: !KeyOf flow, redirect_uris: \"app://cb\"}
  - model: authentik_tenants.tenant
    identifiers: {domain: other.test}
    attrs: {branding_title: Other, event_retention: days=1}
  - model: authentik_tenants.tenant
    identifiers: {domain: third.test}
    attrs: {
      event_retention: days=1,
      branding_title: Third }
";

/// The objects of a plan with what they are made of.
fn planned(desk: &Desk, name: &str) -> Vec<String> {
    let plan = desk.expect(0, &["plan", "--json", name]).json();
    let changes = plan["changes"].as_array().expect("changes");
    let changes = changes.iter().map(|change| {
        let fields = change["fields"].as_array().expect("fields").iter();
        let fields: Vec<String> = fields.map(|field| format!("{}={}", field["field"], field["after"])).collect();
        format!("{} {} {}", change["kind"], change["name"], fields.join(" "))
    });
    changes.collect()
}

#[test]
fn a_file_of_another_release_is_rewritten() {
    let desk = Desk::new();
    desk.write("old.yaml", OLD);
    insta::assert_snapshot!("warnings", desk.expect(0, &["validate", "old.yaml"]).page());
    let before = planned(&desk, "old.yaml");
    assert_eq!(before.len(), 8, "{before:#?}");
    insta::assert_snapshot!("diff", desk.expect(2, &["migrate", "old.yaml"]).page());
    assert_eq!(desk.read("old.yaml"), OLD, "without --write nothing is written");

    insta::assert_snapshot!("written", desk.expect(0, &["migrate", "--write", "old.yaml"]).page());
    let new = desk.read("old.yaml");
    insta::assert_snapshot!("rewritten", new);
    let comments =
        |text: &str| text.lines().filter_map(|line| Some(line.split_once('#')?.1.to_owned())).collect::<Vec<_>>();
    let mut kept = comments(OLD);
    kept.retain(|comment| comment != " gone");
    assert_eq!(comments(&new), kept, "only the comment of the removed line goes");

    let again = desk.expect(0, &["migrate", "--write", "old.yaml"]);
    assert!(again.out.ends_with("1 file looked at, 0 rewritten.\n"), "{}", again.page());
    assert_eq!(desk.read("old.yaml"), new);
    assert_eq!(planned(&desk, "old.yaml"), before, "the rewritten file means the same");
}

/// What cannot be rewritten without understanding it is left to a person, and said.
#[test]
fn what_is_computed_is_left_to_a_person() {
    let desk = Desk::new();
    let text = "\
version: 1
context:
  kept: {event_retention: days=1}
entries:
  - model: !Format [authentik_tenants.%s, tenant]
    identifiers: {domain: a.test}
    attrs:
      branding_title: !Context title
  - model: authentik_policies_event_matcher.eventmatcherpolicy
    identifiers: {name: x}
    attrs: {client_ip: !Format [\"\"]}
";
    desk.write("a.yaml", text);
    let ran = desk.expect(0, &["migrate", "--write", "a.yaml"]);
    insta::assert_snapshot!("left_to_a_person", ran.page());
    assert_eq!(desk.read("a.yaml"), text);
}

#[test]
fn line_ends_and_marks_stay_as_they_are() {
    let desk = Desk::new();
    desk.write("plain.yaml", OLD);
    desk.write("windows.yaml", &format!("\u{feff}{}", OLD.replace('\n', "\r\n")));
    desk.expect(0, &["migrate", "--write", "plain.yaml", "windows.yaml"]);
    assert_eq!(desk.read("windows.yaml"), format!("\u{feff}{}", desk.read("plain.yaml").replace('\n', "\r\n")));
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let desk = Desk::new();
    desk.write("bp/a.yaml", "entries: [\n");
    desk.write("bp/b.yaml", OLD);
    desk.write("bp/c.yaml", "version: 1\nentries: []\n");
    let ran = desk.expect(1, &["migrate", "--write", "bp"]);
    assert!(ran.out.ends_with("rewritten: bp/b.yaml\n3 files looked at, 1 rewritten.\n"), "{}", ran.page());
    assert!(ran.err.contains("error[GW0010]"), "{}", ran.page());
    assert_ne!(desk.read("bp/b.yaml"), OLD);
}
