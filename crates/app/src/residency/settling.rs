//! Who leaves at this moment: the database is told first that somebody's home is another one, and what this cell has in memory a moment later. What is
//! sent to them in between would be nobody's, and who asks for their keys would hear that they have none.

use std::{collections::BTreeSet, time::Duration};

use domicile_core::locality::Locality;
use ruma::OwnedUserId;

use super::Localities;

/// How often it is looked where people are who leave at this moment, and how long it is waited in between.
const TRIES: usize = 100;
const MOMENT: Duration = Duration::from_millis(10);

/// Whether one of those who are known here, and have no account by the database, has one by what is in memory.
pub(crate) fn is_unsettled(localities: &Localities, known: &BTreeSet<OwnedUserId>) -> bool {
    localities.cells().is_some() && known.iter().any(|user_id| localities.of(user_id) == Locality::Here)
}

/// Waits for them. `attempt` counts from 0; false if it was looked often enough: a name that was taken, that others know, and of which no account was
/// made, is nobody's.
pub(crate) async fn settles(attempt: usize) -> bool {
    if attempt + 1 >= TRIES {
        return false;
    }
    tokio::time::sleep(MOMENT).await;
    true
}
