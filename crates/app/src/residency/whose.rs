//! Which of the other cells has something that this one was asked for. What is asked says no secret, and the answer has to prove that it is known:
//! what the secret opens is given to nobody who does not have it.

use std::time::Duration;

use domicile_core::{locality::CellName, rng::Rng};
use domicile_residency::inner::{Proofs, SecretOf, WhoseQuestion};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

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

/// What out of many cells one may have: so much of its secret as they are told, and all of it, which they have to know.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'s> {
    /// What the secret is of.
    pub of: SecretOf,
    /// Its beginning.
    pub beginning: &'s str,
    /// All of it.
    pub secret: &'s [u8],
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

/// Asks cells until one proves that it has something. One that merely says so, as a stolen one would, counts for nothing.
pub async fn whose(
    link: &InnerLink,
    cells: Vec<CellName>,
    path: &'static str,
    sought: Sought<'_>,
    rng: &dyn Rng,
) -> Whose {
    let question = WhoseQuestion::new(sought.beginning.to_owned(), rng);
    let asking = cells.into_iter().map(|cell| ask(link, cell, path, &question));
    let mut answers = stream::iter(asking).buffer_unordered(AT_ONCE);
    let mut out = Whose::Nobodys;
    while let Some((cell, answer)) = answers.next().await {
        match answer {
            Ok(told) if question.is_proven(sought.of, &cell, sought.secret, &told) => return Whose::Of(cell),
            Ok(_) => {}
            Err(error) => {
                tracing::info!(%error, cell = cell.as_str(), path, "a cell did not say whether it has something");
                out = Whose::Unknown;
            }
        }
    }
    out
}

async fn ask(
    link: &InnerLink,
    cell: CellName,
    path: &str,
    question: &WhoseQuestion,
) -> (CellName, Result<Proofs, PeerError>) {
    let answer = link.ask_json_within(&cell, path, question, BOUNDS).await;
    (cell, answer)
}
