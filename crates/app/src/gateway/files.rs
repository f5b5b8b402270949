//! Files that other servers ask for: they pass through piece by piece, from the first cell that has one.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use domicile_core::locality::CellName;
use futures::{StreamExt as _, TryStreamExt as _};
use http::Response;

use super::{
    Asked, Here, Inward, OuterBody,
    answers::{Kept, bare, is_away, is_no_answer},
};
use crate::{
    Result,
    error::not_found,
    federation::{Bounds, peers},
    media::ByteStream,
};

/// What a file may cost: the time is that of the answer's head, and of each piece.
const FILE: Bounds = Bounds { time: Duration::from_mins(1), bytes: peers::LARGE.bytes };
/// Bytes of what a cell says that does not give one.
const REFUSAL: usize = 64 * 1024;

/// A file on its way, or what a cell says that does not give it.
type Given = std::result::Result<Response<ByteStream>, Response<Bytes>>;

impl Inward {
    /// A file of the first cell that gives one.
    pub(super) async fn of_file(&self, asked: &Asked, here: &dyn Here) -> Result<Response<OuterBody>> {
        let (mut kept, mut away) = (Kept::default(), false);
        for cell in self.cells_for(&asked.origin) {
            match self.file(&cell, asked, here).await {
                Some(Ok(answer)) => return Ok(answer.map(OuterBody::Pieces)),
                Some(Err(refusal)) => kept.keep(&cell, refusal),
                None => away = true,
            }
        }
        match kept.refusal() {
            _ if away => Err(is_away()),
            Some((_, answer)) if answer.status() != http::StatusCode::FORBIDDEN => Ok(answer.map(OuterBody::Whole)),
            _ => Err(not_found("Nobody here knows of it.")),
        }
    }

    /// One cell's answer; nothing if it is not reached.
    async fn file(&self, cell: &CellName, asked: &Asked, here: &dyn Here) -> Option<Given> {
        let answer = if cell == self.own() {
            here.pieces(asked.clone()).await
        } else {
            let answer = match Self::passed_to(asked) {
                Ok(request) => self.link().ask_streamed(cell, request, FILE).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => bare(answer).map(|pieces| pieces.map_err(io::Error::other).boxed()),
                Err(error) => {
                    tracing::info!(cell = cell.as_str(), %error, "a cell is not reached");
                    return None;
                }
            }
        };
        if answer.status().as_u16() < 400 {
            return Some(Ok(answer));
        }
        let (head, mut pieces) = answer.into_parts();
        let mut said = BytesMut::new();
        while let Ok(Some(piece)) = pieces.try_next().await {
            said.extend_from_slice(&piece[..piece.len().min(REFUSAL - said.len())]);
            if said.len() == REFUSAL {
                break;
            }
        }
        let refusal = Response::from_parts(head, said.freeze());
        // Our own cell's answer is one in any case.
        (cell == self.own() || !is_no_answer(&refusal)).then_some(Err(refusal))
    }
}
