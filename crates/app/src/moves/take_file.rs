//! A file of somebody who comes: it is taken piece by piece, and sealed with its owner's new key as it comes.

use std::collections::HashMap;

use bytes::Bytes;
use domicile_core::{
    clock::{HOUR_MS, MINUTE_MS},
    error::ErrorKind,
    locality::CellName,
};
use domicile_store::{Batch, table::arrivals};
use parking_lot::Mutex;

use super::{
    arrive::Arrivals,
    messages::{About, Done, FILE_PIECE, FilePiece},
    steps,
};
use crate::{Error, Result, media::Incoming};

/// How long a file may wait for its next piece while there is room for others, and while there is none.
const PATIENCE_MS: i64 = HOUR_MS;
const IMPATIENCE_MS: i64 = MINUTE_MS;
/// Files that may be on their way here at once.
const AT_ONCE: usize = 1_024;

/// Files that are here in part, by the move and their id.
#[derive(Default)]
pub(super) struct ComingFiles(Mutex<HashMap<(String, String), Coming>>);

struct Coming {
    blob: Box<dyn Incoming>,
    /// How much of it is here.
    bytes: u64,
    touched_ms: i64,
}

impl ComingFiles {
    /// Takes the file that is here up to `after` bytes; nothing if there is none, or more or less of it is here.
    fn take(&self, which: &(String, String), after: u64) -> Option<Box<dyn Incoming>> {
        let coming = self.0.lock().remove(which)?;
        (coming.bytes == after).then_some(coming.blob)
    }

    /// Keeps one until its next piece comes; says whether there is room for it.
    fn keep(&self, which: (String, String), coming: Coming) -> bool {
        let now_ms = coming.touched_ms;
        let mut files = self.0.lock();
        files.retain(|_, file| now_ms - file.touched_ms < PATIENCE_MS);
        if files.len() >= AT_ONCE {
            files.retain(|_, file| now_ms - file.touched_ms < IMPATIENCE_MS);
        }
        let has_room = files.len() < AT_ONCE;
        if has_room {
            files.insert(which, coming);
        }
        has_room
    }

    /// Lets go of what is here in part of files that came by a move.
    pub(super) fn forget(&self, move_id: &str) {
        self.0.lock().retain(|(of_move, _), _| of_move != move_id);
    }
}

impl Arrivals {
    /// Takes a piece of a file. One whose piece before it is not here, since this cell has started anew, begins anew, too.
    pub async fn take_file_piece(&self, cell: &CellName, piece: FilePiece, content: Bytes) -> Result<Done> {
        let FilePiece { about, media_id, after, is_last } = piece;
        self.arrival(cell, &about).await?;
        steps::comes(FILE_PIECE);
        let user_num = self.turner.users.num(&about.user_id).await?;
        let user_num = user_num.ok_or_else(|| Error::internal("somebody who comes has no number"))?;
        let About { move_id, user_id } = about;
        let which = (move_id, media_id);
        let known = self.coming_files.take(&which, after);
        let mut blob = match known {
            _ if after == 0 => self.blobs.take_over(user_num).await?,
            Some(blob) => blob,
            None => {
                let text = "What comes before this piece of a file is not here: send the file from its beginning.";
                return Err(ErrorKind::InvalidParam.with(text).into());
            }
        };
        let bytes = after.saturating_add(content.len() as u64);
        blob.write(content).await?;
        if !is_last {
            let coming = Coming { blob, bytes, touched_ms: self.clock.now_ms() };
            if !self.coming_files.keep(which, coming) {
                let text = "Too many files are on their way here at once: try again later.";
                return Err(ErrorKind::Unavailable.with(text).into());
            }
            return Ok(Done {});
        }
        let stored = blob.finish().await?;
        steps::happened("a file of whoever comes is whole");
        let mut batch = Batch::new();
        arrivals::put_media(&mut batch, user_id.as_str(), &which.1, stored.hash);
        self.turner.store.write(batch).await?;
        steps::is_here(FILE_PIECE);
        Ok(Done {})
    }
}
