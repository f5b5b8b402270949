//! Rows drawn at random, whose owners are looked up one by one and not by the walk.

use std::collections::BTreeSet;

use domicile_core::{ids::UserNum, locality::Locality, rng::Rng};
use domicile_store::{
    catalogue::{self, Abroad},
    walk::{
        self, Subject,
        statements::{SubjectKind, subject_kind},
    },
};
use ruma::{OwnedUserId, UserId};

use super::{TableCount, Walk};
use crate::Result;

/// Rows that are drawn at most.
const MOST: u32 = 100_000;

/// Rows that were drawn.
#[derive(Default)]
pub(in crate::evidence) struct Drawn {
    /// How many.
    pub(in crate::evidence) rows: u32,
    /// Those whose home is here.
    pub(in crate::evidence) owners: BTreeSet<OwnedUserId>,
    /// Rows of others, each once however often it was drawn: whose, if they are known, and what is to be said of it.
    pub(in crate::evidence) elsewhere: BTreeSet<(Option<OwnedUserId>, String)>,
}

impl Walk<'_> {
    /// Draws rows of people. Each table of those that were counted has its turn.
    pub(in crate::evidence) async fn draw(&self, counts: &[TableCount], sample: u32, rng: &dyn Rng) -> Result<Drawn> {
        let people: Vec<_> = counts
            .iter()
            .filter(|count| count.rows > 0)
            .filter_map(|count| catalogue::table(&count.table).map(|table| (table, count.rows)))
            .filter(|(table, _)| {
                subject_kind(table) == SubjectKind::User && catalogue::abroad(table.name) == Abroad::Never
            })
            .collect();
        let mut drawn = Drawn::default();
        for at in 0..sample.min(MOST) {
            let Some((table, rows)) = people.get(usize::try_from(at).unwrap_or_default() % people.len().max(1)) else {
                break;
            };
            let Some((subject, named)) = walk::rows::draw(self.store, table, *rows, rng).await? else { continue };
            drawn.rows += 1;
            let Subject::User(number) = subject else { continue };
            let user_id = self.user_id(UserNum(number)).await?.and_then(|user_id| UserId::parse(user_id).ok());
            match user_id {
                Some(user_id) if self.whereabouts.of(&user_id) == Locality::Here => drop(drawn.owners.insert(user_id)),
                other => {
                    let told = format!("{}: {} is not of somebody whose home is here", table.name, named.key);
                    drawn.elsewhere.insert((other, told));
                }
            }
        }
        Ok(drawn)
    }
}
