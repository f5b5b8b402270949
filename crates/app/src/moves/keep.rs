//! What is kept of somebody who leaves, for a new home that loses them before it has a backup: their vault and the key of their files, sealed for that
//! cell alone. What can be used once, or be revoked, is no part of it, as of no backup.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use domicile_residency::inner;
use domicile_store::{
    Batch,
    backup::LEFT_OUT,
    catalogue,
    table::kept_vaults::{self, KeptVault},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{bundle::Bundle, copies::Traveller, leave::Leaving};
use crate::{Error, Result};

/// A vault as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    /// What is in it.
    pub(super) bundle: Bundle,
    /// The key that opens its files, in Base64.
    secret: String,
}

impl Content {
    /// The key that opens its files; none if that is not one.
    pub(super) fn secret(&self) -> Option<Zeroizing<[u8; 32]>> {
        let bytes = Zeroizing::new(BASE64_STANDARD_NO_PAD.decode(&self.secret).ok()?);
        Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
    }
}

/// The files of a vault: their ids and the names that their contents had where it comes from.
pub(super) fn files(bundle: &Bundle) -> Vec<(String, Bytes)> {
    let Some(table) = catalogue::table("media") else { return Vec::new() };
    let at = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX);
    let (id, hash) = (at("media_id"), at("content_hash"));
    let rows = bundle.tables.iter().filter(|rows| rows.table == table.name).flat_map(|rows| &rows.rows);
    let named = rows.filter_map(|row| {
        let content = BASE64_STANDARD_NO_PAD.decode(row.get(hash)?.get("b")?.as_str()?).ok()?;
        Some((row.get(id)?.as_str()?.to_owned(), Bytes::from(content)))
    });
    named.collect()
}

impl Leaving {
    /// Adds to the batch that lets somebody go what is kept of them.
    pub(super) async fn keep(&self, batch: &mut Batch, traveller: &Traveller, bundle: &Bundle) -> Result<()> {
        let Some(of) = self.cells()?.own.document().cells.get(&traveller.to) else { return Ok(()) };
        let mut bundle = Bundle { frontiers: None, ..bundle.clone() };
        bundle.tables.retain(|rows| !LEFT_OUT.contains(&rows.table.as_str()));
        let secret = self.vaults.keystore.reveal(traveller.user_num).await?;
        let secret = BASE64_STANDARD_NO_PAD.encode(secret.as_slice());
        let named = files(&bundle).into_iter().map(|(_, hash)| hash);
        let content = Content { bundle, secret };
        let text = Zeroizing::new(serde_json::to_vec(&content).map_err(Error::internal)?);
        let sealed = inner::seal(&of.key, &text, &*self.rng).map_err(Error::internal)?;
        let kept = KeptVault {
            move_id: traveller.about.move_id.clone(),
            user_id: traveller.about.user_id.to_string(),
            cell: traveller.to.as_str().to_owned(),
            made_ts: self.clock.now_ms(),
            sealed: Bytes::from(sealed),
        };
        kept_vaults::insert(batch, &kept, named);
        Ok(())
    }
}
