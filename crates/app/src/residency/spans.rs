//! Which places in streams are this cell's own. Cells of one deployment give out positions from different spans, and so does one that was
//! restored from a backup: a token that a client brings from somewhere else is known as such, and answered with a fresh look.

use domicile_core::{
    ids::{DeviceNum, Position},
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{
        arrivals,
        spans::{self, SPAN},
    },
};
use parking_lot::RwLock;

use crate::{Error, Result};

/// Spans that there are: more would be numbers that JSON does not have.
const SPANS: i64 = 1 << 13;

/// The spans.
pub struct Spans {
    own: RwLock<Vec<i64>>,
}

impl Spans {
    /// Of a server that is alone: every position is its own.
    pub fn alone() -> Self {
        Self { own: RwLock::default() }
    }

    /// Of a cell of a deployment, which takes a span by chance when it has none yet.
    pub async fn open(store: &Store, rng: &dyn Rng) -> Result<Self> {
        let known = store.read(|snapshot| async move { spans::read(&snapshot).await }).await?;
        let spans = Self { own: RwLock::new(known) };
        if spans.own.read().is_empty() {
            spans.raise(store, rng).await?;
        }
        Ok(spans)
    }

    /// Goes on in a new span, which lies after all that this cell ever gave out.
    pub async fn raise(&self, store: &Store, rng: &dyn Rng) -> Result<()> {
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
            all.push(present);
        }
        all.push(span);
        let mut batch = Batch::new();
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
        Ok(if self.is_own(token) { moved.max(token) } else { moved })
    }

    /// Whether this cell may have given out a position. Those of history that was fetched later are negative, and name no span.
    pub fn is_own(&self, position: Position) -> bool {
        let own = self.own.read();
        own.is_empty() || position.0 <= 0 || own.contains(&position.0.div_euclid(SPAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_other_spans_are_foreign() {
        let spans = Spans { own: RwLock::new(vec![0, 5]) };
        for own in [-7, 0, 1, SPAN - 1, 5 * SPAN, 6 * SPAN - 1] {
            assert!(spans.is_own(Position(own)), "{own}");
        }
        for foreign in [SPAN, 5 * SPAN - 1, 6 * SPAN] {
            assert!(!spans.is_own(Position(foreign)), "{foreign}");
        }
        assert!(Spans::alone().is_own(Position(3 * SPAN)));
    }
}
