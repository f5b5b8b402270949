//! The named pairs: what the two engines say differently. Everything else is written once.
//!
//! | written | SQLite | PostgreSQL |
//! | --- | --- | --- |
//! | `IN INTS($n)` | rows of `json_each` | rows of `json_array_elements_text`, as BIGINT |
//! | `$n` | `?n` | as written |
//! | `IN TEXTS($n)` | rows of `json_each` | rows of `json_array_elements_text` |
//! | `FROM BLOBS($n)` | rows of `json_each` from hexadecimal, as `item` | rows of `json_array_elements_text`, as BYTEA |
//! | `BIGINT PRIMARY KEY` | `INTEGER PRIMARY KEY` (the row's own number) | as written |
//! | `BLOB` | as written | `BYTEA` |
//! | `TEXT` | as written | `TEXT COLLATE "C"`, so that both sort by bytes |
//! | `WITHOUT ROWID` | as written | nothing |
//! | `CREATE WORDS TABLE` | a table of FTS5 that overwrites what is deleted | `rowid`, `words` as a tsvector with an inverted index |
//! | `CREATE NAMES TABLE` | rows in the order of their hash | rows that are found by the first half of their hash, in which few are alike: half an index |
//! | `WORDS($n)` | the text | the text's words as a tsvector |
//! | `MATCHES($n)` | a query of FTS5 over `event_texts` | the same as a tsquery over `words` |

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
    let sql = if has_words(sql) {
        Cow::Owned(sql.replace("WORDS(", "(").replace("MATCHES(", "event_texts MATCH ("))
    } else {
        lists(
            sql,
            [
                ("INTS(", "(SELECT value FROM json_each(", "))"),
                ("TEXTS(", "(SELECT value FROM json_each(", "))"),
                ("BLOBS(", "(SELECT unhex(value) AS item FROM json_each(", "))"),
            ],
        )
    };
    // To SQLite `$2` is a parameter named `$2`, whose number is the order in which it first stands in the statement.
    if sql.contains('$') { Cow::Owned(sql.replace('$', "?")) } else { sql }
}

/// A statement as PostgreSQL reads it.
pub fn postgres(sql: &str) -> Cow<'_, str> {
    if has_words(sql) {
        let sql = call(sql, "WORDS(", "array_to_tsvector(string_to_array(CAST(", " AS TEXT), ' '))");
        let query = "words @@ CAST(REPLACE(REPLACE(CAST(";
        return Cow::Owned(call(&sql, "MATCHES(", query, " AS TEXT), ' AND ', ' & '), ' OR ', ' | ') AS tsquery)"));
    }
    let end = " AS json)) AS items(item))";
    lists(
        sql,
        [
            ("INTS(", "(SELECT CAST(item AS BIGINT) FROM json_array_elements_text(CAST(", end),
            ("TEXTS(", "(SELECT item FROM json_array_elements_text(CAST(", end),
            ("BLOBS(", "(SELECT decode(item, 'hex') AS item FROM json_array_elements_text(CAST(", end),
        ],
    )
}

/// A migration as SQLite reads it.
pub fn sqlite_schema(sql: &str) -> String {
    // Each event is found or not: neither places of words nor their numbers are kept.
    let words = "CREATE VIRTUAL TABLE event_texts USING fts5(words, tokenize = 'ascii', detail = none, columnsize = 0);
         INSERT INTO event_texts (event_texts, rank) VALUES ('secure-delete', 1);";
    let names = format!("{NAMES_COLUMNS}, PRIMARY KEY (name_head, name_rest)) WITHOUT ROWID;");
    sql.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY").replace(WORDS_TABLE, words).replace(NAMES_TABLE, &names)
}

/// A migration as PostgreSQL reads it.
pub fn postgres_schema(sql: &str) -> String {
    let words = "CREATE TABLE event_texts (rowid BIGINT PRIMARY KEY, words tsvector NOT NULL);
         CREATE INDEX event_texts_by_word ON event_texts USING GIN (words);";
    // That a name is not written twice is its writers' care (`table/directory_names.rs`).
    let names = format!("{NAMES_COLUMNS});\nCREATE INDEX directory_names_by_head ON directory_names (name_head);");
    sql.replace(NAMES_TABLE, &names)
        .replace(" BLOB", " BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
        .replace(" WITHOUT ROWID", "")
        .replace(WORDS_TABLE, words)
}

/// How a migration makes the table of words.
const WORDS_TABLE: &str = "CREATE WORDS TABLE event_texts;";

/// How a migration makes the table of the directory's names.
const NAMES_TABLE: &str = "CREATE NAMES TABLE directory_names;";

/// The columns of that table.
const NAMES_COLUMNS: &str = "CREATE TABLE directory_names (
    name_head BIGINT NOT NULL, name_rest BIGINT NOT NULL, place BIGINT NOT NULL, homes TEXT";

fn has_words(sql: &str) -> bool {
    sql.contains("event_texts") && (sql.contains("WORDS(") || sql.contains("MATCHES("))
}

/// A call in which `word`, the opening bracket included, stands as `open`, and its closing bracket as `close`.
fn call(sql: &str, word: &str, open: &str, close: &str) -> String {
    let Some((before, rest)) = sql.split_once(word) else { return sql.to_owned() };
    let Some((inside, after)) = rest.split_once(')') else { return sql.to_owned() };
    format!("{before}{open}{inside}{close}{after}")
}

/// A statement in which lists are spelled out: each is a word with its bracket, what stands for it, and what stands for its other bracket.
fn lists<'a>(sql: &'a str, spellings: [(&str, &str, &str); 3]) -> Cow<'a, str> {
    if !spellings.iter().any(|(word, ..)| sql.contains(word)) {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len() + 80);
    let mut rest = sql;
    loop {
        let found = spellings
            .iter()
            .filter_map(|(word, open, end)| rest.find(word).map(|at| (at, word, open, end)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, word, open, end)) = found else { break };
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
        let sql = "SELECT p.item FROM BLOBS($1) p";
        assert_eq!(sqlite(sql), "SELECT p.item FROM (SELECT unhex(value) AS item FROM json_each(?1)) p");
        assert!(postgres(sql).contains("decode(item, 'hex') AS item FROM json_array_elements_text(CAST($1 AS json))"));
    }

    #[test]
    fn searches_are_spelled_for_each_engine() {
        let sql = "SELECT rowid FROM event_texts WHERE MATCHES($1) AND rowid < $2";
        assert_eq!(sqlite(sql), "SELECT rowid FROM event_texts WHERE event_texts MATCH (?1) AND rowid < ?2");
        assert!(postgres(sql).ends_with("' OR ', ' | ') AS tsquery) AND rowid < $2"));
        let sql = "INSERT INTO event_texts (rowid, words) VALUES ($1, WORDS($2))";
        assert_eq!(sqlite(sql), "INSERT INTO event_texts (rowid, words) VALUES (?1, (?2))");
        assert!(postgres(sql).ends_with("VALUES ($1, array_to_tsvector(string_to_array(CAST($2 AS TEXT), ' ')))"));
    }
}
