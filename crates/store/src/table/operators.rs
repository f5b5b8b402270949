//! `operators`: those who may use the console.

use crate::{Batch, Row, Snapshot, StoreError, params};

/// The guard of a name that there must be.
pub const NAME_GUARD: &str = "operators.name";

/// A row of `operators`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name with which they sign in.
    pub name: String,
    /// The password's hash in PHC form.
    pub password_hash: String,
    /// What they may do: a word.
    pub role: String,
    /// `*`, or names of regions with commas between them.
    pub regions: String,
    /// When they were added, in milliseconds since the epoch.
    pub created_ts: i64,
}

fn operator(row: &Row) -> Result<Operator, StoreError> {
    Ok(Operator {
        name: row.text(0)?.to_owned(),
        password_hash: row.text(1)?.to_owned(),
        role: row.text(2)?.to_owned(),
        regions: row.text(3)?.to_owned(),
        created_ts: row.int(4)?,
    })
}

/// One of them.
pub async fn by_name(snapshot: &Snapshot, name: &str) -> Result<Option<Operator>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT name, password_hash, role, regions, created_ts FROM operators WHERE name = $1",
            &params![name],
        )
        .await?;
    row.as_ref().map(operator).transpose()
}

/// All of them, by name.
pub async fn all(snapshot: &Snapshot) -> Result<Vec<Operator>, StoreError> {
    let rows = snapshot
        .query("SELECT name, password_hash, role, regions, created_ts FROM operators ORDER BY name", &[])
        .await?;
    rows.iter().map(operator).collect()
}

/// Adds one; a conflict if there is one of that name.
pub fn insert(batch: &mut Batch, operator: Operator) {
    batch.push(
        "INSERT INTO operators (name, password_hash, role, regions, created_ts) VALUES ($1, $2, $3, $4, $5)",
        params![operator.name, operator.password_hash, operator.role, operator.regions, operator.created_ts],
    );
}

/// Gives one another password; a conflict if there is none of that name.
pub fn set_password(batch: &mut Batch, name: &str, password_hash: String) {
    batch.guard(NAME_GUARD, "UPDATE operators SET password_hash = $2 WHERE name = $1", params![name, password_hash]);
}

/// Removes one; a conflict if there is none of that name.
pub fn remove(batch: &mut Batch, name: &str) {
    batch.guard(NAME_GUARD, "DELETE FROM operators WHERE name = $1", params![name]);
}
