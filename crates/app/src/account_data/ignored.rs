//! Whom users ignore (`m.ignored_user_list`), from memory: most ignore nobody, and for them it costs one look.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::UserNum;
use domicile_store::{
    Changes, Snapshot, Store,
    table::{
        account_data::{self, GLOBAL},
        users,
    },
};
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};
use serde::Deserialize;

use crate::Result;

/// The type of account data that says so.
pub const KIND: &str = "m.ignored_user_list";
/// Users of whom it is kept.
const CACHED: usize = 100_000;

/// Numbers of the users whom a user ignores; those whom this cell does not know have sent nothing here.
pub async fn ignored(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<UserNum>> {
    let content = account_data::get(snapshot, user_num, GLOBAL, KIND).await?;
    let ignored = content.map_or_else(IgnoredUsers::default, |content| IgnoredUsers::parse(&content));
    if ignored.is_empty() {
        return Ok(Vec::new());
    }
    Ok(users::nums(snapshot, ignored.iter().map(|user_id| user_id.as_str())).await?)
}

/// Those whom somebody ignores. Cheap to clone; nobody is the default.
#[derive(Clone, Debug, Default)]
pub struct IgnoredUsers(Option<Arc<HashSet<OwnedUserId>>>);

impl IgnoredUsers {
    /// Those of an account data content; what cannot be read ignores nobody.
    pub fn parse(content: &str) -> Self {
        #[derive(Deserialize)]
        struct Content {
            ignored_users: serde_json::Map<String, serde_json::Value>,
        }
        let content: Option<Content> = serde_json::from_str(content).ok();
        let users = content.into_iter().flat_map(|content| content.ignored_users);
        let users: HashSet<OwnedUserId> =
            users.filter_map(|(user_id, _)| OwnedUserId::try_from(user_id).ok()).collect();
        Self((!users.is_empty()).then(|| Arc::new(users)))
    }

    /// Whether nobody is ignored.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether somebody is ignored.
    pub fn has(&self, user_id: &UserId) -> bool {
        self.0.as_ref().is_some_and(|users| users.contains(user_id))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &OwnedUserId> {
        self.0.iter().flat_map(|users| users.iter())
    }
}

/// Who ignores whom.
pub struct Ignored {
    known: Cache<UserNum, IgnoredUsers>,
    changes: Changes,
}

impl Ignored {
    /// Over a store.
    pub fn new(store: &Store) -> Self {
        Self { known: Cache::new(CACHED), changes: store.changes() }
    }

    /// Those whom a user ignores.
    pub async fn of(&self, snapshot: &Snapshot, user_num: UserNum) -> Result<IgnoredUsers> {
        if let Some(users) = self.known.get(&user_num) {
            return Ok(users);
        }
        let content = account_data::get(snapshot, user_num, GLOBAL, KIND).await?;
        let users = content.map_or_else(IgnoredUsers::default, |content| IgnoredUsers::parse(&content));
        let keep = || self.known.insert(user_num, users.clone());
        self.changes.keep(snapshot.begun(), keep, || drop(self.known.remove(&user_num)));
        Ok(users)
    }

    /// Forgets what is known of a user: they changed it. Call it after the write.
    pub fn forget(&self, user_num: UserNum) {
        self.changes.note();
        self.known.remove(&user_num);
    }
}

#[cfg(test)]
mod tests {
    use domicile_store::{Batch, StoreOptions, table::users::User};
    use ruma::user_id;
    use tokio::sync::oneshot;

    use super::*;

    const BOB: UserNum = UserNum(7);

    async fn store(folder: &tempfile::TempDir) -> Store {
        let path = folder.path().join("test.db");
        let store = Store::open(StoreOptions::Sqlite { path, readers: 2 }).await.unwrap();
        let mut batch = Batch::new();
        let bob = User {
            user_num: BOB,
            user_id: "@bob:localhost".to_owned(),
            is_local: true,
            created_ts: 0,
            password_hash: None,
            deactivated_ts: None,
        };
        users::insert(&mut batch, &bob);
        store.write(batch).await.unwrap();
        store
    }

    async fn ignore(store: &Store, content: &str) {
        let mut batch = Batch::new();
        let position = batch.position();
        account_data::set(&mut batch, BOB, GLOBAL, KIND, content, position);
        store.write(batch).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_read_shows_that_began_before_a_change_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let ignored = Arc::new(Ignored::new(&store));
        ignore(&store, r#"{"ignored_users":{"@eve:localhost":{}}}"#).await;
        let (looked, wait) = oneshot::channel();
        let (go_on, changed) = oneshot::channel::<()>();
        let (reader, known) = (store.clone(), Arc::clone(&ignored));
        let reading = tokio::spawn(async move {
            let read = reader.read(|snapshot| async move {
                snapshot.head().await?;
                looked.send(()).unwrap();
                changed.await.unwrap();
                known.of(&snapshot, BOB).await
            });
            read.await
        });
        wait.await.unwrap();
        ignore(&store, r#"{"ignored_users":{}}"#).await;
        ignored.forget(BOB);
        go_on.send(()).unwrap();
        let before = reading.await.unwrap().unwrap();
        assert!(before.has(user_id!("@eve:localhost")), "so it was when that read began");
        let now = store.read(move |snapshot| async move { ignored.of(&snapshot, BOB).await });
        assert!(now.await.unwrap().is_empty());
    }

    #[test]
    fn lists_are_read_and_nonsense_ignores_nobody() {
        let users = IgnoredUsers::parse(r#"{"ignored_users":{"@eve:localhost":{},"nonsense":{}}}"#);
        assert!(users.has(user_id!("@eve:localhost")) && !users.has(user_id!("@bob:localhost")));
        assert_eq!(users.iter().count(), 1);
        for nobody in ["{}", "[]", r#"{"ignored_users":[]}"#, r#"{"ignored_users":{}}"#] {
            assert!(IgnoredUsers::parse(nobody).is_empty(), "{nobody}");
        }
    }
}
