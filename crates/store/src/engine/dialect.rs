//! The named pairs: what the two engines say differently. Everything else is written once.
//!
//! | written | SQLite | PostgreSQL |
//! | --- | --- | --- |
//! | `IN INTS($n)` | rows of `json_each` | rows of `json_array_elements_text`, as BIGINT |
//! | `$n` | `?n` | as written |
//! | `IN TEXTS($n)` | rows of `json_each` | rows of `json_array_elements_text` |
//! | `BIGINT PRIMARY KEY` | `INTEGER PRIMARY KEY` (the row's own number) | as written |
//! | `BLOB` | as written | `BYTEA` |
//! | `TEXT` | as written | `TEXT COLLATE "C"`, so that both sort by bytes |
//! | `WITHOUT ROWID` | as written | nothing |

use std::{borrow::Cow, cell::RefCell, collections::HashMap, rc::Rc};

thread_local! {
    /// Statements of the program's own text as SQLite reads them, by where that text lies: each is spelled once on a thread.
    static SPELLED: RefCell<HashMap<(usize, usize), Rc<str>>> = RefCell::default();
}

/// A statement of the program's own text as SQLite reads it.
pub(super) fn sqlite_once(sql: &'static str) -> Rc<str> {
    let place = (sql.as_ptr().addr(), sql.len());
    SPELLED.with_borrow_mut(|spelled| Rc::clone(spelled.entry(place).or_insert_with(|| Rc::from(sqlite(sql)))))
}

/// A statement as SQLite reads it.
pub fn sqlite(sql: &str) -> Cow<'_, str> {
    let sql = lists(sql, "(SELECT value FROM json_each(", "(SELECT value FROM json_each(", "))");
    // To SQLite `$2` is a parameter named `$2`, whose number is the order in which it first stands in the statement.
    if sql.contains('$') { Cow::Owned(sql.replace('$', "?")) } else { sql }
}

/// A statement as PostgreSQL reads it.
pub fn postgres(sql: &str) -> Cow<'_, str> {
    lists(
        sql,
        "(SELECT CAST(item AS BIGINT) FROM json_array_elements_text(CAST(",
        "(SELECT item FROM json_array_elements_text(CAST(",
        " AS json)) AS items(item))",
    )
}

/// A migration as SQLite reads it.
pub fn sqlite_schema(sql: &str) -> String {
    sql.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
}

/// A migration as PostgreSQL reads it.
pub fn postgres_schema(sql: &str) -> String {
    sql.replace(" BLOB", " BYTEA").replace(" TEXT", " TEXT COLLATE \"C\"").replace(" WITHOUT ROWID", "")
}

fn lists<'a>(sql: &'a str, ints: &str, texts: &str, end: &str) -> Cow<'a, str> {
    if !sql.contains("INTS(") && !sql.contains("TEXTS(") {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len() + 80);
    let mut rest = sql;
    loop {
        let found = [("INTS(", ints), ("TEXTS(", texts)]
            .into_iter()
            .filter_map(|(word, open)| rest.find(word).map(|at| (at, word, open)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, word, open)) = found else { break };
        let after = &rest[at + word.len()..];
        let Some(close) = after.find(')') else { break };
        out.push_str(&rest[..at]);
        out.push_str(open);
        out.push_str(&after[..close]);
        out.push_str(end);
        rest = &after[close + 1..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_spelled_for_each_engine() {
        let sql = "SELECT a FROM t WHERE a IN INTS($1) AND b IN TEXTS($2) AND c = $3";
        assert_eq!(
            sqlite(sql),
            "SELECT a FROM t WHERE a IN (SELECT value FROM json_each(?1)) AND b IN (SELECT value FROM json_each(?2)) AND c = ?3"
        );
        assert!(postgres(sql).contains("CAST(item AS BIGINT) FROM json_array_elements_text(CAST($1 AS json))"));
        assert!(postgres(sql).ends_with("AND c = $3"));
        assert!(matches!(sqlite("SELECT 1"), Cow::Borrowed(_)));
    }
}
