//! The lock-out guard on a store: loads what the guard asks for.

use super::lockout::{self, Lockout};
use crate::{
    blueprint::{
        drive::{self, DriveError},
        plan::Plan,
    },
    model::Model,
    policies::access::WithoutRequest,
    store::Store,
};

/// Whether a plan locks everybody out. `model` is the one that the plan was made for.
///
/// # Errors
/// When the store fails.
pub async fn check(store: &Store, plan: &Plan, model: &Model) -> Result<Lockout, DriveError> {
    let mut model = model.clone();
    loop {
        match lockout::check(&model, &plan.applied_to(&model), &WithoutRequest) {
            Ok(found) => return Ok(found),
            Err(needs) => {
                let mut reader = store.read().await?;
                model = drive::supply(&mut reader, model, needs.into_iter().collect()).await?;
            }
        }
    }
}
