//! `directory_names`, `directory_homes`, `directory_log`, `directory_packs`, `directory_hash_keys` and `directory_rotation`: the directory, at the cells that hold it.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, Value, params};

/// The guard of a name that was taken meanwhile, or of an entry that is not the next any more.
pub const TAKE_GUARD: &str = "directory_log.log_index";

/// The keys of the hashes, the first one first.
pub async fn hash_keys(snapshot: &Snapshot) -> Result<Vec<Bytes>, StoreError> {
    let rows = snapshot.query("SELECT hash_key FROM directory_hash_keys ORDER BY key_num", &[]).await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// Writes the key of the hashes of a number, from 1, which there must not be yet.
pub fn insert_hash_key(batch: &mut Batch, key_num: i64, hash_key: [u8; 32]) {
    batch.push("INSERT INTO directory_hash_keys (key_num, hash_key) VALUES ($1, $2)", params![key_num, hash_key]);
}

/// Entries of the log for each of which a place has as many numbers of homes.
const HOMES: i64 = 65_536;

/// A name's hash as it lies in its row.
#[derive(Clone, Copy)]
struct Name {
    head: i64,
    rest: i64,
}

impl Name {
    fn new(name: &[u8; 16]) -> Self {
        let number = u128::from_be_bytes(*name).cast_signed();
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken, one after the other")]
        let (head, rest) = ((number >> 64) as i64, number as i64);
        Self { head, rest }
    }
}

/// The homes of a name, and the number of the entry that said so last, if it is taken.
pub async fn homes(snapshot: &Snapshot, name: &[u8; 16]) -> Result<Option<(String, i64)>, StoreError> {
    let Name { head, rest } = Name::new(name);
    let row = snapshot
        .query_opt(
            "SELECT COALESCE(homes, (SELECT home FROM directory_homes WHERE home_num = place % 65536)), place / 65536
             FROM directory_names WHERE name_head = $1 AND name_rest = $2",
            &params![head, rest],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).transpose()
}

/// What [`under_last_key`] finds.
#[derive(Clone, Debug)]
pub struct Found {
    /// The homes, and the number of the entry that said so last, if the name is taken.
    pub held: Option<(String, i64)>,
    /// How many keys of the hashes there are.
    pub keys: i64,
    /// The last of them; empty where there is none.
    pub last_key: Bytes,
}

/// The homes of a name, in one statement with what tells whether the hash was made with the keys of now: nothing while these are being changed.
pub async fn under_last_key(snapshot: &Snapshot, name: &[u8; 16]) -> Result<Option<Found>, StoreError> {
    let Name { head, rest } = Name::new(name);
    let row = snapshot
        .query_opt(
            "SELECT COALESCE(homes, (SELECT home FROM directory_homes WHERE home_num = place % 65536)), place / 65536,
                (SELECT COUNT(*) FROM directory_hash_keys), (SELECT hash_key FROM directory_hash_keys ORDER BY key_num DESC LIMIT 1)
             FROM (SELECT 1 AS one) AS here LEFT JOIN directory_names ON name_head = $1 AND name_rest = $2
             WHERE NOT EXISTS (SELECT 1 FROM directory_rotation)",
            &params![head, rest],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let held = row.opt_text(0)?.map(str::to_owned).zip(row.opt_int(1)?);
    Ok(Some(Found { held, keys: row.int(2)?, last_key: row.opt_blob(3)?.unwrap_or_default() }))
}

/// Gives a home a number, if it has none: names that are taken or handed to it after this take less room. There are numbers for some ten thousand.
pub fn number_home(batch: &mut Batch, home: &str) {
    batch.push(
        "INSERT INTO directory_homes (home_num, home) SELECT COALESCE(MAX(home_num), 0) + 1, CAST($1 AS TEXT) FROM directory_homes
         HAVING COALESCE(MAX(home_num), 0) < 65535 AND NOT EXISTS (SELECT 1 FROM directory_homes WHERE home = $1)",
        params![home],
    );
}

/// The entry of a number, JSON.
pub async fn entry(snapshot: &Snapshot, log_index: i64) -> Result<Option<String>, StoreError> {
    let row = snapshot.query_opt("SELECT entry FROM directory_log WHERE log_index = $1", &params![log_index]).await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// The last entry of the log, JSON.
pub async fn last_entry(snapshot: &Snapshot) -> Result<Option<String>, StoreError> {
    let row = snapshot.query_opt("SELECT entry FROM directory_log ORDER BY log_index DESC LIMIT 1", &[]).await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Entries of the log after a number, JSON, in their order. Not more than `limit`.
pub async fn entries(snapshot: &Snapshot, after: i64, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT entry FROM directory_log WHERE log_index > $1 ORDER BY log_index LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
}

/// How many entries are kept one by one.
pub async fn loose(snapshot: &Snapshot) -> Result<i64, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT COALESCE((SELECT MAX(log_index) FROM directory_log) - (SELECT MIN(log_index) FROM directory_log) + 1, 0)",
            &[],
        )
        .await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Many entries of the log together.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The number of the last of them.
    pub last_index: i64,
    /// Its hash.
    pub hash: String,
    /// Its term.
    pub term: i64,
    /// All of them.
    pub pack: Bytes,
}

/// The last entry that is packed: its number, hash and term.
pub async fn last_packed(snapshot: &Snapshot) -> Result<Option<(i64, String, i64)>, StoreError> {
    let row = snapshot
        .query_opt("SELECT last_index, hash, term FROM directory_packs ORDER BY last_index DESC LIMIT 1", &[])
        .await?;
    row.map(|row| Ok((row.int(0)?, row.text(1)?.to_owned(), row.int(2)?))).transpose()
}

/// The pack with the entry after a number, if that is packed.
pub async fn pack_after(snapshot: &Snapshot, after: i64) -> Result<Option<Packed>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT last_index, hash, term, pack FROM directory_packs WHERE last_index > $1 ORDER BY last_index LIMIT 1",
            &params![after],
        )
        .await?;
    row.map(|row| {
        Ok(Packed { last_index: row.int(0)?, hash: row.text(1)?.to_owned(), term: row.int(2)?, pack: row.blob(3)? })
    })
    .transpose()
}

/// Writes a pack; nothing is written if there is one with the same end.
pub fn insert_pack(batch: &mut Batch, packed: Packed) {
    batch.guard(
        TAKE_GUARD,
        "INSERT INTO directory_packs (last_index, hash, term, pack) VALUES ($1, $2, $3, $4) ON CONFLICT (last_index) DO NOTHING",
        params![packed.last_index, packed.hash, packed.term, packed.pack],
    );
}

/// Removes the pack that ends with a number.
pub fn remove_pack(batch: &mut Batch, last_index: i64) {
    batch.push("DELETE FROM directory_packs WHERE last_index = $1", params![last_index]);
}

/// Removes the entries that are kept one by one up to a number: they are in a pack.
pub fn remove_loose(batch: &mut Batch, up_to: i64) {
    batch.push("DELETE FROM directory_log WHERE log_index <= $1", params![up_to]);
}

/// How many names are taken.
pub async fn count(snapshot: &Snapshot) -> Result<i64, StoreError> {
    let row = snapshot.query_opt("SELECT COUNT(*) FROM directory_names", &[]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Takes a name by the entry of a number: nothing is written if it is taken. Two who write at once write an entry of the same number, too, of
/// which there is one.
pub fn take(batch: &mut Batch, name: &[u8; 16], homes: &str, log_index: u64) {
    let Name { head, rest } = Name::new(name);
    batch.guard(
        TAKE_GUARD,
        "INSERT INTO directory_names (name_head, name_rest, place, homes)
         SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT) + COALESCE(MAX(home_num), 0),
            CASE WHEN MAX(home_num) IS NULL THEN CAST($4 AS TEXT) END
         FROM directory_homes WHERE home = $4
         HAVING NOT EXISTS (SELECT 1 FROM directory_names WHERE name_head = $1 AND name_rest = $2)",
        params![head, rest, place(log_index), homes],
    );
}

/// Lays a name under another hash, if it is there.
pub fn hash_again(batch: &mut Batch, before: &[u8; 16], after: &[u8; 16]) {
    let (before, after) = (Name::new(before), Name::new(after));
    batch.push(
        "UPDATE directory_names SET name_head = $3, name_rest = $4 WHERE name_head = $1 AND name_rest = $2",
        params![before.head, before.rest, after.head, after.rest],
    );
}

/// Gives a name that is taken another home: nothing is written if its homes are not `before` any more.
pub fn transfer(batch: &mut Batch, name: &[u8; 16], (before, after): (&str, &str), log_index: u64) {
    let Name { head, rest } = Name::new(name);
    batch.guard(
        TAKE_GUARD,
        "UPDATE directory_names SET
            place = CAST($3 AS BIGINT) + COALESCE((SELECT home_num FROM directory_homes WHERE home = $4), 0),
            homes = CASE WHEN EXISTS (SELECT 1 FROM directory_homes WHERE home = $4) THEN NULL ELSE CAST($4 AS TEXT) END
         WHERE name_head = $1 AND name_rest = $2
            AND COALESCE(homes, (SELECT home FROM directory_homes WHERE home_num = place % 65536)) = $5",
        params![head, rest, place(log_index), after, before],
    );
}

/// Makes a name free again: nothing is written if its homes are not `before` any more.
pub fn free(batch: &mut Batch, name: &[u8; 16], before: &str) {
    let Name { head, rest } = Name::new(name);
    batch.guard(
        TAKE_GUARD,
        "DELETE FROM directory_names WHERE name_head = $1 AND name_rest = $2
            AND COALESCE(homes, (SELECT home FROM directory_homes WHERE home_num = place % 65536)) = $3",
        params![head, rest, before],
    );
}

/// The place of a name whose entry has a number, but for the number of its home.
fn place(log_index: u64) -> Value {
    Value::Int(i64::try_from(log_index).unwrap_or(i64::MAX).saturating_mul(HOMES))
}

/// Writes an entry, JSON: nothing is written if its number is taken.
pub fn append(batch: &mut Batch, log_index: u64, entry: &str) {
    batch.guard(
        TAKE_GUARD,
        "INSERT INTO directory_log (log_index, entry) VALUES ($1, $2) ON CONFLICT (log_index) DO NOTHING",
        vec![number(log_index), entry.into()],
    );
}

fn number(log_index: u64) -> Value {
    Value::Int(i64::try_from(log_index).unwrap_or(i64::MAX))
}

/// The latest term that the cell has promised to go by, and the last entry that another holder of the directory is known to have.
pub async fn standing(snapshot: &Snapshot) -> Result<(i64, i64), StoreError> {
    let row = snapshot.query_opt("SELECT term, committed FROM directory_standing WHERE id = 1", &[]).await?;
    row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Notes both; neither goes back.
pub fn set_standing(batch: &mut Batch, term: i64, committed: i64) {
    batch.push(
        "INSERT INTO directory_standing (id, term, committed) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET
            term = CASE WHEN excluded.term > directory_standing.term THEN excluded.term ELSE directory_standing.term END,
            committed = CASE WHEN excluded.committed > directory_standing.committed THEN excluded.committed
                ELSE directory_standing.committed END",
        params![term, committed],
    );
}

/// How far the log is hashed anew.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The cell from which it comes; empty where it is made here.
    pub source: String,
    /// The keys that are added, 32 bytes each.
    pub hash_keys: Bytes,
    /// The term in which it is made, if it is made here.
    pub sign_term: i64,
    /// Up to which entry it is here.
    pub done_index: i64,
    /// That entry's hash.
    pub done_hash: String,
    /// Its term.
    pub done_term: i64,
}

/// How far the log is hashed anew, while that is done.
pub async fn rotation(snapshot: &Snapshot) -> Result<Option<Rotation>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT source, hash_keys, sign_term, done_index, done_hash, done_term FROM directory_rotation WHERE id = 1",
            &[],
        )
        .await?;
    row.map(|row| {
        Ok(Rotation {
            source: row.text(0)?.to_owned(),
            hash_keys: row.blob(1)?,
            sign_term: row.int(2)?,
            done_index: row.int(3)?,
            done_hash: row.text(4)?.to_owned(),
            done_term: row.int(5)?,
        })
    })
    .transpose()
}

/// Begins to hash the log anew. There must be no such work yet.
pub fn begin_rotation(batch: &mut Batch, rotation: Rotation) {
    batch.push(
        "INSERT INTO directory_rotation (id, source, hash_keys, sign_term, done_index, done_hash, done_term)
         VALUES (1, $1, $2, $3, $4, $5, $6)",
        params![
            rotation.source,
            rotation.hash_keys,
            rotation.sign_term,
            rotation.done_index,
            rotation.done_hash,
            rotation.done_term
        ],
    );
}

/// Notes how far it has come since `before`: nothing of the batch is written if it is elsewhere by now.
pub fn advance_rotation(batch: &mut Batch, before: i64, (index, hash, term): (i64, &str, i64)) {
    batch.guard(
        "directory_rotation.done_index",
        "UPDATE directory_rotation SET done_index = $2, done_hash = $3, done_term = $4 WHERE id = 1 AND done_index = $1",
        params![before, index, hash, term],
    );
}

/// The work is done, or given up.
pub fn end_rotation(batch: &mut Batch) {
    batch.push("DELETE FROM directory_rotation", Vec::new());
}

/// Forgets the log and the names, so that they are fetched anew: at a cell that does not decide.
pub fn forget(batch: &mut Batch) {
    batch.push("DELETE FROM directory_log", Vec::new());
    batch.push("DELETE FROM directory_packs", Vec::new());
    batch.push("DELETE FROM directory_names", Vec::new());
    batch.push("DELETE FROM directory_homes", Vec::new());
    batch.push("DELETE FROM directory_hash_keys", Vec::new());
    end_rotation(batch);
}
