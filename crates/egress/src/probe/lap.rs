//! When steps happen, counted from the run's beginning.

use std::time::Duration;

use domicile_residency::interference::measurement::Span;
use tokio::time::Instant;

/// A run's beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lap(Instant);

impl Lap {
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    /// What began then and ends now.
    pub(super) fn span(self, began: Instant) -> Span {
        Span { at_ms: ms(began.saturating_duration_since(self.0)), took_ms: ms(began.elapsed()) }
    }

    pub(super) fn elapsed_ms(self) -> u32 {
        ms(self.0.elapsed())
    }

    pub(super) fn at(self, after: Duration) -> Instant {
        self.0 + after
    }
}

pub(super) fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
