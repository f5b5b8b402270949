//! One way of a link: how good it is, and what it does with the next packet. Pure: time is passed in.

use std::time::{Duration, Instant};

use crate::chance::Chance;

/// A queue before a narrow way holds what passes in this time; what comes on top is lost.
const LONGEST_QUEUE: Duration = Duration::from_millis(250);
/// Packets that one way holds at most, however long it is.
const MOST_PACKETS: u32 = 20_000;

/// How good a way is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// How long each packet takes.
    pub delay: Duration,
    /// How much longer it may take, evenly distributed from nothing to this.
    pub jitter: Duration,
    /// Which part of the packets is lost, from 0 to 1.
    pub loss: f64,
    /// How many bytes pass in a second; no limit where it is `None`. Before it stands a queue of 250 ms.
    pub bytes_per_second: Option<u64>,
}

impl Quality {
    /// Nothing takes time and nothing is lost.
    pub fn perfect() -> Self {
        Self::default()
    }

    /// Each packet takes this long.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Each packet takes up to this much longer.
    #[must_use]
    pub fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// This part of the packets is lost, from 0 to 1.
    #[must_use]
    pub fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// So many bytes pass in a second.
    #[must_use]
    pub fn rate(self, bytes_per_second: u64) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..self }
    }
}

/// What became of the packets that came to a way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came out at the other end.
    pub passed: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because the way was cut.
    pub cut: u64,
    /// Lost because the queue was full.
    pub crowded_out: u64,
}

/// One way of a link.
#[derive(Debug)]
pub(super) struct Way {
    quality: Quality,
    is_cut: bool,
    chance: Chance,
    counts: Counts,
    /// When the narrow place has let through what it was given.
    free_at: Option<Instant>,
    /// When the last packet comes out.
    last_due: Option<Instant>,
    holds: u32,
}

impl Way {
    pub(super) fn new(chance: Chance) -> Self {
        Self {
            quality: Quality::perfect(),
            is_cut: false,
            chance,
            counts: Counts::default(),
            free_at: None,
            last_due: None,
            holds: 0,
        }
    }

    pub(super) fn set(&mut self, quality: Quality) {
        self.quality = quality;
        // What comes now does not wait for what was sent while the way was longer.
        (self.free_at, self.last_due) = (None, None);
    }

    pub(super) fn cut(&mut self, cut: bool) {
        self.is_cut = cut;
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a packet of `length` bytes, and says when it comes out; `None` if it never does.
    pub(super) fn take(&mut self, now: Instant, length: usize) -> Option<Instant> {
        // Drawn for every packet: which of them are lost is then a matter of their number, whatever the way was like before.
        let (fate, jitter) = (self.chance.part(), self.chance.part());
        if self.is_cut {
            self.counts.cut += 1;
            return None;
        }
        if fate < self.quality.loss {
            self.counts.lost += 1;
            return None;
        }
        let mut sent = now;
        if let Some(rate) = self.quality.bytes_per_second {
            let begins = self.free_at.map_or(now, |free| free.max(now));
            if begins - now > LONGEST_QUEUE {
                self.counts.crowded_out += 1;
                return None;
            }
            let nanoseconds = (length as u64).saturating_mul(1_000_000_000) / rate.max(1);
            sent = begins + Duration::from_nanos(nanoseconds);
            self.free_at = Some(sent);
        }
        if self.holds >= MOST_PACKETS {
            self.counts.crowded_out += 1;
            return None;
        }
        let due = sent + self.quality.delay + self.quality.jitter.mul_f64(jitter);
        let due = self.last_due.map_or(due, |last| last.max(due));
        self.last_due = Some(due);
        self.holds += 1;
        Some(due)
    }

    /// Whether a packet that was taken comes out, now that it is due.
    pub(super) fn let_out(&mut self, length: usize) -> bool {
        self.holds = self.holds.saturating_sub(1);
        if self.is_cut {
            self.counts.cut += 1;
            return false;
        }
        self.counts.passed += 1;
        self.counts.bytes += length as u64;
        true
    }
}

/// What happens on the way from one host to another: a way's losses must not follow those of another.
pub(super) fn chance_of(seed: u64, from: &str, to: &str) -> Chance {
    Chance::of(seed, &format!("{from}>{to}"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any moment does as the first one")]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fates(seed: u64, loss: f64) -> Vec<bool> {
        let mut way = Way::new(chance_of(seed, "a", "b"));
        way.set(Quality::perfect().loss(loss));
        let now = Instant::now();
        (0..10_000).map(|_| way.take(now, 100).is_some_and(|_| way.let_out(100))).collect()
    }

    #[test]
    fn the_seed_says_which_packets_are_lost() {
        let fates_of_seven = fates(7, 0.1);
        assert_eq!(fates_of_seven, fates(7, 0.1));
        assert_ne!(fates_of_seven, fates(8, 0.1));
        let lost = fates_of_seven.iter().filter(|passed| !**passed).count();
        assert!((900..1_100).contains(&lost), "a tenth of 10,000 was to be lost, and {lost} were");
        assert!(fates(7, 0.0).iter().all(|passed| *passed));
        assert!(fates(7, 1.0).iter().all(|passed| !*passed));
        assert_ne!(chance_of(7, "a", "b").bits(), chance_of(7, "b", "a").bits());
    }

    #[test]
    fn jitter_keeps_the_order() {
        let mut way = Way::new(Chance::new(1));
        way.set(Quality::perfect().delay(10 * MS).jitter(40 * MS));
        let begin = Instant::now();
        let dues: Vec<Instant> = (0..100).filter_map(|_| way.take(begin, 100)).collect();
        assert!(dues.is_sorted());
        assert!(dues[0] >= begin + 10 * MS && dues[99] <= begin + 50 * MS && dues[99] > dues[0]);
        way.set(Quality::perfect());
        assert_eq!(way.take(begin, 100), Some(begin), "a shorter way is not held up by the longer one before it");
    }

    #[test]
    fn a_narrow_way_has_a_queue_and_the_queue_an_end() {
        let mut way = Way::new(Chance::new(1));
        way.set(Quality::perfect().rate(100_000));
        let now = Instant::now();
        let dues: Vec<Instant> = (0..100).filter_map(|_| way.take(now, 1_000)).collect();
        assert_eq!(dues[0], now + 10 * MS);
        assert_eq!(dues[1], now + 20 * MS);
        assert_eq!(dues.len(), 26, "250 ms of queue are 25 packets of 10 ms, and one is on its way");
        assert_eq!(way.counts().crowded_out, 74);
        assert_eq!(way.take(now + 260 * MS, 1_000), Some(now + 270 * MS));
    }

    #[test]
    fn a_cut_loses_what_is_holds() {
        let mut way = Way::new(Chance::new(1));
        let now = Instant::now();
        assert!(way.take(now, 10).is_some());
        way.cut(true);
        assert!(!way.let_out(10));
        assert!(way.take(now, 10).is_none());
        way.cut(false);
        assert!(way.take(now, 10).is_some() && way.let_out(10));
        assert_eq!(way.counts(), Counts { passed: 1, bytes: 10, cut: 2, ..Counts::default() });
    }
}
