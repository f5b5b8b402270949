//! Whether the way to another cell is cut, and when people are told so. Pure.
//!
//! ```text
//!   whole --lost for a minute--> noted --lost for as long as the operator waits--> declared: people are told
//!     ^                            |                                                  |
//!     +------whole: nobody hears---+            (whole for a while, all delivered) ended: the same people are told
//! ```
//!
//! A hiccup is noted and forgotten. What is declared ends only after the way was whole for a while, so that a link that comes and goes is one cut.

use domicile_core::clock::MINUTE_MS;

/// How long a way is lost before that is noted: what is noted is known after a restart.
const NOTED_MS: i64 = MINUTE_MS;
/// How long it is whole before a cut has ended, and how long this process looks before it declares one: after a start it does not know yet.
const SURE_MS: i64 = 2 * MINUTE_MS;
/// How long another cell may be silent. Each asks the others once a minute which document they have.
const SILENT_MS: i64 = 3 * MINUTE_MS;

/// What this process has seen of another cell. All times are in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// When this process began to look.
    pub started_ms: i64,
    /// When the other cell answered last.
    pub reached_ms: Option<i64>,
    /// Since when it has not answered, if it was asked since and did not.
    pub failing_ms: Option<i64>,
    /// Since when it has answered whatever it was asked.
    pub back_ms: Option<i64>,
    /// When it asked for something last.
    pub heard_ms: Option<i64>,
    /// Since when something waits for it that it does not take.
    pub waiting_ms: Option<i64>,
}

/// The way to another cell, and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nobody has tried it yet.
    Unknown,
    /// Both cells reach each other.
    Whole,
    /// One of them does not reach the other, since about then.
    Lost {
        /// When it was whole last, as far as is known.
        since_ms: i64,
    },
}

impl Signs {
    /// What follows from the signs.
    pub fn way(&self, now_ms: i64) -> Way {
        let failing = self.failing_ms.map(|failing| self.reached_ms.unwrap_or(failing));
        let heard = self.heard_ms.unwrap_or(self.started_ms);
        let silent = (now_ms.saturating_sub(heard) > SILENT_MS).then_some(heard);
        // What waits is taken within half a minute from when the cell is back, if it takes it at all.
        let is_back = self.back_ms.is_some_and(|back| now_ms.saturating_sub(back) > SURE_MS);
        match [failing, silent, self.waiting_ms.filter(|_| is_back)].into_iter().flatten().min() {
            Some(since_ms) => Way::Lost { since_ms },
            None if self.reached_ms.is_some() && self.heard_ms.is_some() => Way::Whole,
            None => Way::Unknown,
        }
    }
}

/// What is on disk of a cut that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Since when.
    pub since_ms: i64,
    /// Whether people are told of it.
    pub is_declared: bool,
    /// Since when the way is whole again.
    pub whole_ms: Option<i64>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// Note that the way is lost.
    Note {
        /// Since when.
        since_ms: i64,
    },
    /// It was a hiccup, of which nobody need hear.
    Forget,
    /// People are to be told.
    Declare,
    /// The way is whole again.
    Mend,
    /// It was whole, and is lost again.
    Break,
    /// It was whole for long enough.
    End,
}

/// The next step. `patience_ms` is how long a way may be lost before people are told.
pub fn step(known: Option<Known>, way: Way, started_ms: i64, now_ms: i64, patience_ms: i64) -> Step {
    let sure_ms = SURE_MS.min(patience_ms);
    match (known, way) {
        (None, Way::Lost { since_ms }) if now_ms.saturating_sub(since_ms) >= NOTED_MS.min(patience_ms) => {
            Step::Note { since_ms }
        }
        (Some(Known { is_declared: false, .. }), Way::Whole) => Step::Forget,
        (Some(Known { is_declared: false, since_ms, .. }), Way::Lost { .. })
            if now_ms.saturating_sub(since_ms) >= patience_ms && now_ms.saturating_sub(started_ms) >= sure_ms =>
        {
            Step::Declare
        }
        (Some(Known { is_declared: true, whole_ms: Some(_), .. }), Way::Lost { .. }) => Step::Break,
        (Some(Known { is_declared: true, whole_ms: None, .. }), Way::Whole) => Step::Mend,
        (Some(Known { is_declared: true, whole_ms: Some(whole_ms), .. }), Way::Whole)
            if now_ms.saturating_sub(whole_ms) >= sure_ms =>
        {
            Step::End
        }
        _ => Step::Stay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: i64 = 10 * MINUTE_MS;

    fn whole_at(ms: i64) -> Signs {
        Signs { reached_ms: Some(ms), heard_ms: Some(ms), ..Signs::default() }
    }

    fn next(known: Option<Known>, way: Way, now_ms: i64) -> Step {
        step(known, way, 0, now_ms, PATIENCE)
    }

    #[test]
    fn a_way_is_whole_only_if_both_reach_each_other() {
        let (start, now) = (Signs::default(), MINUTE_MS);
        assert_eq!(start.way(now), Way::Unknown);
        assert_eq!(
            Signs { reached_ms: Some(now), ..start }.way(now),
            Way::Unknown,
            "who has not asked yet may be silent"
        );
        assert_eq!(whole_at(now).way(now), Way::Whole);
        let failing = Signs { failing_ms: Some(2 * MINUTE_MS), ..whole_at(now) };
        assert_eq!(failing.way(2 * MINUTE_MS), Way::Lost { since_ms: now }, "since it was whole last");
        let silent = Signs { reached_ms: Some(9 * MINUTE_MS), ..whole_at(now) };
        assert_eq!(silent.way(9 * MINUTE_MS), Way::Lost { since_ms: now }, "it is reached, and does not reach us");
        let waiting = Signs { waiting_ms: Some(7), back_ms: Some(now), ..whole_at(4 * MINUTE_MS) };
        assert_eq!(waiting.way(now + SURE_MS), Way::Whole, "it is back, and has had no time to take it");
        assert_eq!(waiting.way(now + SURE_MS + 1), Way::Lost { since_ms: 7 }, "it answers, and takes nothing");
    }

    #[test]
    fn a_hiccup_is_forgotten() {
        let lost = Way::Lost { since_ms: 0 };
        assert_eq!(next(None, lost, NOTED_MS - 1), Step::Stay);
        assert_eq!(next(None, lost, NOTED_MS), Step::Note { since_ms: 0 });
        let known = Some(Known { since_ms: 0, is_declared: false, whole_ms: None });
        assert_eq!(next(known, lost, PATIENCE - 1), Step::Stay);
        assert_eq!(next(known, Way::Whole, PATIENCE - 1), Step::Forget);
        assert_eq!(next(known, Way::Unknown, 5 * PATIENCE), Step::Stay);
        assert_eq!(next(known, lost, PATIENCE), Step::Declare);
    }

    #[test]
    fn who_has_just_started_does_not_know_yet() {
        let known = Some(Known { since_ms: 0, is_declared: false, whole_ms: None });
        let (lost, started) = (Way::Lost { since_ms: 0 }, 5 * PATIENCE);
        assert_eq!(step(known, lost, started, started, PATIENCE), Step::Stay);
        assert_eq!(step(known, lost, started, started + SURE_MS, PATIENCE), Step::Declare);
    }

    #[test]
    fn a_link_that_comes_and_goes_is_one_cut() {
        let lost = Way::Lost { since_ms: 0 };
        let declared = |whole_ms| Some(Known { since_ms: 0, is_declared: true, whole_ms });
        assert_eq!(next(declared(None), lost, 3 * PATIENCE), Step::Stay);
        assert_eq!(next(declared(None), Way::Whole, PATIENCE), Step::Mend);
        assert_eq!(next(declared(Some(PATIENCE)), lost, PATIENCE + 1), Step::Break);
        assert_eq!(next(declared(Some(PATIENCE)), Way::Unknown, 9 * PATIENCE), Step::Stay);
        assert_eq!(next(declared(Some(PATIENCE)), Way::Whole, PATIENCE + SURE_MS - 1), Step::Stay);
        assert_eq!(next(declared(Some(PATIENCE)), Way::Whole, PATIENCE + SURE_MS), Step::End);
    }
}
