//! What is kept of a register between two looks at it: listings, and of each part what was found in it.

use std::collections::BTreeMap;

use domicile_residency::blocklist::{Broad, Found, Head, Key, Listing, Part};
use domicile_store::table::blocklists;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Blocklists, Watched};
use crate::{Error, Result};

/// What was found in a part, so that it need not be read again while it is the same.
#[derive(Serialize, Deserialize)]
struct Kept {
    entries: u64,
    pieces: u64,
    odd: u64,
    updated_ms: Option<i64>,
    served_ms: Option<i64>,
    broad: Option<Broad>,
    broad_count: u64,
    listings: Vec<Listing>,
}

/// A part as text for its row, if it can stand for the part: not if something of it could not be read or kept.
pub(super) fn written(part: &Part, served_ms: Option<i64>) -> Option<String> {
    let found = &part.found;
    if !found.problems.is_empty() || found.more > 0 {
        return None;
    }
    let kept = Kept {
        entries: found.entries,
        pieces: found.pieces,
        odd: found.odd_count,
        updated_ms: part.head.updated_ms,
        served_ms,
        broad: found.broad.first().cloned(),
        broad_count: found.broad_count,
        listings: found.listings.values().cloned().collect(),
    };
    serde_json::to_string(&kept).ok()
}

/// A part from its row, with when it was served.
pub(super) fn read(row: &blocklists::Part, name: &str) -> Option<(Part, Option<i64>)> {
    let kept: Kept = serde_json::from_str(&row.found).ok()?;
    let found = Found {
        entries: kept.entries,
        pieces: kept.pieces,
        odd_count: kept.odd,
        broad: kept.broad.into_iter().collect(),
        broad_count: kept.broad_count,
        listings: kept.listings.into_iter().map(|listing| (listing.key.clone(), listing)).collect(),
        ..Found::default()
    };
    let part = Part { name: name.to_owned(), head: Head { updated_ms: kept.updated_ms }, found };
    Some((part, kept.served_ms))
}

/// The hash by which a listing's row is found.
pub(super) fn hash(key: &Key) -> Vec<u8> {
    let mut hash = Sha256::new();
    for text in [&key.own, &key.matched, &key.authority, &key.number] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

/// A listing as JSON, with the register that it is of.
pub(super) fn shown(watched: &Watched, listing: &Listing) -> Value {
    let mut shown = serde_json::to_value(listing).unwrap_or_default();
    shown["blocklist"] = watched.name.as_str().into();
    shown["jurisdiction"] = watched.jurisdiction.as_str().into();
    shown["listed"] = listing.how.is_listed().into();
    if listing.key.authority.is_empty() {
        shown["authority"] = watched.authority.as_str().into();
    }
    shown
}

impl Blocklists {
    /// What is known of a register.
    pub(super) async fn known(&self, name: &str) -> Result<BTreeMap<Key, (Listing, blocklists::Listing)>> {
        let name = name.to_owned();
        let rows =
            self.parts.store.read(move |snapshot| async move { blocklists::listings(&snapshot, &name).await }).await?;
        let read = rows.into_iter().map(|row| {
            let listing: Listing = serde_json::from_str(&row.listing).map_err(Error::internal)?;
            Ok((listing.key.clone(), (listing, row)))
        });
        read.collect()
    }
}
