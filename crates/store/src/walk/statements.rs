//! Statements that follow from the catalogue. Pure, but for keeping each statement once it was made.

use std::{collections::HashSet, sync::LazyLock};

use parking_lot::Mutex;

use crate::catalogue::{Abroad, Holds, Owner, Table, abroad, table};

/// Statements that were made. Each follows from an entry of the catalogue, so there are some hundred of them at most.
static MADE: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

/// Tables in which nothing is found by its owner's number: they are walked by their keys. A test compares the list with the indexes.
pub const BY_KEY: &[&str] =
    &["early_redactions", "event_texts", "outgoing_edus", "receipts", "reports", "thread_replies", "uia_sessions"];

/// Whom a row is about, as a walk counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The user of a number.
    User(i64),
    /// The room of a number.
    Room(i64),
    /// Nobody in particular: the cell's, or shared.
    None,
    /// Somebody or something that is not in the database any more.
    Gone,
}

/// What the subjects of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// Users.
    User,
    /// Rooms.
    Room,
    /// Nobody.
    None,
}

/// How the subject of a row is found.
pub(super) struct Path {
    pub(super) kind: SubjectKind,
    /// What stands after the table's name, which is called `t`.
    join: String,
    /// The subject.
    subject: String,
    /// The column of `t` by which rows are found, if it is a number with an index.
    indexed: Option<&'static str>,
}

impl Path {
    fn own(kind: SubjectKind, column: &'static str) -> Self {
        Self { kind, join: String::new(), subject: format!("t.{column}"), indexed: Some(column) }
    }

    pub(super) fn of(table: &Table) -> Self {
        let mut path = match (table.owner, table.second) {
            (Owner::User(column), _) | (Owner::Cell, Some(column)) => Self::own(SubjectKind::User, column),
            (Owner::Room(column), _) => Self::own(SubjectKind::Room, column),
            (Owner::Event(column), _) => Self {
                kind: SubjectKind::Room,
                join: format!(" LEFT JOIN events o ON o.event_num = t.{column}"),
                subject: "o.room_num".to_owned(),
                indexed: Some(column),
            },
            (Owner::Through { column, table: through, key }, _) => Self {
                kind: SubjectKind::User,
                join: format!(" LEFT JOIN {through} o ON o.{key} = t.{column}"),
                subject: format!("o.{}", owner_column(through)),
                indexed: Some(column),
            },
            (Owner::Shared | Owner::Cell, _) => Self {
                kind: SubjectKind::None,
                join: String::new(),
                subject: "CAST(0 AS BIGINT)".to_owned(),
                indexed: None,
            },
        };
        let is_number = |name: &str| {
            table
                .column(name)
                .is_some_and(|column| !matches!(column.holds, Holds::Value | Holds::UserId | Holds::RoomId))
        };
        path.indexed = path.indexed.filter(|column| is_number(column) && !BY_KEY.contains(&table.name));
        path
    }
}

/// The column with the owner of a table through which others find theirs.
fn owner_column(through: &str) -> &'static str {
    match table(through).map(|table| table.owner) {
        Some(Owner::User(column)) => column,
        // A test holds that an owner is found in one step.
        _ => "user_num",
    }
}

/// What the subjects of a table's rows are.
pub fn subject_kind(table: &Table) -> SubjectKind {
    Path::of(table).kind
}

/// Keeps a statement for as long as the program runs.
pub(super) fn made(sql: String) -> &'static str {
    let mut made = MADE.lock();
    if let Some(known) = made.get(sql.as_str()) {
        return known;
    }
    let kept: &'static str = Box::leak(sql.into_boxed_str());
    made.insert(kept);
    kept
}

/// The statements that count a table's rows by subject, in steps.
pub(super) enum Steps {
    /// Along a number with an index: `next` gives its least value from `$1` on, `count` goes from `$1` to `$2`.
    ByNumber { next: &'static str, count: &'static str },
    /// Along the key: `first` and `next` give the key that is `$n` rows on, `n` being the parameter after the last key's columns.
    ByKey { first: &'static str, next: &'static str, count: [&'static str; 4], columns: usize },
}

/// How a table's rows are counted.
pub(super) fn steps(table: &Table) -> Steps {
    let path = Path::of(table);
    // Whether a row is one that may not be about somebody whose home is elsewhere.
    let wrong = match abroad(table.name) {
        Abroad::Never => "1".to_owned(),
        Abroad::WhileMet => "0".to_owned(),
        Abroad::Unless(condition) => format!("CASE WHEN {condition} THEN 1 ELSE 0 END"),
    };
    let name = table.name;
    let Path { join, subject, .. } = &path;
    let select = if path.kind == SubjectKind::None {
        format!("SELECT CAST(0 AS BIGINT), COUNT(*), CAST(0 AS BIGINT) FROM {name} t")
    } else {
        format!("SELECT {subject}, COUNT(*), CAST(SUM({wrong}) AS BIGINT) FROM {name} t{join}")
    };
    let group = if path.kind == SubjectKind::None { String::new() } else { format!(" GROUP BY {subject}") };
    if let Some(column) = path.indexed {
        return Steps::ByNumber {
            next: made(format!("SELECT MIN(t.{column}) FROM {name} t WHERE t.{column} >= $1")),
            count: made(format!("{select} WHERE t.{column} >= $1 AND t.{column} <= $2{group}")),
        };
    }
    let columns = table.key.len();
    let key = list("t.", table.key);
    let (after, upto) = (parameters(1, columns), parameters(columns + 1, columns));
    let offset = columns + 1;
    let range = |condition: &str| made(format!("{select}{condition}{group}"));
    Steps::ByKey {
        first: made(format!("SELECT {key} FROM {name} t ORDER BY {key} LIMIT 1 OFFSET $1")),
        next: made(format!(
            "SELECT {key} FROM {name} t WHERE ({key}) > ({after}) ORDER BY {key} LIMIT 1 OFFSET ${offset}"
        )),
        count: [
            range(""),
            range(&format!(" WHERE ({key}) <= ({after})")),
            range(&format!(" WHERE ({key}) > ({after})")),
            range(&format!(" WHERE ({key}) > ({after}) AND ({key}) <= ({upto})")),
        ],
        columns,
    }
}

/// The keys of a subject's rows: at most `$2` of those of `$1`. `wrong_only` leaves out those that may be about somebody elsewhere.
pub(super) fn keys_of(table: &Table, wrong_only: bool) -> &'static str {
    let Path { join, subject, .. } = Path::of(table);
    let key = list("t.", table.key);
    let condition = match abroad(table.name) {
        Abroad::Unless(condition) if wrong_only => format!(" AND ({condition})"),
        _ => String::new(),
    };
    made(format!("SELECT {key} FROM {} t{join} WHERE {subject} = $1{condition} ORDER BY {key} LIMIT $2", table.name))
}

/// The keys of at most `$1` rows whose subject is gone.
pub(super) fn keys_of_gone(table: &Table) -> &'static str {
    let Path { join, subject, .. } = Path::of(table);
    let key = list("t.", table.key);
    made(format!("SELECT {key} FROM {} t{join} WHERE {subject} IS NULL ORDER BY {key} LIMIT $1", table.name))
}

/// The rows of a subject, all columns in the catalogue's order, and then the key's once more: the first `$2` of those of `$1`.
/// `second` asks for those in which the user is the second person.
pub(super) fn rows_of(table: &Table, second: Option<&str>, more: bool) -> &'static str {
    let Path { join, subject, .. } = Path::of(table);
    let (join, subject) = match second {
        Some(column) => (String::new(), format!("t.{column}")),
        None => (join, subject),
    };
    let rooms = second.map_or_else(String::new, |_| of_own_rooms(table));
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let (columns, key) = (list("t.", &names), list("t.", table.key));
    let after = if more { format!(" AND ({key}) > ({})", parameters(3, table.key.len())) } else { String::new() };
    made(format!(
        "SELECT {columns}, {key} FROM {} t{join} WHERE {subject} = $1{rooms}{after} ORDER BY {key} LIMIT $2",
        table.name
    ))
}

/// The key and the subject of a row: the first that comes after `$1` in the order of a number with an index, or the `$1`th by key.
pub(super) fn draw(table: &Table) -> (&'static str, bool) {
    let Path { join, subject, indexed, .. } = Path::of(table);
    let key = list("t.", table.key);
    let name = table.name;
    match indexed {
        Some(column) => (
            made(format!(
                "SELECT {subject}, {key} FROM {name} t{join} WHERE t.{column} >= $1 ORDER BY t.{column} LIMIT 1"
            )),
            true,
        ),
        None => (made(format!("SELECT {subject}, {key} FROM {name} t{join} ORDER BY {key} LIMIT 1 OFFSET $1")), false),
    }
}

/// The least and the greatest value of the number by which a table is walked.
pub(super) fn span(table: &Table) -> Option<&'static str> {
    let column = Path::of(table).indexed?;
    Some(made(format!("SELECT MIN(t.{column}), MAX(t.{column}) FROM {} t", table.name)))
}

/// Removes the rows of the user `$1`. What they reported stays for those who look after the rooms, as nobody's and without their words.
pub(super) fn remove_of(table: &Table) -> Option<&'static str> {
    let name = table.name;
    match table.owner {
        Owner::Cell if table.name == "reports" => {
            Some("UPDATE reports SET reporter_num = NULL, reason = '' WHERE reporter_num = $1")
        }
        // Rows that are found by their rooms only.
        Owner::User(column) if table.name == "receipts" => Some(made(format!(
            "DELETE FROM {name} WHERE {column} = $1 AND room_num IN (SELECT m.room_num FROM memberships m WHERE m.user_num = $1)"
        ))),
        Owner::User(column) => Some(made(format!("DELETE FROM {name} WHERE {column} = $1"))),
        Owner::Through { column, table: through, key } => {
            let owner = owner_column(through);
            Some(made(format!("DELETE FROM {name} WHERE {column} IN (SELECT {key} FROM {through} WHERE {owner} = $1)")))
        }
        _ => None,
    }
}

/// Removes the rows of the room `$1`.
pub(super) fn remove_of_room(table: &Table) -> Option<&'static str> {
    let name = table.name;
    match table.owner {
        Owner::Room(column) => Some(made(format!("DELETE FROM {name} WHERE {column} = $1"))),
        Owner::Event(column) => Some(made(format!(
            "DELETE FROM {name} WHERE {column} IN (SELECT event_num FROM events WHERE room_num = $1)"
        ))),
        _ => None,
    }
}

/// What stands after a condition on the owner, where rows are found by their rooms only.
fn in_own_rooms(table: &Table) -> String {
    let room = table.columns.iter().find(|column| column.holds == Holds::RoomNum);
    match room.filter(|_| BY_KEY.contains(&table.name)) {
        Some(room) => {
            format!(" AND t.{} IN (SELECT m.room_num FROM memberships m WHERE m.user_num = $1)", room.name)
        }
        None => String::new(),
    }
}

/// All rows of the user `$1` that go along with them, every column in the catalogue's order.
pub(super) fn carried_of(table: &Table) -> Option<&'static str> {
    matches!(table.owner, Owner::User(_) | Owner::Through { .. }).then(|| {
        let Path { join, subject, .. } = Path::of(table);
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let (columns, rooms) = (list("t.", &names), in_own_rooms(table));
        made(format!("SELECT {columns} FROM {} t{join} WHERE {subject} = $1{rooms}", table.name))
    })
}

/// Adds a row, every column in the catalogue's order. One that is there already stays.
pub(super) fn insert_of(table: &Table) -> Option<&'static str> {
    matches!(table.owner, Owner::User(_) | Owner::Through { .. }).then(|| {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        made(format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            table.name,
            list("", &names),
            parameters(1, names.len())
        ))
    })
}

/// How many rows the user `$1` has; `second` asks for those in which they are the second person.
pub(super) fn count_of(table: &Table, second: Option<&str>) -> &'static str {
    let Path { join, subject, .. } = Path::of(table);
    match second {
        Some(column) => {
            let rooms = of_own_rooms(table);
            made(format!("SELECT COUNT(*) FROM {} t WHERE t.{column} = $1{rooms}", table.name))
        }
        None => made(format!("SELECT COUNT(*) FROM {} t{join} WHERE {subject} = $1", table.name)),
    }
}

/// Rows of a room that are about a person are looked for in the person's rooms only: they have no index by person.
fn of_own_rooms(table: &Table) -> String {
    match table.owner {
        Owner::Room(column) if table.name != "memberships" => {
            format!(" AND t.{column} IN (SELECT m.room_num FROM memberships m WHERE m.user_num = $1)")
        }
        _ => String::new(),
    }
}

fn list(prefix: &str, columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{prefix}{column}")).collect();
    columns.join(", ")
}

fn parameters(from: usize, count: usize) -> String {
    let all: Vec<String> = (from..from + count).map(|number| format!("${number}")).collect();
    all.join(", ")
}

/// Every statement that a table gives rise to. For the test that prepares all of them on both engines.
pub fn all(table: &Table) -> Vec<&'static str> {
    let mut all = match steps(table) {
        Steps::ByNumber { next, count } => vec![next, count],
        Steps::ByKey { first, next, count, .. } => [vec![first, next], count.to_vec()].concat(),
    };
    all.push(draw(table).0);
    if Path::of(table).kind != SubjectKind::None {
        all.extend([count_of(table, None), rows_of(table, None, false), rows_of(table, None, true)]);
        all.extend([keys_of(table, false), keys_of(table, true), keys_of_gone(table)]);
    }
    if let Some(second) = table.second {
        all.extend([
            count_of(table, Some(second)),
            rows_of(table, Some(second), false),
            rows_of(table, Some(second), true),
        ]);
    }
    all.extend(remove_of(table));
    all.extend(remove_of_room(table));
    all.extend(carried_of(table));
    all.extend(insert_of(table));
    all.extend(span(table));
    all
}
