//! What a test does to the directory of a cell behind its back: parts of its log are lost, or others are written.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::time::Duration;

use domicile_residency::{
    deployment::sign,
    directory::{Body, Entry, HashKey, Log, Tip},
};
use domicile_store::{
    Batch, Row, params,
    table::{aliases, directory_names},
};
use ruma::OwnedUserId;
use serde_json::{Value, json};

use super::Cluster;
use crate::server::is_on_postgres;

/// Names that are written at once.
const AT_ONCE: usize = 5_000;

impl Cluster {
    /// Everything of a cell's log after a number is lost, as after a restore of a backup that was made then; with all of it, what the cell knew of others.
    pub async fn lose_log(&self, cell: &str, after: u32) {
        let mut batch = Batch::new();
        batch.push("DELETE FROM directory_log WHERE log_index > $1", params![i64::from(after)]);
        batch.push("DELETE FROM directory_names WHERE place / 65536 > $1", params![i64::from(after)]);
        if after == 0 {
            directory_names::forget(&mut batch);
            batch.push("DELETE FROM directory_standing", Vec::new());
        }
        self.cell(cell).store.write(batch).await.expect("a write");
    }

    /// Writes names into a cell's log past everything else, signed by the cell as the decider of the first term. They are nobody's.
    pub async fn write_names(&self, cell: &str, count: usize) {
        let server = self.cell(cell);
        let read = server.store.read(|snapshot| async move {
            let last = directory_names::last_entry(&snapshot).await?;
            Ok::<_, domicile_store::StoreError>((last, directory_names::hash_keys(&snapshot).await?))
        });
        let (last, keys) = read.await.expect("a read");
        let tip = last.map_or_else(Tip::start, |last| serde_json::from_str::<Entry>(&last).expect("an entry").tip());
        if keys.is_empty() {
            let mut batch = Batch::new();
            directory_names::insert_hash_key(&mut batch, 1, [9; 32]);
            server.store.write(batch).await.expect("a write");
        }
        let mut log = Log::open(tip, 1, self.key(cell));
        let (key, mut left) = (HashKey::new([9; 32]), count);
        while left > 0 {
            let mut batch = Batch::new();
            directory_names::number_home(&mut batch, cell);
            for _ in 0..left.min(AT_ONCE) {
                let name = key.hash('@', &format!("n{}", log.tip().index));
                let entry = log.append(Body::Take { name: name.to_string(), home: cell.to_owned() });
                let json = serde_json::to_string(&entry).expect("JSON");
                directory_names::append(&mut batch, entry.index, &json);
                directory_names::take(&mut batch, name.as_bytes(), cell, entry.index);
                left -= 1;
            }
            server.store.write(batch).await.expect("a write");
        }
    }

    /// The decider changes the key of the hashes, and uses the occasion to give all names to itself.
    pub async fn forge_rotation(&self, cell: &str) {
        let server = self.cell(cell);
        let read = server.store.read(|snapshot| async move {
            let entries = directory_names::entries(&snapshot, 0, i64::MAX).await?;
            Ok::<_, domicile_store::StoreError>((entries, directory_names::hash_keys(&snapshot).await?))
        });
        let (entries, keys) = read.await.expect("a read");
        let (mut batch, mut log, added) = (Batch::new(), Log::open(Tip::start(), 1, self.key(cell)), [5; 32]);
        directory_names::forget(&mut batch);
        for (key_num, key) in (1..).zip(&keys) {
            directory_names::insert_hash_key(&mut batch, key_num, key.as_ref().try_into().expect("a key"));
        }
        directory_names::insert_hash_key(&mut batch, 2, added);
        directory_names::number_home(&mut batch, cell);
        for entry in entries {
            let entry: Entry = serde_json::from_str(&entry).expect("an entry");
            let name = HashKey::new(added).again(entry.body.name().expect("a name"));
            let entry = log.append(Body::Take { name: name.to_string(), home: cell.to_owned() });
            let json = serde_json::to_string(&entry).expect("JSON");
            directory_names::append(&mut batch, entry.index, &json);
            directory_names::take(&mut batch, name.as_bytes(), cell, entry.index);
        }
        server.store.write(batch).await.expect("a write");
    }

    /// The hashes of all names that are taken, as a cell has them.
    pub async fn hashes(&self, cell: &str) -> Vec<(i64, i64)> {
        let sql = "SELECT name_head, name_rest FROM directory_names ORDER BY name_head, name_rest";
        let read = self.cell(cell).store.read(move |snapshot| async move { snapshot.query(sql, &[]).await });
        let rows = read.await.expect("a read");
        let half = |row: &Row, index| row.int(index).expect("half a hash");
        rows.iter().map(|row| (half(row, 0), half(row, 1))).collect()
    }

    /// How many bytes the directory takes on a cell's disk, with all that belongs to its tables.
    pub async fn directory_bytes(&self, cell: &str) -> i64 {
        let sizes = if is_on_postgres() {
            "SELECT pg_total_relation_size('directory_names') + pg_total_relation_size('directory_homes') + pg_total_relation_size('directory_log')
                + pg_total_relation_size('directory_packs')"
        } else {
            "SELECT SUM(pgsize) FROM dbstat WHERE name IN ('directory_names', 'directory_homes', 'directory_log', 'directory_packs')"
        };
        let read = self.cell(cell).store.read(move |snapshot| async move { snapshot.query_opt(sizes, &[]).await });
        read.await.expect("a read").expect("a row").int(0).expect("a number")
    }

    /// How long it takes a cell to find names of [`Self::write_names`] in its directory, each in a read of its own.
    pub async fn find_names(&self, cell: &str, names: impl IntoIterator<Item = usize>) -> Duration {
        let (key, store, mut found) = (HashKey::new([9; 32]), &self.cell(cell).store, 0_u32);
        let begin = tokio::time::Instant::now();
        for name in names {
            let name = key.hash('@', &format!("n{name}"));
            let read = store
                .read(move |snapshot| async move { directory_names::under_last_key(&snapshot, name.as_bytes()).await });
            assert!(read.await.expect("a read").is_some_and(|found| found.held.is_some()), "it was written");
            found += 1;
        }
        begin.elapsed() / found
    }

    /// How long it takes the cell that decides to say whose home is where, of names of [`Self::write_names`], one after the other.
    pub async fn look_names_up(&self, cell: &str, names: impl IntoIterator<Item = usize>) -> Duration {
        let directory = &self.cell(cell).services.users.localities().cells().expect("a cell").names;
        let (begin, mut found) = (tokio::time::Instant::now(), 0_u32);
        for name in names {
            let user_id: OwnedUserId = format!("@n{name}:example.org").try_into().expect("an id");
            assert_eq!(directory.look_up(&user_id).await.expect("an answer").len(), 1, "{user_id} has one home");
            found += 1;
        }
        begin.elapsed() / found
    }

    /// What a cell that decides nothing would tell a follower whose log ends with the first entry.
    pub fn forged_push(&self, by: &str, hash: &str) -> Value {
        let after = Tip { index: 1, hash: hash.to_owned(), term: 1 };
        let name = HashKey::new([0; 32]).hash('@', "alice").to_string();
        let forged = Log::open(after.clone(), 1, self.key(by)).append(Body::Free { name });
        json!({ "after": after, "entries": [forged], "head": 2, "hash_key": null })
    }

    /// A document that a cell has signed as if its key were the root key.
    pub fn signed_by(&self, cell: &str, document: &str) -> String {
        sign::sign(document, self.key(cell))
    }

    /// The aliases of rooms that a cell has.
    pub async fn aliases(&self, cell: &str) -> Vec<String> {
        let read = self.cell(cell).store.read(|snapshot| async move { aliases::after(&snapshot, "", 1_000).await });
        read.await.expect("a read")
    }
}
