//! Sessions of the console. They are in memory only: who stops the server signs everybody out, and no backup has a session in it.

use std::{collections::HashMap, sync::Arc};

use domicile_core::{
    clock::{Clock, HOUR_MS, MINUTE_MS},
    rng::{self, Rng},
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a session lives without a request.
const IDLE_MS: i64 = 15 * MINUTE_MS;
/// How long a session lives, whatever happens.
const LONGEST_MS: i64 = 8 * HOUR_MS;
/// Sessions at once; one more ends the one that was idle longest.
const MOST: usize = 500;
/// Letters of a secret: 190 bits.
const SECRET: usize = 32;

/// A session that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSession {
    /// Whose it is.
    pub name: String,
    /// What stands in each form that this session is shown: others do not know it.
    form_token: String,
}

impl OperatorSession {
    /// What stands in each form.
    pub fn form_token(&self) -> &str {
        &self.form_token
    }

    /// Whether a form was shown to this session.
    pub fn is_own_form(&self, token: &str) -> bool {
        self.form_token.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

struct Kept {
    session: OperatorSession,
    begun_ms: i64,
    seen_ms: i64,
}

/// All sessions.
pub struct OperatorSessions {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// By the hash of what the browser holds.
    open: Mutex<HashMap<[u8; 32], Kept>>,
}

impl OperatorSessions {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, rng, open: Mutex::default() }
    }

    /// Opens a session, and gives what the browser is to hold.
    pub fn begin(&self, name: &str) -> String {
        let now_ms = self.clock.now_ms();
        let token = rng::name(&*self.rng, SECRET);
        let session = OperatorSession { name: name.to_owned(), form_token: rng::name(&*self.rng, SECRET) };
        let mut open = self.open.lock();
        open.retain(|_, kept| kept.is_alive(now_ms));
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, kept)| kept.seen_ms).map(|(hash, _)| *hash)
        {
            open.remove(&oldest);
        }
        open.insert(hash(&token), Kept { session, begun_ms: now_ms, seen_ms: now_ms });
        token
    }

    /// The session of what a browser holds, which lives on from now.
    pub fn find(&self, token: &str) -> Option<OperatorSession> {
        let now_ms = self.clock.now_ms();
        let mut open = self.open.lock();
        let kept = open.get_mut(&hash(token)).filter(|kept| kept.is_alive(now_ms))?;
        kept.seen_ms = now_ms;
        Some(kept.session.clone())
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        self.open.lock().remove(&hash(token));
    }

    /// Ends all sessions of somebody.
    pub fn end_all_of(&self, name: &str) {
        self.open.lock().retain(|_, kept| kept.session.name != name);
    }

    /// A secret for a form that is shown to somebody without a session.
    pub fn secret(&self) -> String {
        rng::name(&*self.rng, SECRET)
    }
}

impl Kept {
    fn is_alive(&self, now_ms: i64) -> bool {
        now_ms < self.seen_ms.saturating_add(IDLE_MS) && now_ms < self.begun_ms.saturating_add(LONGEST_MS)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use domicile_core::{clock::ManualClock, rng::SeededRng};

    use super::*;

    fn sessions() -> (Arc<ManualClock>, OperatorSessions) {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let own: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        (clock, OperatorSessions::new(own, Arc::new(SeededRng::new(1))))
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_a_working_day() {
        let (clock, sessions) = sessions();
        let token = sessions.begin("ada");
        clock.advance(IDLE_MS - 1);
        assert_eq!(sessions.find(&token).unwrap().name, "ada");
        clock.advance(IDLE_MS);
        assert_eq!(sessions.find(&token), None);

        let token = sessions.begin("ada");
        for _ in 0..LONGEST_MS / MINUTE_MS - 1 {
            clock.advance(MINUTE_MS);
            assert!(sessions.find(&token).is_some());
        }
        clock.advance(MINUTE_MS);
        assert_eq!(sessions.find(&token), None);
    }

    #[test]
    fn sessions_are_told_apart_and_end_together_for_one_person() {
        let (_, sessions) = sessions();
        let (one, two, other) = (sessions.begin("ada"), sessions.begin("ada"), sessions.begin("ben"));
        let form = sessions.find(&one).unwrap();
        assert!(form.is_own_form(form.form_token()));
        assert!(!form.is_own_form(sessions.find(&two).unwrap().form_token()) && !form.is_own_form(""));
        sessions.end(&one);
        assert!(sessions.find(&one).is_none() && sessions.find(&two).is_some());
        sessions.end_all_of("ada");
        assert!(sessions.find(&two).is_none() && sessions.find(&other).is_some());
    }

    #[test]
    fn their_number_is_bounded() {
        let (clock, sessions) = sessions();
        let first = sessions.begin("ada");
        for _ in 0..MOST {
            clock.advance(1);
            sessions.begin("ben");
        }
        assert!(sessions.find(&first).is_none());
        assert_eq!(sessions.open.lock().len(), MOST);
    }
}
