//! Each table's rows, by whom they are about.

use std::collections::BTreeMap;

use domicile_store::{
    catalogue::{self, Abroad, Owner, Table},
    walk::{
        self, Count, Subject,
        statements::{SubjectKind, subject_kind},
    },
};
use serde::Serialize;

use super::{People, Walk, mark, people::about};
use crate::{Result, evidence::marks::Marks};

/// Findings that a report names; all are counted.
const NAMED: usize = 100;
/// Rows that a report names of one person in one table.
const NAMED_OF_ONE: i64 = 5;
/// People in one table who are looked at again: those who came since the walk began, or have rows that may not be here.
const SUSPECTS: usize = 100_000;

/// Where the rows of a table belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Belongs {
    /// To a person: at their home only.
    Vault,
    /// To a person: elsewhere where it is needed.
    Shared,
    /// To a room: where it has members.
    Room,
    /// To several rooms or people together.
    Common,
    /// To the cell.
    Cell,
}

/// The rows of one table.
#[derive(Clone, Debug, Serialize)]
pub struct TableCount {
    /// Its name.
    pub table: String,
    /// What a row is.
    pub about: String,
    /// The class of data.
    pub class: &'static str,
    /// Where its rows belong.
    pub belongs: Belongs,
    /// All rows.
    pub rows: i64,
    /// Of people whose home is here, or of room copies that such a person justifies.
    pub here: i64,
    /// Of people whose home is elsewhere, which may be here.
    pub elsewhere: i64,
    /// Of those, of people whom nobody here meets any more: removed daily.
    pub left_behind: i64,
    /// Of people whose home is elsewhere, which must not be here.
    pub foreign: i64,
    /// Of rooms of which no copy is here (an invite), or whose copy nobody here justifies.
    pub without_member: i64,
    /// Of nobody who is known: what they belonged to is gone.
    pub unowned: i64,
}

/// A row that must not be here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The table.
    pub table: String,
    /// Which row.
    pub key: String,
    /// Whose, if they are known.
    pub user: Option<String>,
    /// Rows of this person in this table.
    pub rows: i64,
    /// What it is.
    pub about: String,
}

/// Rows that must not be here.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The first of them.
    pub named: Vec<Finding>,
    /// Keys in the keystore of people whose home is elsewhere.
    pub keys: i64,
    /// Keys of people who are on the way here, where that makes nobody's home this one.
    pub keys_coming: i64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        if self.named.len() < NAMED {
            self.named.push(finding);
        }
    }
}

/// Whom to look at again.
type Suspects = BTreeMap<i64, (i64, i64)>;

impl TableCount {
    fn new(table: &Table) -> Self {
        let belongs = match (subject_kind(table), table.owner) {
            (SubjectKind::User, _) if catalogue::abroad(table.name) == Abroad::Never => Belongs::Vault,
            (SubjectKind::User, _) => Belongs::Shared,
            (SubjectKind::Room, _) => Belongs::Room,
            (SubjectKind::None, Owner::Shared) => Belongs::Common,
            (SubjectKind::None, _) => Belongs::Cell,
        };
        Self {
            table: table.name.to_owned(),
            about: about(table),
            class: table.class.name(),
            belongs,
            rows: 0,
            here: 0,
            elsewhere: 0,
            left_behind: 0,
            foreign: 0,
            without_member: 0,
            unowned: 0,
        }
    }

    /// Counts rows of a person who is known.
    fn person(&mut self, marks: u8, rows: i64, wrong: i64, while_met: bool) {
        if marks & mark::HERE != 0 {
            self.here += rows;
            return;
        }
        self.foreign += wrong;
        self.elsewhere += rows - wrong;
        if while_met && marks & mark::MET == 0 {
            self.left_behind += rows - wrong;
        }
    }
}

impl Walk<'_> {
    /// Walks every table.
    pub(super) async fn tables(
        &self,
        people: &mut People,
        rooms: &Marks,
        findings: &mut Findings,
    ) -> Result<Vec<TableCount>> {
        let mut counts = Vec::new();
        for table in catalogue::tables() {
            counts.push(self.table(table, people, rooms, findings).await?);
        }
        Ok(counts)
    }

    pub(super) async fn table(
        &self,
        table: &'static Table,
        people: &mut People,
        rooms: &Marks,
        findings: &mut Findings,
    ) -> Result<TableCount> {
        let mut told = TableCount::new(table);
        let while_met = catalogue::abroad(table.name) == Abroad::WhileMet;
        let mut suspects = Suspects::new();
        let mut unknown = 0;
        let known: &People = people;
        walk::count(self.store, table, |Count { subject, rows: count, wrong }| {
            told.rows += count;
            match subject {
                Subject::None => told.here += count,
                Subject::Gone => told.unowned += count,
                Subject::Room(number) if rooms.has(number, mark::JUSTIFIED) => told.here += count,
                Subject::Room(_) => told.without_member += count,
                Subject::User(number) => {
                    let marks = known.of(number);
                    let is_fine = marks & mark::HERE != 0 || (marks & mark::KNOWN != 0 && wrong == 0);
                    if is_fine || (suspects.len() >= SUSPECTS && !suspects.contains_key(&number)) {
                        unknown += i64::from(marks & mark::KNOWN == 0);
                        told.person(marks, count, wrong, while_met);
                    } else {
                        let suspect = suspects.entry(number).or_default();
                        *suspect = (suspect.0 + count, suspect.1 + wrong);
                    }
                }
            }
        })
        .await?;
        if unknown > 0 {
            tracing::warn!(table = table.name, unknown, "more people came while a table was walked than are looked up");
        }
        for (number, (count, wrong)) in suspects {
            self.suspect(table, (number, count, wrong), people, &mut told, findings).await?;
        }
        Ok(told)
    }

    /// Looks again at somebody who came since the walk began, or who has rows that may not be here.
    async fn suspect(
        &self,
        table: &'static Table,
        (number, count, wrong): (i64, i64, i64),
        people: &mut People,
        told: &mut TableCount,
        findings: &mut Findings,
    ) -> Result<()> {
        let subject = Subject::User(number);
        let user = self.name(people, subject).await?;
        let marks = people.of(number);
        let while_met = catalogue::abroad(table.name) == Abroad::WhileMet;
        if user.is_some() && (marks & mark::HERE != 0 || wrong == 0) {
            told.person(marks, count, wrong, while_met);
            return Ok(());
        }
        let named = walk::named(self.store, table, subject, user.is_some(), NAMED_OF_ONE).await?;
        if named.is_empty() {
            // Gone since: it was on its way out.
            told.rows -= count;
            return Ok(());
        }
        let wrong = if user.is_some() { wrong } else { count };
        told.foreign += wrong;
        told.elsewhere += count - wrong;
        for row in named {
            findings.add(Finding {
                table: table.name.to_owned(),
                key: row.key,
                user: user.clone(),
                rows: wrong,
                about: about(table),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_belongs_to_people_is_vault_unless_the_list_says_otherwise() {
        let belongs = |name: &str| TableCount::new(catalogue::table(name).unwrap()).belongs;
        for vault in
            ["devices", "access_tokens", "account_data", "key_backup_keys", "media", "media_thumbnails", "reports"]
        {
            assert_eq!(belongs(vault), Belongs::Vault, "{vault}");
        }
        assert_eq!(belongs("device_keys"), Belongs::Shared);
        assert_eq!(belongs("events"), Belongs::Room);
        assert_eq!(belongs("event_texts"), Belongs::Room);
        assert_eq!(belongs("state_nodes"), Belongs::Common);
        assert_eq!(belongs("server_keys"), Belongs::Cell);
    }
}
