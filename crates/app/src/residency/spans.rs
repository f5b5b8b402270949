//! Which places in streams are this cell's own. Cells of one deployment give out positions from different spans, and so does one that was
//! restored from a backup: a token that a client brings from somewhere else is known as such, and answered with a fresh look.

use domicile_core::{
    ids::{DeviceNum, Position},
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{
        arrivals, fence,
        spans::{self, SPAN, Used},
    },
};
use parking_lot::RwLock;

use crate::{Error, Result, restore::State};

/// Spans that there are: more would be numbers that JSON does not have.
const SPANS: i64 = 1 << 13;

/// The spans.
pub struct Spans {
    own: RwLock<Vec<Used>>,
}

impl Spans {
    /// Of a server that is alone: every position is its own.
    #[cfg(test)]
    fn alone() -> Self {
        Self { own: RwLock::default() }
    }

    /// Of a cell, which takes a span by chance when it has none yet and is one of several, or has been restored: then it may have given out more
    /// positions than it knows of.
    pub async fn open(store: &Store, rng: &dyn Rng, among_others: bool) -> Result<Self> {
        let read = store.read(|snapshot| async move {
            Ok::<_, Error>((spans::read(&snapshot).await?, fence::read(&snapshot).await?))
        });
        let (known, fence) = read.await?;
        let fence: Option<State> =
            fence.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()?;
        let spans = Self { own: RwLock::new(known) };
        match fence.filter(|fence| !fence.raised) {
            Some(fence) => spans.raise(store, rng, Some(fence)).await?,
            None if among_others && spans.own.read().is_empty() => spans.raise(store, rng, None).await?,
            None => {}
        }
        Ok(spans)
    }

    /// Goes on in a new span, which lies after all that this cell ever gave out.
    async fn raise(&self, store: &Store, rng: &dyn Rng, fence: Option<State>) -> Result<()> {
        let head = store.read(|snapshot| async move { snapshot.head().await }).await?;
        let present = head.0.div_euclid(SPAN);
        let left = SPANS - 1 - present;
        if left < 1 {
            return Err(Error::internal("this cell has used up all spans of its stream"));
        }
        // Half of what is left at most, so that there are some for further restores.
        let random = u32::from_le_bytes(rng::bytes(rng));
        let span = present + 1 + i64::from(random).rem_euclid((left / 2).max(1));
        let mut all = self.own.read().clone();
        if all.is_empty() {
            all.push((present, None));
        }
        let mut batch = Batch::new();
        if let Some(fence) = fence {
            // What was given out after the backup was made is known to clients, and not here.
            if let Some((_, limit)) = all.last_mut() {
                *limit = Some(fence.upto);
            }
            let state = State { raised: true, ..fence };
            fence::set(&mut batch, &serde_json::to_string(&state).map_err(Error::internal)?);
        }
        all.push((span, None));
        spans::begin(&mut batch, head.0, &all);
        store.write(batch).await?;
        *self.own.write() = all;
        Ok(())
    }

    /// The place in a device's inbox up to which it has everything, which brings the token of a place. The token may be another cell's, or of this
    /// one before the device was somewhere else in between.
    pub async fn in_inbox(&self, snapshot: &Snapshot, device_num: DeviceNum, token: Position) -> Result<Position> {
        if self.own.read().is_empty() || token.0 <= 0 {
            return Ok(token);
        }
        let moved = arrivals::inbox_at(snapshot, device_num, token).await?;
        Ok(self.limit(token).map_or(moved, |limit| moved.max(Position(token.0.min(limit)))))
    }

    /// Whether this cell may have given out a position, and knows of it. Those of history that was fetched later are negative, and name no span.
    pub fn is_own(&self, position: Position) -> bool {
        self.own.read().is_empty() || position.0 <= 0 || self.limit(position).is_some_and(|limit| position.0 <= limit)
    }

    /// The last position of the span of a position that is known here; nothing if the span is another cell's.
    fn limit(&self, position: Position) -> Option<i64> {
        let span = position.0.div_euclid(SPAN);
        let own = self.own.read();
        own.iter().find(|(own, _)| *own == span).map(|(_, limit)| limit.unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_other_spans_are_foreign() {
        let spans = Spans { own: RwLock::new(vec![(0, None), (5, None)]) };
        for own in [-7, 0, 1, SPAN - 1, 5 * SPAN, 6 * SPAN - 1] {
            assert!(spans.is_own(Position(own)), "{own}");
        }
        for foreign in [SPAN, 5 * SPAN - 1, 6 * SPAN] {
            assert!(!spans.is_own(Position(foreign)), "{foreign}");
        }
        assert!(Spans::alone().is_own(Position(3 * SPAN)));
    }

    #[test]
    fn positions_that_were_lost_with_a_restore_are_foreign() {
        let spans = Spans { own: RwLock::new(vec![(0, Some(40)), (5, None)]) };
        assert!(spans.is_own(Position(40)) && spans.is_own(Position(5 * SPAN + 7)));
        assert!(!spans.is_own(Position(41)), "a client knows it, and this cell does not");
        assert_eq!((spans.limit(Position(41)), spans.limit(Position(3 * SPAN))), (Some(40), None));
    }
}
