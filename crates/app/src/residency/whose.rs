//! Which of the other cells has something that this one was asked for.

use std::time::Duration;

use domicile_core::locality::CellName;
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InnerLink;
use crate::federation::{Bounds, PeerError};

/// What a cell may take to say whether it has something, and how much it may say.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 1_024 };
/// Cells that are asked at once.
const AT_ONCE: usize = 16;

/// Whether a cell has it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Has {
    /// Whether it is the one.
    pub ours: bool,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A cell has it.
    Of(CellName),
    /// All were asked, and none has it.
    Nobodys,
    /// None of those that answered has it, and some did not answer.
    Unknown,
}

/// Asks cells until one says that it has something.
pub async fn whose(link: &InnerLink, cells: Vec<CellName>, path: &'static str, question: Value) -> Whose {
    let asking = cells.into_iter().map(|cell| ask(link, cell, path, question.clone()));
    let mut answers = stream::iter(asking).buffer_unordered(AT_ONCE);
    let mut out = Whose::Nobodys;
    while let Some((cell, answer)) = answers.next().await {
        match answer {
            Ok(Has { ours: true }) => return Whose::Of(cell),
            Ok(_) => {}
            Err(error) => {
                tracing::info!(%error, cell = cell.as_str(), path, "a cell did not say whether it has something");
                out = Whose::Unknown;
            }
        }
    }
    out
}

async fn ask(link: &InnerLink, cell: CellName, path: &str, question: Value) -> (CellName, Result<Has, PeerError>) {
    let answer = link.ask_json_within(&cell, path, &question, BOUNDS).await;
    (cell, answer)
}
