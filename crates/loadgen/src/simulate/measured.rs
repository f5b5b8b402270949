//! What `loadgen cells` measured, as it is kept in `data/cells.json`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::model::Assumptions;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Cells, each with one person of the room.
    pub(crate) cells: f64,
    /// CPU milliseconds of all cells for a message, at the pace of the runs, without what the cells use when nobody says anything.
    pub(crate) cpu_ms: f64,
    /// The same where everybody talks as fast as they are answered.
    pub(crate) busy_cpu_ms: f64,
    /// Messages a second that were acknowledged then.
    pub(crate) per_second: f64,
}

/// All runs of one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The day.
    pub(crate) date: String,
    /// The machine, the build, and what else ran on it.
    pub(crate) machine: String,
    /// Messages of each run.
    pub(crate) messages: f64,
    /// Messages a second, of all people together, where they do not talk as fast as they can.
    pub(crate) pace: f64,
    /// Bytes of the directory for a name, and how many names there were: so few that most of them are not packed, which the model does not go by.
    pub(crate) name_bytes: f64,
    pub(crate) names: f64,
    /// The runs.
    pub(crate) runs: Vec<Run>,
}

impl Measured {
    /// Those that were kept.
    pub(crate) fn embedded() -> Self {
        serde_json::from_str(include_str!("../../data/cells.json")).unwrap_or_else(|_| Self {
            date: String::new(),
            machine: String::new(),
            messages: 0.0,
            pace: 0.0,
            name_bytes: 0.0,
            names: 0.0,
            runs: Vec::new(),
        })
    }

    /// Those of a file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("understanding {}", file.display()))
    }

    /// CPU milliseconds of sending, and of a crossing, from the runs of 1 and of 2 cells.
    pub(crate) fn fitted(&self) -> Option<(f64, f64)> {
        let of = |cells: f64| self.runs.iter().find(|run| (run.cells - cells).abs() < 0.1).map(|run| run.cpu_ms);
        let (one, two) = (of(1.0)?, of(2.0)?);
        Some((one, two - one))
    }

    /// The assumptions, with what was measured in place of what was guessed.
    pub(crate) fn assumed(&self) -> Assumptions {
        let mut assumed = Assumptions::default();
        if let Some((send_ms, cross_ms)) = self.fitted() {
            assumed.send_ms = send_ms;
            assumed.cross_ms = cross_ms;
        }
        assumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_follow_from_one_and_two_cells() {
        let run = |cells: f64, cpu_ms: f64| Run { cells, cpu_ms, busy_cpu_ms: cpu_ms, per_second: 1.0 };
        let measured = Measured { runs: vec![run(1.0, 0.2), run(2.0, 0.9), run(4.0, 2.5)], ..Measured::embedded() };
        let (send, cross) = measured.fitted().unwrap();
        assert!((send - 0.2).abs() < 1e-9 && (cross - 0.7).abs() < 1e-9);
        assert!((measured.assumed().cross_ms - 0.7).abs() < 1e-9);
        assert!(Measured { runs: Vec::new(), ..measured }.fitted().is_none());
    }

    #[test]
    fn what_is_kept_can_be_read() {
        assert!(serde_json::from_str::<Measured>(include_str!("../../data/cells.json")).is_ok());
    }
}
