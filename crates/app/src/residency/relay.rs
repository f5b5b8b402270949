//! This cell as the way between two others whose direct line is blocked: it passes bytes on, which are encrypted from one end to the other.
//!
//! It knows which two cells talk, how much, and when. Only cells of the deployment document ask, for cells of the document, and only where no rule
//! forbids everything between their regions and this one. It connects to the other end itself and asks no further cell. What leaves this region so is in
//! the ledger. A cell that is revoked loses what it has open.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, locality::CellName};
pub use domicile_egress::detour::PROTOCOL as RELAY_PROTOCOL;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, split},
    net::TcpStream,
};
use tokio_util::io::InspectWriter;

use super::InnerLink;
use crate::{Result, evidence::ledger::Flow};

/// Where a cell asks another to be the way to a third: a cell's name follows.
pub const RELAY: &str = "/_domicile/inner/v1/relay/{cell}";
/// Lines that one cell has open through this one at once, and all together.
const LINES: usize = 16;
const ALL_LINES: usize = 256;
/// How long a line lasts. Whoever needs it longer opens another.
const LIFE: Duration = Duration::from_hours(1);
/// Bytes that go each way over one line.
const BYTES: u64 = 4 << 30;

/// The lines that are open, by who opened them.
#[derive(Clone, Default)]
pub(super) struct Passages(Arc<Mutex<BTreeMap<CellName, usize>>>);

impl Passages {
    /// One line more, if the cell may have it.
    fn open(&self, from: &CellName) -> Option<Open> {
        let mut all = self.0.lock();
        if all.values().sum::<usize>() >= ALL_LINES {
            return None;
        }
        let count = all.entry(from.clone()).or_default();
        if *count >= LINES {
            return None;
        }
        *count += 1;
        Some(Open { all: self.clone(), from: from.clone() })
    }
}

/// Counts among the lines of a cell for as long as it is held.
struct Open {
    all: Passages,
    from: CellName,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(count) = all.get_mut(&self.from) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.from);
            }
        }
    }
}

/// A line from one cell to another through this one.
pub struct Passage {
    to: CellName,
    line: TcpStream,
    link: Arc<InnerLink>,
    open: Open,
}

impl InnerLink {
    /// A line from a cell, which has authenticated itself, to another one. `Forbidden` where the rules or the operator do not let it pass here,
    /// `Unavailable` where there are too many lines already or the other cell is not reached.
    pub async fn passage(self: &Arc<Self>, from: &CellName, to: &CellName) -> Result<Passage> {
        self.may_relay([from, to])?;
        let full = || ErrorKind::Unavailable.with("There are as many lines through this cell as there may be.");
        let open = self.passages.open(from).ok_or_else(full)?;
        let line = self.dial(to).await.map_err(|error| {
            let text = format!("The cell {} is not reached from here: {error}.", to.as_str());
            ErrorKind::Unavailable.with(text)
        })?;
        Ok(Passage { to: to.clone(), line, link: Arc::clone(self), open })
    }
}

impl Passage {
    /// Passes bytes on until either end closes, or one of the cells is no cell of the document any more.
    pub async fn carry(mut self, other: impl AsyncRead + AsyncWrite + Unpin) {
        let mut admission = self.link.admission();
        let ends = [&self.open.from, &self.to];
        let keys: Vec<Vec<u8>> = ends.into_iter().filter_map(|cell| self.link.key_of(cell)).collect();
        let tally = self.link.tally();
        for cell in ends {
            tally.add(cell, Flow::Relayed, 0);
        }
        let [for_from, for_to] = ends.map(|cell| move |bytes: &[u8]| tally.add_bytes(cell, Flow::Relayed, bytes.len()));
        let (from_here, to_here) = split(other);
        let (from_there, to_there) = self.line.split();
        let out = pass(from_here, InspectWriter::new(to_there, for_to));
        let back = pass(from_there, InspectWriter::new(to_here, for_from));
        let dismissed = async {
            let some_left = admission.wait_for(|admission| keys.iter().any(|key| !admission.admits(key)));
            if keys.len() == ends.len() && some_left.await.is_err() {
                // Nothing changes any more: the server stops.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = tokio::time::timeout(LIFE, async { tokio::join!(out, back) }) => {}
            () = dismissed => tracing::info!("a line between two cells ends: the document has no such cell now"),
        }
    }
}

/// Passes on what goes one way, and that it has ended.
async fn pass(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // How a line ends is the business of its ends, which notice it themselves.
    let _ended = copy(&mut from.take(BYTES), &mut to).await;
    let _closed = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use domicile_egress::detour;

    use super::*;

    #[test]
    fn it_is_asked_for_where_it_is_served() {
        assert_eq!(RELAY, format!("{}{{cell}}", detour::PATH));
    }

    #[test]
    fn lines_are_bounded_for_each_cell_and_for_all() {
        let passages = Passages::default();
        let cell = |number: usize| CellName::parse(&format!("c{number}")).unwrap();
        let mut of_one: Vec<Open> = (0..LINES).map(|_| passages.open(&cell(0)).unwrap()).collect();
        assert!(passages.open(&cell(0)).is_none());
        let others: Vec<Open> = (1..ALL_LINES / LINES)
            .flat_map(|number| (0..LINES).map(move |_| number))
            .map(|number| passages.open(&cell(number)).unwrap())
            .collect();
        assert!(passages.open(&cell(99)).is_none(), "all together are too many");
        of_one.pop();
        assert!(passages.open(&cell(99)).is_some(), "whoever ends makes room");
        drop((of_one, others));
        assert!(passages.0.lock().is_empty());
    }
}
