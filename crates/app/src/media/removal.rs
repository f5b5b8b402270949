//! The end of what a person uploaded.

use std::collections::HashSet;

use bytes::Bytes;
use domicile_core::ids::UserNum;
use domicile_store::{Batch, Blobs, Store, blob::BlobId, table::media};

use super::Media;
use crate::{Error, Result};

/// Files that are looked up in one step.
const FILES: i64 = 200;

impl Media {
    /// Removes what a person uploaded: files, and that there were any. Gives how many; done again, it finishes what was interrupted.
    pub async fn erase(&self, user_num: UserNum) -> Result<u64> {
        let removed = remove_files(&self.store, &self.files, user_num).await?;
        let mut batch = Batch::new();
        media::remove_of(&mut batch, user_num);
        self.store.write(batch).await?;
        Ok(removed)
    }
}

/// Removes the files that a person uploaded, and says how many. A file that another row names is that row's, too: names are made with the person's
/// key, so all such rows are the person's.
pub(crate) async fn remove_files(store: &Store, files: &Blobs, user_num: UserNum) -> Result<u64> {
    remove_files_but(store, files, user_num, &HashSet::new()).await
}

/// The same without those whose names are in `kept`.
pub(crate) async fn remove_files_but(
    store: &Store,
    files: &Blobs,
    user_num: UserNum,
    kept: &HashSet<Bytes>,
) -> Result<u64> {
    let (mut after, mut removed) = (String::new(), 0);
    loop {
        let from = after.clone();
        let read = store.read(move |snapshot| async move {
            let page = media::of_user(&snapshot, user_num, &from, FILES).await?;
            let mut hashes: Vec<_> = page.iter().filter_map(|row| row.content_hash.clone()).collect();
            for row in &page {
                hashes.extend(media::thumbnail_hashes(&snapshot, &row.media_id).await?);
            }
            Ok::<_, Error>((page.last().map(|row| row.media_id.clone()), hashes))
        });
        let (last, hashes) = read.await?;
        let Some(last) = last else { return Ok(removed) };
        after = last;
        for hash in hashes.into_iter().filter(|hash| !kept.contains(hash)) {
            files.remove(BlobId::from_bytes(&hash)?).await.map_err(Error::internal)?;
            removed += 1;
        }
    }
}
