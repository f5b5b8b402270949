//! The catalogue and the live schema of both engines say the same, and what should be sealed is.

use std::collections::{BTreeMap, BTreeSet};

use domicile_store::{
    Snapshot, StoreError,
    catalogue::{self, EXCEPTIONS, Holds, Owner, PARTS},
};

use crate::fixture::on_both;

/// Column and type by table.
type Schema = BTreeMap<String, BTreeMap<String, String>>;

const SQLITE: &str =
    "SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'
    AND t.name NOT LIKE 'sqlite_%'";
const POSTGRES: &str =
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'";

async fn live(snapshot: &Snapshot, sql: &'static str) -> Result<Schema, StoreError> {
    let mut schema = Schema::new();
    for row in snapshot.query(sql, &[]).await? {
        // What FTS5 keeps of a table is that table's; it names none of its numbers, which are there nevertheless.
        let is_part = PARTS.iter().any(|(part, _)| row.text(0).is_ok_and(|name| name == *part));
        if is_part {
            continue;
        }
        if row.text(0)? == "event_texts" {
            schema.entry("event_texts".to_owned()).or_default().insert("rowid".to_owned(), "integer".to_owned());
        }
        let table = schema.entry(row.text(0)?.to_owned()).or_default();
        table.insert(row.text(1)?.to_owned(), row.text(2)?.to_lowercase());
    }
    Ok(schema)
}

fn kind(holds: Holds) -> Option<&'static [&'static str]> {
    match holds {
        Holds::Value => None,
        Holds::Sealed | Holds::EventId | Holds::Blob => Some(&["blob", "bytea"]),
        Holds::UserId | Holds::RoomId | Holds::DeviceId => Some(&["text"]),
        Holds::Encrypted => Some(&["text", "blob", "bytea"]),
        _ => Some(&["bigint", "integer"]),
    }
}

on_both! {
    async fn the_catalogue_is_the_schema(place: Place) {
        let sql = match &place {
            crate::fixture::Place::Sqlite(_) => SQLITE,
            crate::fixture::Place::Postgres(_) => POSTGRES,
        };
        let store = place.open().await;
        let live = store.read(move |snapshot| async move { live(&snapshot, sql).await }).await.expect("the schema");
        let mut wrong = Vec::new();
        for (name, columns) in &live {
            let Some(table) = catalogue::table(name) else {
                wrong.push(format!("the table {name} has no entry"));
                continue;
            };
            wrong.extend(columns.keys().filter(|column| table.column(column).is_none()).map(|column| {
                format!("the column {name}.{column} has no entry")
            }));
        }
        for table in catalogue::tables() {
            let Some(columns) = live.get(table.name) else {
                wrong.push(format!("the table {} does not exist", table.name));
                continue;
            };
            for column in table.columns {
                match (columns.get(column.name), kind(column.holds)) {
                    (None, _) => wrong.push(format!("the column {}.{} does not exist", table.name, column.name)),
                    (Some(found), Some(wanted)) if !wanted.contains(&found.as_str()) => {
                        wrong.push(format!("{}.{} is {found}, and should be {}", table.name, column.name, wanted.join(" or ")));
                    }
                    _ => {}
                }
            }
        }
        assert!(wrong.is_empty(), "src/catalogue/ and the schema differ:\n{}", wrong.join("\n"));
    }
}

#[test]
fn entries_refer_to_what_there_is() {
    let tables = catalogue::tables();
    let names: BTreeSet<_> = tables.iter().map(|table| table.name).collect();
    assert_eq!(names.len(), tables.len(), "a table stands twice");
    for table in &tables {
        let has = |column: &str| assert!(table.column(column).is_some(), "{}.{column}", table.name);
        let columns: BTreeSet<_> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(columns.len(), table.columns.len(), "a column of {} stands twice", table.name);
        assert!(!table.key.is_empty(), "{}", table.name);
        table.key.iter().copied().for_each(has);
        let holds = |column: &str, holds: Holds| {
            let found = table.column(column).map(|column| column.holds);
            assert_eq!(found, Some(holds), "{}.{column}", table.name);
        };
        match table.owner {
            Owner::User(column) => holds(column, Holds::UserNum),
            Owner::Room(column) => holds(column, Holds::RoomNum),
            Owner::Event(column) => holds(column, Holds::EventNum),
            Owner::Through { column, table: through, key } => {
                has(column);
                let through = catalogue::table(through).expect("the table of the owner");
                assert!(through.column(key).is_some());
                assert!(through.order < table.order, "{} is copied after {}", table.name, through.name);
                assert!(matches!(through.owner, Owner::User(_)), "{}: an owner is found in two steps", table.name);
            }
            Owner::Shared | Owner::Cell => {}
        }
        if let Some(second) = table.second {
            holds(second, Holds::UserNum);
        }
    }
}

#[test]
fn what_should_be_sealed_is_sealed_or_has_a_reason() {
    let is_open = |table: &str, column: &str| {
        EXCEPTIONS.iter().any(|exception| exception.table == table && exception.column == column)
    };
    let mut wrong = Vec::new();
    for table in catalogue::tables() {
        for column in table.columns {
            let must = column.class.is_sealed() && column.holds != Holds::Sealed && !column.holds.is_reference();
            match (must, is_open(table.name, column.name)) {
                (true, false) => wrong.push(format!(
                    "{}.{} is of the class {} and must be sealed, or be listed in exceptions.rs with a reason",
                    table.name,
                    column.name,
                    column.class.name()
                )),
                (false, true) => wrong.push(format!("{}.{} needs no exception", table.name, column.name)),
                _ => {}
            }
        }
    }
    for exception in EXCEPTIONS {
        let found = catalogue::table(exception.table).and_then(|table| table.column(exception.column));
        if found.is_none() {
            wrong.push(format!("{}.{} does not exist: remove its exception", exception.table, exception.column));
        }
        assert!(exception.reason.len() > 20, "{}.{} needs a reason", exception.table, exception.column);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
