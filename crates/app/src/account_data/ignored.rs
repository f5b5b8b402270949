//! Users whom a user ignores (client-server, *Ignoring users*).

use std::collections::BTreeMap;

use domicile_core::ids::UserNum;
use domicile_store::{
    Snapshot,
    table::{
        account_data::{self, GLOBAL},
        users,
    },
};
use serde_json::Value;

use crate::Result;

/// The type under which they are kept.
const KIND: &str = "m.ignored_user_list";

/// Numbers of the users whom a user ignores; those whom this cell does not know have sent nothing here.
pub async fn ignored(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<UserNum>> {
    #[derive(serde::Deserialize)]
    struct Content {
        ignored_users: BTreeMap<String, Value>,
    }
    let content = account_data::get(snapshot, user_num, GLOBAL, KIND).await?;
    let content = content.and_then(|content| serde_json::from_str::<Content>(&content).ok());
    match content.filter(|content| !content.ignored_users.is_empty()) {
        Some(content) => Ok(users::nums(snapshot, content.ignored_users.keys().map(String::as_str)).await?),
        None => Ok(Vec::new()),
    }
}
