//! Rows by name: which they are, what stands in them, and some drawn at random.

use bytes::Bytes;
use domicile_core::{
    ids::UserNum,
    rng::{self, Rng},
};

use super::statements::{self, Path, Subject, SubjectKind};
use crate::{Row, Store, StoreError, Value, catalogue::Table, params};

/// The key of a row: column and value.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// As a person would write it: `user_num = 5, kind = m.push_rules`.
    pub key: String,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
}

/// A row with every column of the catalogue, in its order.
#[derive(Clone, Debug)]
pub struct Whole {
    /// What stands in it.
    pub cells: Vec<Cell>,
    after: Vec<Value>,
}

/// At most `limit` rows about a subject by name. For a user, `wrong_only` leaves out those that may be here though their home is elsewhere.
pub async fn named(
    store: &Store,
    table: &'static Table,
    subject: Subject,
    wrong_only: bool,
    limit: i64,
) -> Result<Vec<Named>, StoreError> {
    let read = store.read(move |snapshot| async move {
        match subject {
            Subject::User(number) | Subject::Room(number) => {
                snapshot.query(statements::keys_of(table, wrong_only), &params![number, limit]).await
            }
            Subject::Gone => snapshot.query(statements::keys_of_gone(table), &params![limit]).await,
            Subject::None => Ok::<_, StoreError>(Vec::new()),
        }
    });
    Ok(read.await?.iter().map(|row| Named { key: key(table, row, 0) }).collect())
}

/// The rows of a user, `limit` at a time: those after a row, or the first. `second` asks for those in which they are the second person.
pub async fn of_user(
    store: &Store,
    table: &'static Table,
    user_num: UserNum,
    second: Option<&'static str>,
    after: Option<&Whole>,
    limit: i64,
) -> Result<Vec<Whole>, StoreError> {
    let sql = statements::rows_of(table, second, after.is_some());
    let mut asked = params![user_num, limit];
    asked.extend(after.into_iter().flat_map(|row| row.after.clone()));
    let rows: Vec<Row> = store.read(move |snapshot| async move { snapshot.query(sql, &asked).await }).await?;
    let columns = table.columns.len();
    Ok(rows
        .into_iter()
        .map(|row| {
            let after = row.columns.iter().skip(columns).cloned().collect();
            Whole { cells: row.columns.into_iter().take(columns).map(Cell::from).collect(), after }
        })
        .collect())
}

/// How many rows a user has in a table; `second` asks for those in which they are the second person.
pub async fn count_of(
    store: &Store,
    table: &'static Table,
    user_num: UserNum,
    second: Option<&'static str>,
) -> Result<i64, StoreError> {
    let sql = statements::count_of(table, second);
    store.read(move |snapshot| async move { snapshot.query_one(sql, &params![user_num]).await?.int(0) }).await
}

/// Draws a row at random, of `rows` that the table is said to have: whom it is about, and which it is.
pub async fn draw(
    store: &Store,
    table: &'static Table,
    rows: i64,
    rng: &dyn Rng,
) -> Result<Option<(Subject, Named)>, StoreError> {
    let span = match statements::span(table) {
        Some(sql) => {
            let row = store.read(move |snapshot| async move { snapshot.query_one(sql, &[]).await });
            let row: Row = row.await?;
            match (row.opt_int(0)?, row.opt_int(1)?) {
                (Some(least), Some(greatest)) => (least, greatest),
                _ => return Ok(None),
            }
        }
        None => (0, rows.saturating_sub(1).max(0)),
    };
    let wide = span.1.saturating_sub(span.0).saturating_add(1).max(1).unsigned_abs();
    let at = span.0.saturating_add(i64::try_from(u64::from_be_bytes(rng::bytes(rng)) % wide).unwrap_or_default());
    let (sql, _) = statements::draw(table);
    let row = store.read(move |snapshot| async move { snapshot.query_opt(sql, &params![at]).await });
    let row: Option<Row> = row.await?;
    let Some(row) = row else { return Ok(None) };
    let subject = match (Path::of(table).kind, row.columns.first()) {
        (SubjectKind::None, _) => Subject::None,
        (SubjectKind::User, Some(Value::Int(number))) => Subject::User(*number),
        (SubjectKind::Room, Some(Value::Int(number))) => Subject::Room(*number),
        _ => Subject::Gone,
    };
    Ok(Some((subject, Named { key: key(table, &row, 1) })))
}

fn key(table: &Table, row: &Row, from: usize) -> String {
    let parts: Vec<String> = table
        .key
        .iter()
        .zip(row.columns.iter().skip(from))
        .map(|(column, value)| format!("{column} = {}", Cell::from(value.clone()).shown()))
        .collect();
    parts.join(", ")
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null | Value::Position(_) => Self::Null,
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Cell {
    /// As a person would write it; bytes in hexadecimal.
    pub fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => hex(bytes),
        }
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
