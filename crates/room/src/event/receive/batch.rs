//! Signatures of many events at once: one sum of points for all of them costs a third of what checking each costs.
//!
//! A forgery is found as surely as one by one. Only a server that makes signatures of its own with a point of small order in them could
//! have one pass here that fails alone: it harms nobody's name but its own, and servers differ about such signatures anyway.

use ed25519_dalek::{Signature, VerifyingKey, verify_batch};

use super::{Keys, Unverified, signatures};

/// Fewer than these cost as much together as one by one.
const LEAST: usize = 4;

/// Whether all who must have signed these events did, as far as their first known keys can tell. `false` says only that each is to be looked
/// at by itself.
pub fn all_signed<'e>(events: impl IntoIterator<Item = &'e Unverified>, keys: &impl Keys) -> bool {
    let (mut messages, mut signed_by, mut public) =
        (Vec::<&[u8]>::new(), Vec::<Signature>::new(), Vec::<VerifyingKey>::new());
    for event in events {
        let sent_ts = event.sent_ts();
        for required in &event.required {
            let first = signatures::known(required, keys, sent_ts).next();
            let Some((key, signature)) = first else { return false };
            let Ok(signature) = Signature::from_slice(signature) else { return false };
            messages.push(&event.signed);
            signed_by.push(signature);
            public.push(key.key);
        }
    }
    messages.len() >= LEAST && verify_batch(&messages, &signed_by, &public).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            read,
            tests::{keys, message, rules, signed},
        },
        *,
    };

    fn events(version: &str, many: usize) -> Vec<Unverified> {
        let rules = rules(version);
        let event = |number: usize| {
            let mut event = message();
            event["content"]["body"] = format!("number {number}").into();
            read(signed(&event, &["example.org"], &rules).as_bytes(), &rules).unwrap()
        };
        (0..many).map(event).collect()
    }

    #[test]
    fn what_all_have_signed_passes() {
        assert!(all_signed(&events("11", 40), &keys(&["example.org"], 2_000)));
    }

    #[test]
    fn one_forgery_among_many_is_not_passed_over() {
        let known = keys(&["example.org"], 2_000);
        for forged in [0, 17, 39] {
            let mut events = events("11", 40);
            // Somebody else's words under a signature that is right for others.
            events[forged].signed.push(b' ');
            assert!(!all_signed(&events, &known));
            assert!(events[forged].check(&known).is_err());
        }
        let mut exchanged = events("11", 40);
        let (first, second) = (exchanged[0].required.clone(), exchanged[1].required.clone());
        (exchanged[0].required, exchanged[1].required) = (second, first);
        assert!(!all_signed(&exchanged, &known));
    }

    #[test]
    fn without_a_key_that_counts_each_is_looked_at_by_itself() {
        assert!(!all_signed(&events("11", 40), &keys(&["example.com"], 2_000)));
        // Valid until before they were sent, which older versions do not ask.
        assert!(!all_signed(&events("11", 40), &keys(&["example.org"], 999)));
        assert!(all_signed(&events("4", 40), &keys(&["example.org"], 999)));
    }
}
