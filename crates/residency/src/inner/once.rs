//! Each request of a cell counts once, without a clock that both must share: numbers within the asker's process, in a window that moves on.

use std::collections::{BTreeMap, VecDeque};

use super::RequestId;

/// Numbers behind the highest that may still come: requests that run at once overtake each other.
const WINDOW: usize = 4_096;
/// Processes of one cell that are remembered: each start of it is one.
const PROCESSES: usize = 16;

/// A request that came before, or so late that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this request came before")]
pub struct Repeated;

/// The requests of one cell that came.
#[derive(Debug, Default)]
pub struct Once {
    processes: BTreeMap<(u64, u64), Window>,
    /// Processes that began before this are forgotten: nothing of theirs counts any more.
    forgotten_ms: u64,
}

#[derive(Debug, Default)]
struct Window {
    /// The first number that is still told apart.
    first: u64,
    /// Whether each number from there on came.
    came: VecDeque<bool>,
}

impl Once {
    /// Notes a request, whose signature was found right.
    pub fn note(&mut self, id: RequestId) -> Result<(), Repeated> {
        let process = (id.began_ms, id.process);
        if !self.processes.contains_key(&process) {
            if id.began_ms < self.forgotten_ms {
                return Err(Repeated);
            }
            while self.processes.len() >= PROCESSES {
                let Some(((began_ms, _), _)) = self.processes.pop_first() else { break };
                self.forgotten_ms = self.forgotten_ms.max(began_ms.saturating_add(1));
            }
            // It may be older than all that are remembered.
            if id.began_ms < self.forgotten_ms {
                return Err(Repeated);
            }
        }
        self.processes.entry(process).or_default().note(id.number)
    }
}

impl Window {
    fn note(&mut self, number: u64) -> Result<(), Repeated> {
        let ahead = number.checked_sub(self.first).ok_or(Repeated)?;
        let at = match usize::try_from(ahead) {
            Ok(at) if at < WINDOW => at,
            _ => {
                // The window moves on until the number is its last.
                let first = number - (WINDOW as u64 - 1);
                let gone = usize::try_from(first - self.first).unwrap_or(usize::MAX).min(self.came.len());
                self.came.drain(..gone);
                self.first = first;
                WINDOW - 1
            }
        };
        if self.came.len() <= at {
            self.came.resize(at + 1, false);
        }
        match self.came.get_mut(at) {
            Some(came) if !*came => {
                *came = true;
                Ok(())
            }
            _ => Err(Repeated),
        }
    }
}
