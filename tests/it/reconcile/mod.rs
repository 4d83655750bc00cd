//! Sources of blueprints: how they are fetched, what is applied, what is refused, and what is told; against real folders
//! and servers of this machine. And what the reconciler asks about a change.

mod access;
mod attempts;
mod broken_calls;
mod directory;
mod egress;
mod faults;
mod git;
mod git_https;
mod git_signatures;
mod git_ssh;
mod impact;
pub mod lab;
mod lockout;
mod oci;
mod rollback;
mod watch;
mod world;

use std::collections::BTreeSet;

use gatewright::model::{Model, Need, Residency};

use crate::support::lab::Lab;

/// Asks on models that hold only what a store keeps in memory, loading what is asked for, and says what was.
///
/// # Panics
/// When the asking does not come to an end.
pub fn loading<T>(
    before: &Model,
    after: &Model,
    ask: impl Fn(&Model, &Model) -> Result<T, BTreeSet<Need>>,
) -> (T, BTreeSet<Need>) {
    let whole = [before, after].map(|model| {
        let mut lab = Lab::new();
        lab.model = model.clone();
        lab
    });
    let mut partial = [before, after].map(|model| {
        let registry = model.registry();
        let mut partial = Model::partial(registry.clone(), model.instance, model.revision);
        let resident = model.objects().filter(|object| registry.get(object.kind).residency == Residency::Resident);
        // What the plan touches is loaded before anybody asks.
        let touched = model.objects().filter(|object| {
            let of = |model: &Model| model.known(object.id).cloned();
            of(before) != of(after)
        });
        resident.chain(touched).for_each(|object| partial.put(object.clone()));
        partial
    });
    let mut asked = BTreeSet::new();
    for _ in 0..100 {
        let needs = match ask(&partial[0], &partial[1]) {
            Ok(answer) => return (answer, asked),
            Err(needs) => needs,
        };
        assert!(needs.iter().any(|need| !asked.contains(need)), "asks for what it was given: {needs:?}");
        for need in needs {
            for (lab, model) in whole.iter().zip(&mut partial) {
                lab.answer(&need).into_iter().for_each(|object| model.put(object));
                model.answer(need.clone());
            }
            asked.insert(need);
        }
    }
    panic!("asks for ever");
}
pub mod drift;
