//! Exports through the engine: over the system they come from they plan to nothing, and an empty one becomes its like.

use std::{collections::BTreeMap, path::PathBuf};

use gatewright::{
    blueprint::{
        export::{Options, Selection, export},
        inputs::Environment,
    },
    model::Model,
};

use crate::support::lab::Lab;

/// A system with the shipped blueprints and all examples in it. Placeholders of secrets may be read, and are unset.
fn system() -> Lab {
    let mut lab = Lab::new();
    lab.inputs.environment = Environment::new(BTreeMap::new(), BTreeMap::new(), &["*".to_owned()]).expect("a pattern");
    let judged = lab.plan_paths(&[PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints")]);
    assert!(judged.errors().is_empty(), "{}", judged.report());
    lab.commit(&judged.plan);
    lab
}

fn text(model: &Model, selection: &Selection, options: &Options) -> String {
    export(model, selection, options).expect("the model is complete").text
}

/// The text without the comments at its top, which name counts.
fn body(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_whole_system_goes_out_and_comes_in_again() {
    let lab = system();
    for options in [Options::default(), Options { full: true, ..Options::default() }] {
        let exported = text(&lab.model, &Selection::Everything, &options);
        let over_itself = lab.plan(&[("export.yaml", &exported)]);
        assert!(over_itself.errors().is_empty(), "{}", over_itself.report());
        assert!(over_itself.plan.is_empty(), "{:?}", over_itself.plan.counts());
        let mut copy = lab.clone();
        copy.model = Lab::new().model;
        copy.apply(&exported);
        assert_eq!(body(&text(&copy.model, &Selection::Everything, &options)), body(&exported));
        assert!(copy.plan(&[("export.yaml", &exported)]).plan.is_empty());
    }
}

#[test]
fn each_flow_and_object_goes_out_alone() {
    let lab = system();
    for object in lab.model.objects() {
        let kind = lab.model.registry().get(object.kind).name;
        let mut selections = vec![Selection::Objects { ids: vec![object.id], closure: true }];
        if kind == "authentik_flows.flow" {
            selections.push(Selection::Flow(object.id));
        }
        for selection in selections {
            let exported = text(&lab.model, &selection, &Options::default());
            let judged = lab.plan(&[("export.yaml", &exported)]);
            assert!(judged.errors().is_empty(), "{exported}\n{}", judged.report());
            assert!(judged.plan.is_empty(), "{kind}: {exported}\n{:?}", judged.plan.counts());
        }
    }
}
