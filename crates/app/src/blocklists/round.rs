//! One look at a register: get hold of its parts, read those that have changed, compare, and write what follows in one batch.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::clock::HOUR_MS;
use domicile_residency::blocklist::{
    self, Change, Changes, Circumstances, Fault, Key, Limits, Listing, Part, Run, compare,
};
use domicile_store::{Batch, numbers::Sequence, table::blocklists};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Blocklists, Watched,
    alerts::{self, Verdict},
    kept,
    obtain::Obtained,
};
use crate::{Error, Result};

/// How long a register that could not be read whole is left alone at most.
const SOON_MS: i64 = HOUR_MS;

/// What a look at a register gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// It as JSON.
    pub json: Value,
}

/// The parts as they were obtained, and what is to be written of them.
#[derive(Default)]
struct Gathered {
    parts: Vec<Part>,
    rows: Vec<blocklists::Part>,
    /// Sources whose rows cannot stand for them any more.
    stale_rows: Vec<String>,
    /// What cannot be had: the part and why.
    unreachable: Vec<(String, String)>,
    /// When the newest of them was changed, as whoever serves it says.
    served_ms: Option<i64>,
    read: u64,
}

/// What is known of a register before a look at it.
struct Known {
    row: Option<blocklists::Blocklist>,
    parts: Vec<blocklists::Part>,
    listings: BTreeMap<Key, (Listing, blocklists::Listing)>,
    open: Vec<blocklists::Alert>,
}

impl Blocklists {
    /// Looks at a register.
    pub(super) async fn look(&self, watched: &Watched, accept_smaller: bool) -> Result<Looked> {
        let _turn = self.turn.lock().await;
        let known = self.known_before(&watched.name).await?;
        let own_hash = self.own_hash(watched);
        let is_same_search = known.row.as_ref().is_some_and(|row| row.own_hash == own_hash);
        let gathered = self.gather(watched, if is_same_search { &known.parts } else { &[] }).await?;

        let now_ms = self.parts.clock.now_ms();
        let entries_before = known.row.as_ref().and_then(|row| u64::try_from(row.entries).ok());
        let Gathered { parts, rows, stale_rows, unreachable, served_ms, read } = gathered;
        let run = Run::new(
            parts,
            Circumstances {
                now_ms,
                max_age_ms: Some(watched.max_age_ms),
                served_ms,
                // What could not be had is told as that.
                entries_before: entries_before.filter(|_| unreachable.is_empty() && !accept_smaller),
            },
        );
        let listings = known.listings.iter().map(|(key, (listing, _))| (key.clone(), listing.clone())).collect();
        let changes = compare(&listings, &run, self.parts.own.texts());
        let verdict = alerts::judge(watched, &run, &unreachable, &changes.all, &known.open);

        let mut batch = Batch::new();
        for row in &rows {
            blocklists::put_part(&mut batch, &watched.name, row);
        }
        // What was found for another search cannot stand for this one.
        for part in known.parts.iter().filter(|_| !is_same_search) {
            if !rows.iter().any(|row| row.source == part.source) {
                blocklists::remove_part(&mut batch, &watched.name, &part.source);
            }
        }
        let gone = known.parts.iter().map(|part| &part.source).filter(|source| !watched.sources.contains(source));
        for source in stale_rows.iter().chain(gone) {
            blocklists::remove_part(&mut batch, &watched.name, source);
        }
        let after = write_listings(&mut batch, watched, listings, &changes, now_ms)?;
        let row = row_after(watched, known.row.as_ref(), &run, &unreachable, own_hash, now_ms);
        blocklists::put(&mut batch, &row);
        self.write_alerts(&mut batch, watched, &verdict, now_ms).await?;
        self.parts.store.write(batch).await?;

        self.gauge(&row, after.values());
        self.tell(watched, &verdict);
        Ok(Looked { json: told(watched, &run, &changes, &verdict, &unreachable, read) })
    }

    async fn known_before(&self, name: &str) -> Result<Known> {
        let listings = self.known(name).await?;
        let name = name.to_owned();
        let read = self.parts.store.read(move |snapshot| async move {
            let row = blocklists::all(&snapshot).await?.into_iter().find(|row| row.name == name);
            let parts = blocklists::parts(&snapshot, &name).await?;
            Ok::<_, Error>((row, parts, blocklists::open_alerts(&snapshot, &name).await?))
        });
        let (row, parts, open) = read.await?;
        Ok(Known { row, parts, listings, open })
    }

    /// What is searched for, and how: if that is another, unchanged parts are read all the same.
    fn own_hash(&self, watched: &Watched) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(watched.format.name());
        for text in self.parts.own.texts() {
            hash.update([0]);
            hash.update(text);
        }
        hash.finalize().to_vec()
    }

    async fn gather(&self, watched: &Watched, known: &[blocklists::Part]) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        for (index, source) in watched.sources.iter().enumerate() {
            let name = part_name(source, index);
            let known = known.iter().find(|part| part.source == *source);
            let reusable = known.and_then(|row| kept::read(row, &name));
            let published = watched.hashes.get(index).map(String::as_str);
            let obtained = self.obtain(&watched.name, source, published, known.filter(|_| reusable.is_some())).await;
            match (obtained, reusable) {
                (Ok(Obtained::Same), Some((part, served_ms))) => {
                    gathered.served_ms = gathered.served_ms.max(served_ms);
                    gathered.parts.push(part);
                }
                (Ok(Obtained::Other { file, validators, hash, served_ms, temporary }), _) => {
                    let (own, format, part_name) = (Arc::clone(&self.parts.own), watched.format, name.clone());
                    let reading = tokio::task::spawn_blocking(move || {
                        let mut file = file;
                        let part = blocklist::read(&own, format, &part_name, &mut file, Limits::default());
                        drop(temporary);
                        part
                    });
                    let part = reading.await.map_err(Error::internal)?;
                    gathered.read += 1;
                    gathered.served_ms = gathered.served_ms.max(served_ms);
                    match kept::written(&part, served_ms) {
                        Some(found) => gathered.rows.push(blocklists::Part {
                            source: source.clone(),
                            etag: validators.etag,
                            last_modified: validators.last_modified,
                            content_hash: hash.into(),
                            found,
                        }),
                        None => gathered.stale_rows.push(source.clone()),
                    }
                    gathered.parts.push(part);
                }
                (Ok(Obtained::Same), None) => {
                    return Err(Error::internal("a part that is not known cannot be the same"));
                }
                (Err(reason), _) => {
                    gathered.parts.push(Part::failed(&name, Fault::Unreadable(reason.clone())));
                    gathered.unreachable.push((name, reason));
                }
            }
        }
        Ok(gathered)
    }

    async fn write_alerts(&self, batch: &mut Batch, watched: &Watched, verdict: &Verdict, now_ms: i64) -> Result<()> {
        for new in &verdict.new {
            let alert_num = self.parts.store.number(Sequence::BlocklistAlert).await?;
            let alert = blocklists::Alert {
                alert_num,
                name: watched.name.clone(),
                kind: new.kind.to_owned(),
                own: new.own.clone(),
                detail: new.detail.to_string(),
                created_ts: now_ms,
                ended_ts: new.is_over.then_some(now_ms),
            };
            blocklists::insert_alert(batch, &alert);
        }
        for alert_num in &verdict.over {
            blocklists::end_alert(batch, *alert_num, now_ms);
        }
        Ok(())
    }

    /// Counts and logs what is new.
    fn tell(&self, watched: &Watched, verdict: &Verdict) {
        let mut counts = self.counts.lock();
        for new in &verdict.new {
            *counts.entry((watched.name.clone(), new.kind.to_owned())).or_default() += 1;
            let own = new.own.as_deref().unwrap_or_default();
            tracing::warn!(
                register = watched.name,
                jurisdiction = watched.jurisdiction,
                kind = new.kind,
                own,
                detail = %new.detail,
                "a register of what is blocked has news"
            );
        }
    }
}

/// A short name for a source: the last part of its path, with its place where that alone would not tell it.
fn part_name(source: &str, index: usize) -> String {
    let path = source.split(['?', '#']).next().unwrap_or_default();
    match path.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => format!("part {index}"),
    }
}

/// Writes what has changed, and gives what is known now.
fn write_listings(
    batch: &mut Batch,
    watched: &Watched,
    mut known: BTreeMap<Key, Listing>,
    changes: &Changes,
    now_ms: i64,
) -> Result<BTreeMap<Key, Listing>> {
    for change in &changes.all {
        match change {
            Change::Appeared(listing) | Change::Changed { now: listing, .. } => {
                let row = blocklists::Listing {
                    listing_hash: kept::hash(&listing.key).into(),
                    listing: serde_json::to_string(listing).map_err(Error::internal)?,
                    appeared_ts: now_ms,
                    changed_ts: now_ms,
                };
                blocklists::put_listing(batch, &watched.name, &row);
                known.insert(listing.key.clone(), Listing::clone(listing));
            }
            Change::Disappeared(listing) => remove(batch, watched, &mut known, &listing.key),
            Change::Forgotten(key) => remove(batch, watched, &mut known, key),
        }
    }
    Ok(known)
}

fn remove(batch: &mut Batch, watched: &Watched, known: &mut BTreeMap<Key, Listing>, key: &Key) {
    blocklists::remove_listing(batch, &watched.name, &kept::hash(key));
    known.remove(key);
}

/// The register's row after a look at it. What it was when it was whole stays until it is whole again.
fn row_after(
    watched: &Watched,
    before: Option<&blocklists::Blocklist>,
    run: &Run,
    unreachable: &[(String, String)],
    own_hash: Vec<u8>,
    now_ms: i64,
) -> blocklists::Blocklist {
    let pause_ms = if run.is_whole() { watched.every_ms } else { watched.every_ms.min(SOON_MS) };
    let is_had = unreachable.is_empty();
    blocklists::Blocklist {
        name: watched.name.clone(),
        checked_ts: now_ms,
        due_ts: now_ms + pause_ms,
        read_ts: if is_had { Some(now_ms) } else { before.and_then(|row| row.read_ts) },
        updated_ts: if is_had { run.updated_ms } else { before.and_then(|row| row.updated_ts) },
        entries: if run.is_whole() {
            i64::try_from(run.entries).unwrap_or(i64::MAX)
        } else {
            before.map_or(0, |row| row.entries)
        },
        whole: run.is_whole(),
        own_hash: own_hash.into(),
    }
}

fn told(
    watched: &Watched,
    run: &Run,
    changes: &Changes,
    verdict: &Verdict,
    unreachable: &[(String, String)],
    read: u64,
) -> Value {
    let count = |kind: &str| verdict.new.iter().filter(|new| new.kind == kind).count();
    let unreachable: Vec<Value> =
        unreachable.iter().map(|(part, reason)| json!({ "part": part, "reason": reason })).collect();
    json!({
        "blocklist": watched.name, "entries": run.entries, "updated_ts": run.updated_ms, "whole": run.is_whole(),
        "parts": watched.sources.len(), "parts_read": read, "unreachable": unreachable, "warnings": run.warnings,
        "appeared": count("appeared"), "near": count("near"), "changed": count("changed"), "disappeared": count("disappeared"),
        "held": changes.held, "listed": run.listings.values().filter(|listing| listing.how.is_listed()).count(),
    })
}
