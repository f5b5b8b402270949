//! Everything that a test server has stored, to see that something stored nothing.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use domicile_store::catalogue;

use super::TestServer;

/// Tables whose rows change without anybody having been given anything: blocks of numbers, and the day of a device's last use.
const RESTLESS: [&str; 2] = ["sequences", "devices"];

static STATEMENTS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let tables = catalogue::tables().into_iter().filter(|table| !RESTLESS.contains(&table.name));
    // Statements live as long as the program; these are made once.
    tables.map(|table| (table.name, &*Box::leak(format!("SELECT * FROM {}", table.name).into_boxed_str()))).collect()
});

/// The rows of every table, in no particular order on the server, sorted here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents(BTreeMap<&'static str, Vec<String>>);

impl TestServer {
    /// Everything that is stored now.
    pub async fn contents(&self) -> Contents {
        let read = self.store.read(|snapshot| async move {
            let mut found = BTreeMap::new();
            for (table, statement) in STATEMENTS.iter() {
                let rows = snapshot.query(statement, &[]).await?;
                let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
                rows.sort();
                found.insert(*table, rows);
            }
            Ok::<_, domicile_store::StoreError>(Contents(found))
        });
        read.await.expect("the contents of the database")
    }
}

impl Contents {
    /// What differs, for a person: empty if nothing does. Writing to a text cannot fail.
    pub fn difference(&self, later: &Self) -> String {
        let mut told = String::new();
        for (table, rows) in &later.0 {
            let before = self.0.get(table);
            for row in rows.iter().filter(|row| before.is_none_or(|before| !before.contains(row))) {
                let _ = writeln!(told, "{table}: now there is {row:.300}");
            }
            for row in before.into_iter().flatten().filter(|row| !rows.contains(row)) {
                let _ = writeln!(told, "{table}: gone is {row:.300}");
            }
        }
        told
    }
}
