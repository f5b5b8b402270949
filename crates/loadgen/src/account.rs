//! Accounts and rooms for a measurement, made as any client makes them.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;

/// The prefix of all paths.
pub(crate) const V3: &str = "/_matrix/client/v3";

/// An account with a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) user_id: String,
    pub(crate) token: String,
}

/// Registers an account; the server must take registrations with the dummy stage.
pub(crate) async fn register(client: &mut Client, name: &str) -> Result<Account> {
    let body = json!({
        "username": name, "password": format!("{name} measures this server"), "auth": { "type": "m.login.dummy" },
        "inhibit_login": false,
    });
    let answer = client.json("POST", &format!("{V3}/register"), None, Some(&body)).await?;
    let text = |key: &str| answer[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {answer}"));
    Ok(Account { user_id: text("user_id")?, token: text("access_token")? })
}

/// Makes a room in which all of `members` are; the first one makes it. Whoever has its id may join, so that making it costs little; else it is as
/// people's rooms are: encrypted, unless it is to be `plain`.
pub(crate) async fn room(client: &mut Client, members: &[&Account], plain: bool) -> Result<String> {
    let first = members.first().context("a room needs a member")?;
    let encryption = json!({
        "type": "m.room.encryption", "state_key": "", "content": { "algorithm": "m.megolm.v1.aes-sha2" },
    });
    let initial_state = if plain { json!([]) } else { json!([encryption]) };
    let body = json!({ "preset": "public_chat", "initial_state": initial_state });
    let answer = client.json("POST", &format!("{V3}/createRoom"), Some(&first.token), Some(&body)).await?;
    let room_id = answer["room_id"].as_str().context("no room_id")?.to_owned();
    for member in &members[1..] {
        join(client, member, &room_id).await?;
    }
    Ok(room_id)
}

/// Joins a room.
pub(crate) async fn join(client: &mut Client, account: &Account, room_id: &str) -> Result<()> {
    let path = format!("{V3}/join/{}", encode(room_id));
    client.json("POST", &path, Some(&account.token), Some(&json!({}))).await?;
    Ok(())
}

/// An id as it stands in a path.
pub(crate) fn encode(id: &str) -> String {
    id.replace('!', "%21").replace(':', "%3A").replace('$', "%24").replace('/', "%2F").replace('+', "%2B")
}
