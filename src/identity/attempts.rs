//! Attempts at an account: counted before the secret is looked at, for the account and for the address that they come from.
//!
//! All factors of an account share one count, so that nobody has more guesses by turning from one factor to another. After
//! a few failures the account takes no attempt for a while, longer each time; who tries meanwhile is told what everybody is
//! told who is wrong, after the same work. The count ends with a sign-in and not with a single right factor: else who knows
//! the password could clear the count of guessed codes with it.

use std::net::IpAddr;

use uuid::Uuid;

use super::{visit::Visit, world::World};
use crate::store::StoreError;

/// Scope of the counts of accounts.
const ACCOUNT: &str = "account";
/// Scopes of the counts of addresses, the length of their windows in microseconds, and how many attempts each takes.
const SOURCE: [(&str, i64, i64); 2] = [("source/minute", 60_000_000, 20), ("source/hour", 3_600_000_000, 200)];
/// Failures after which an account begins to wait.
const FREE: i64 = 5;
/// The longest wait, in microseconds.
const LONGEST: i64 = 900_000_000;
/// Attempts that lie longer back are forgotten, in microseconds.
const WINDOW: i64 = 2 * LONGEST;

/// An attempt that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whether it may succeed. If not, do the same work and say that the secret was wrong.
    pub allowed: bool,
    account: String,
    sources: Vec<(&'static str, String)>,
}

/// Counts an attempt at an account: a user, or a name that nobody has.
///
/// # Errors
/// When the database fails.
pub async fn begin(world: &World, visit: &Visit, account: Account<'_>) -> Result<Attempt, StoreError> {
    let now = world.now();
    let account = account.subject();
    let counted = world.store().count_attempt(ACCOUNT, &account, now, WINDOW).await?;
    let mut allowed = now.saturating_sub(counted.last) >= wait(counted.count);
    let network = network(visit.client);
    let mut sources = Vec::new();
    for (scope, length, most) in SOURCE {
        let subject = format!("{network}@{}", now / length);
        allowed &= world.store().count_attempt(scope, &subject, now, length).await?.count <= most;
        sources.push((scope, subject));
    }
    if !allowed {
        tracing::warn!(account, client = %visit.client, "attempts at an account come too fast and are refused");
    }
    Ok(Attempt { allowed, account, sources })
}

/// Takes an attempt back that was right. Those before it still count.
///
/// # Errors
/// When the database fails.
pub async fn was_right(world: &World, attempt: &Attempt) -> Result<(), StoreError> {
    world.store().forgive_attempt(ACCOUNT, &attempt.account).await?;
    for (scope, subject) in &attempt.sources {
        world.store().forgive_attempt(scope, subject).await?;
    }
    Ok(())
}

/// Forgets the attempts at an account, once somebody has signed in to it.
///
/// # Errors
/// When the database fails.
pub async fn forget(world: &World, person: Uuid) -> Result<(), StoreError> {
    world.store().forget_attempts(ACCOUNT, &Account::Person(person).subject()).await
}

/// Whose secret is tried.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// A user.
    Person(Uuid),
    /// A name that nobody has.
    Unknown(&'a str),
}

impl Account<'_> {
    fn subject(self) -> String {
        match self {
            Account::Person(person) => person.to_string(),
            // Whatever its length and content.
            Account::Unknown(name) => format!("name/{}", blake3::hash(name.to_lowercase().as_bytes()).to_hex()),
        }
    }
}

/// How long after the attempt before it an attempt must come, in microseconds; `count` includes it.
fn wait(count: i64) -> i64 {
    match count - FREE {
        over if over > 0 => 1_000_000_i64.saturating_mul(1_i64 << (over - 1).min(30)).min(LONGEST),
        _ => 0,
    }
}

/// The network that counts as one source: an IPv4 address, or the first half of an IPv6 address.
fn network(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<i64> = [1, 5, 6, 7, 8, 15, 16, 17, 1000, i64::MAX].map(|count| wait(count) / 1_000_000).into();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn a_source_is_an_address_or_half_of_one() {
        for (client, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(network(client.parse().expect("an address")), expected);
        }
    }
}
