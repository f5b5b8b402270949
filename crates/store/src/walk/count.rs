//! Counting every row of a table by whom it is about.

use super::statements::{Path, Steps, Subject, SubjectKind, steps};
use crate::{Row, Snapshot, Store, StoreError, Value, catalogue::Table, params};

/// Rows that one step is to have.
const STEP: i64 = 200_000;
/// Owners that the first step goes along.
const FIRST_WIDTH: i64 = 10_000;
/// Owners that a step goes along at most: what it gives back has a row for each.
const WIDEST: i64 = 200_000;

/// The rows of one step that are about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whom they are about.
    pub subject: Subject,
    /// How many there are.
    pub rows: i64,
    /// How many of them may not be here if the subject's home is elsewhere.
    pub wrong: i64,
}

/// Goes through a table and tells `each` how many rows are about whom. A subject may come more than once.
pub async fn count(store: &Store, table: &'static Table, mut each: impl FnMut(Count)) -> Result<(), StoreError> {
    let kind = Path::of(table).kind;
    let mut told = |rows: &[Row]| -> Result<i64, StoreError> {
        let mut sum = 0;
        for row in rows {
            let count = read(kind, row)?;
            sum += count.rows;
            if count.rows > 0 {
                each(count);
            }
        }
        Ok(sum)
    };
    match steps(table) {
        Steps::ByNumber { next, count } => {
            let (mut from, mut width) = (i64::MIN, FIRST_WIDTH);
            while let Some((start, end, rows)) = by_number(store, next, count, from, width).await? {
                let seen = told(&rows)?;
                let Some(after) = end.checked_add(1) else { return Ok(()) };
                // A step that took too long was made narrower by the one who asked; here it grows with what it found.
                let went = end.saturating_sub(start).saturating_add(1);
                width = went.saturating_mul(STEP).checked_div(seen.max(1)).unwrap_or(width).clamp(1, WIDEST);
                from = after;
            }
            Ok(())
        }
        Steps::ByKey { first, next, count, columns } => {
            let mut after: Option<Vec<Value>> = None;
            loop {
                let asked = after.clone();
                let read = store
                    .read(move |snapshot| async move { by_key(&snapshot, asked, [first, next], count, columns).await });
                let (end, rows) = read.await?;
                told(&rows)?;
                if end.is_none() {
                    return Ok(());
                }
                after = end;
            }
        }
    }
}

fn read(kind: SubjectKind, row: &Row) -> Result<Count, StoreError> {
    let subject = match (kind, row.opt_int(0)?) {
        (SubjectKind::None, _) => Subject::None,
        (_, None) => Subject::Gone,
        (SubjectKind::User, Some(number)) => Subject::User(number),
        (SubjectKind::Room, Some(number)) => Subject::Room(number),
    };
    Ok(Count { subject, rows: row.int(1)?, wrong: row.opt_int(2)?.unwrap_or_default() })
}

/// One step along a number: where it began and ended, and the counts. One that takes too long is tried again narrower, down to one owner.
async fn by_number(
    store: &Store,
    next: &'static str,
    count: &'static str,
    from: i64,
    mut width: i64,
) -> Result<Option<(i64, i64, Vec<Row>)>, StoreError> {
    loop {
        let read = store.read(move |snapshot| async move {
            let Some(start) = snapshot.query_one(next, &params![from]).await?.opt_int(0)? else { return Ok(None) };
            let end = start.saturating_add(width - 1);
            Ok(Some((start, end, snapshot.query(count, &params![start, end]).await?)))
        });
        match read.await {
            Err(StoreError::TooLong(_)) if width > 1 => width = (width / 16).max(1),
            other => return other,
        }
    }
}

/// One step along the key: where it ends, if it is not the last, and the counts.
async fn by_key(
    snapshot: &Snapshot,
    after: Option<Vec<Value>>,
    [first, next]: [&'static str; 2],
    count: [&'static str; 4],
    columns: usize,
) -> Result<(Option<Vec<Value>>, Vec<Row>), StoreError> {
    let mut asked = after.clone().unwrap_or_default();
    asked.push(Value::Int(STEP));
    let end = snapshot.query_opt(if after.is_some() { next } else { first }, &asked).await?;
    let end = end.map(|row| row.columns.into_iter().take(columns).collect::<Vec<_>>());
    let sql = match (&after, &end) {
        (None, None) => count[0],
        (None, Some(_)) => count[1],
        (Some(_), None) => count[2],
        (Some(_), Some(_)) => count[3],
    };
    let range: Vec<Value> = [after, end.clone()].into_iter().flatten().flatten().collect();
    Ok((end, snapshot.query(sql, &range).await?))
}
