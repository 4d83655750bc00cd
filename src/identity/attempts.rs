//! Limits on guessing: attempts are counted for all processes before a secret is looked at, and slowed down.

use std::time::Duration;

use uuid::Uuid;

use super::world::World;
use crate::store::StoreError;

/// Scope of the attempts at an account, whatever the secret is.
const ACCOUNT: &str = "account";
/// Scope of the attempts at one device.
const DEVICE: &str = "device";
/// Failures at an account that cost no time.
const FREE: i64 = 5;
/// The longest that somebody has to wait, in microseconds.
const LONGEST: i64 = 900_000_000;
/// After how long without an attempt all are forgotten, in microseconds.
const WINDOW: i64 = 3_600_000_000;

/// Counts an attempt at an account. Gives how long it comes too early, if it does: then nothing may be looked at.
///
/// # Errors
/// When the database fails.
pub async fn at_account(world: &World, person: Uuid) -> Result<Option<Duration>, StoreError> {
    count(world, ACCOUNT, person, FREE).await
}

/// Counts an attempt at a device: after n failures the next is 2^(n−1) seconds later at the earliest.
///
/// # Errors
/// When the database fails.
pub async fn at_device(world: &World, device: Uuid) -> Result<Option<Duration>, StoreError> {
    count(world, DEVICE, device, 0).await
}

/// Forgets the attempts at an account and its devices, after a success.
///
/// # Errors
/// When the database fails.
pub async fn forget(world: &World, person: Uuid, devices: &[Uuid]) -> Result<(), StoreError> {
    world.store().forget_attempts(ACCOUNT, &person.to_string()).await?;
    for device in devices {
        world.store().forget_attempts(DEVICE, &device.to_string()).await?;
    }
    Ok(())
}

async fn count(world: &World, scope: &str, subject: Uuid, free: i64) -> Result<Option<Duration>, StoreError> {
    let now = world.now();
    let attempts = world.store().count_attempt(scope, &subject.to_string(), now, WINDOW).await?;
    let early = attempts.last.saturating_add(wait(attempts.count - 1 - free)).saturating_sub(now);
    Ok(u64::try_from(early).ok().filter(|early| *early > 0).map(Duration::from_micros))
}

/// How long to wait after so many failures, in microseconds.
fn wait(failures: i64) -> i64 {
    match failures {
        ..=0 => 0,
        1..=10 => (1_000_000 << (failures - 1)).min(LONGEST),
        _ => LONGEST,
    }
}

#[cfg(test)]
mod tests {
    use super::wait;

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<i64> = [-5, 0, 1, 2, 3, 10, 11, i64::MAX].into_iter().map(|n| wait(n) / 1_000_000).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 512, 900, 900]);
    }
}
