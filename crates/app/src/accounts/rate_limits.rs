//! Rate limits by account and by address, in memory: a bucket of allowances that fills again with time.
//!
//! A bucket is one number, the time at which it will be full again; one that is full needs no number at all, so memory is
//! bounded by who was active lately, and by [`LARGEST`].

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use domicile_core::{clock::Clock, error::MatrixError, ids::UserNum};
use parking_lot::Mutex;
use ruma::UserId;
use sha2::{Digest, Sha256};

use crate::{Result, residency::Localities};

/// Buckets kept at most.
const LARGEST: usize = 100_000;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Attempts to log in from an address.
    LoginAddress,
    /// The same where it is not known yet in which cell the account is. It is counted by itself, of every attempt, by the same rate.
    FrontDoor,
    /// Tokens from an address that this cell does not know: it asks the other cells whose they are.
    TokensElsewhere,
    /// Attempts to log in to an account, the re-authentication of dangerous operations included.
    LoginAccount,
    /// Attempts to register, and questions whether a name or a token is good, from an address.
    Registration,
    /// Events that an account sends.
    Messages,
    /// Rooms that an account creates, and invites that it sends.
    Invites,
    /// Joins of an account.
    Joins,
    /// Files that an account uploads.
    Uploads,
    /// Searches of an account that cost the server much: the directory of users, the public rooms.
    Searches,
    /// Reports of an account to the operator.
    Reports,
    /// Names of the deployment's people whom nobody here has met, by an account or an address: each costs this cell a question of those that it may
    /// ask the directory.
    Strangers,
    /// Questions of an address for the keys of other servers: each may have this server ask a hundred of them.
    ServerKeys,
}

/// Whose bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An account's.
    Account(UserNum),
    /// That of an account's name that may not exist, as a hash.
    Name([u8; 16]),
    /// An address's; of IPv6 its /64, since that is what one customer gets.
    Address(IpAddr),
}

impl Key {
    /// The bucket of a name.
    pub fn name(name: &str) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
        Self::Name(short)
    }

    /// The bucket of an address.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(long) => Ipv6Addr::from(u128::from(long) & !u128::from(u64::MAX)).into(),
            short @ IpAddr::V4(_) => short,
        })
    }
}

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In the long run.
    pub per_second: f64,
    /// At once.
    pub burst: u32,
}

/// The rates; one that is missing is no limit.
#[derive(Clone, Debug, Default)]
pub struct RateLimitSettings {
    /// [`Limit::LoginAddress`]
    pub login_address: Option<Rate>,
    /// [`Limit::LoginAccount`]
    pub login_account: Option<Rate>,
    /// [`Limit::Registration`]
    pub registration: Option<Rate>,
    /// [`Limit::Messages`]
    pub messages: Option<Rate>,
    /// [`Limit::Invites`]
    pub invites: Option<Rate>,
    /// [`Limit::Joins`]
    pub joins: Option<Rate>,
    /// [`Limit::Uploads`]
    pub uploads: Option<Rate>,
    /// [`Limit::Searches`]
    pub searches: Option<Rate>,
    /// [`Limit::Reports`]
    pub reports: Option<Rate>,
    /// [`Limit::ServerKeys`]
    pub server_keys: Option<Rate>,
    /// [`Limit::Strangers`]
    pub strangers: Option<Rate>,
    /// [`Limit::TokensElsewhere`]
    pub tokens_elsewhere: Option<Rate>,
}

impl RateLimitSettings {
    fn rate(&self, limit: Limit) -> Option<Rate> {
        match limit {
            Limit::LoginAddress | Limit::FrontDoor => self.login_address,
            Limit::TokensElsewhere => self.tokens_elsewhere,
            Limit::LoginAccount => self.login_account,
            Limit::Registration => self.registration,
            Limit::Messages => self.messages,
            Limit::Invites => self.invites,
            Limit::Joins => self.joins,
            Limit::Uploads => self.uploads,
            Limit::Searches => self.searches,
            Limit::Reports => self.reports,
            Limit::Strangers => self.strangers,
            Limit::ServerKeys => self.server_keys,
        }
    }
}

/// Counts who did how much.
pub struct RateLimits {
    clock: Arc<dyn Clock>,
    settings: RateLimitSettings,
    /// When each bucket will be full again, in microseconds since the epoch.
    full_at: Mutex<HashMap<(Limit, Key), i64>>,
}

impl RateLimits {
    /// Limits by `settings`.
    pub fn new(clock: Arc<dyn Clock>, settings: RateLimitSettings) -> Self {
        Self { clock, settings, full_at: Mutex::default() }
    }

    /// Takes one allowance, or tells how long to wait for the next.
    pub fn check(&self, limit: Limit, key: Key) -> Result<()> {
        self.check_many(limit, key, 1)
    }

    /// The same for several at once, all or none.
    fn check_many(&self, limit: Limit, key: Key, count: usize) -> Result<()> {
        let Some(rate) = self.settings.rate(limit) else { return Ok(()) };
        let now = self.clock.now_ms().saturating_mul(1_000);
        let (each, depth) = microseconds(rate);
        let mut buckets = self.full_at.lock();
        if buckets.len() >= LARGEST {
            make_room(&mut buckets, now);
        }
        let full_at = buckets.entry((limit, key)).or_insert(now);
        let next = (*full_at).max(now).saturating_add(each.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)));
        let wait = next - now - depth;
        if wait > 0 {
            let wait_ms = u64::try_from(wait).unwrap_or_default().div_ceil(1_000);
            return Err(MatrixError::limit_exceeded(wait_ms).into());
        }
        *full_at = next;
        Ok(())
    }

    /// Takes an allowance for each of some users whom nobody here has met. `key` is nobody's where a client's address is not known.
    pub fn check_strangers(&self, localities: &Localities, key: Option<Key>, users: &[&UserId]) -> Result<()> {
        match (key, localities.strangers(users)) {
            (None, _) | (_, 0) => Ok(()),
            (Some(key), count) => self.check_many(Limit::Strangers, key, count),
        }
    }

    /// [`Self::check`] of a client's address, where it is known.
    pub fn check_address(&self, limit: Limit, address: Option<IpAddr>) -> Result<()> {
        address.map_or(Ok(()), |address| self.check(limit, Key::address(address)))
    }
}

/// The time that one allowance takes to come back, and that of a whole bucket.
#[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates, which is what a rate of nothing means")]
fn microseconds(rate: Rate) -> (i64, i64) {
    let each = (1_000_000.0 / rate.per_second.max(1e-9)) as i64;
    (each, each.saturating_mul(i64::from(rate.burst.max(1))))
}

/// Drops full buckets, and when that does not help, the fuller half.
fn make_room(buckets: &mut HashMap<(Limit, Key), i64>, now: i64) {
    buckets.retain(|_, full_at| *full_at > now);
    if buckets.len() >= LARGEST / 2 {
        let mut times: Vec<i64> = buckets.values().copied().collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        buckets.retain(|_, full_at| *full_at > median);
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::clock::ManualClock;

    use super::*;

    fn limits(clock: &Arc<ManualClock>) -> RateLimits {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let rate = Rate { per_second: 0.5, burst: 3 };
        RateLimits::new(clock, RateLimitSettings { login_account: Some(rate), ..RateLimitSettings::default() })
    }

    #[test]
    fn a_burst_passes_and_then_one_in_two_seconds() {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let limits = limits(&clock);
        let key = Key::Account(UserNum(1));
        for _ in 0..3 {
            assert!(limits.check(Limit::LoginAccount, key).is_ok());
        }
        let Err(crate::Error::Matrix(error)) = limits.check(Limit::LoginAccount, key) else { panic!("no limit") };
        assert_eq!(error.retry_after_ms, Some(2_000));
        assert!(limits.check(Limit::LoginAccount, Key::Account(UserNum(2))).is_ok(), "somebody else's bucket");
        clock.advance(2_000);
        assert!(limits.check(Limit::LoginAccount, key).is_ok());
        assert!(limits.check(Limit::LoginAccount, key).is_err());
    }

    #[test]
    fn what_has_no_rate_has_no_limit() {
        let limits = limits(&Arc::new(ManualClock::at(0)));
        for _ in 0..1_000 {
            assert!(limits.check(Limit::Messages, Key::Account(UserNum(1))).is_ok());
        }
    }

    #[test]
    fn memory_is_bounded() {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let limits = limits(&clock);
        for number in 0..i64::try_from(LARGEST).unwrap() * 2 {
            assert!(limits.check(Limit::LoginAccount, Key::Account(UserNum(number))).is_ok());
        }
        assert!(limits.full_at.lock().len() <= LARGEST);
    }

    #[test]
    fn one_customer_has_one_bucket() {
        let key = |address: &str| Key::address(address.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
