//! What cells are asked of which each could say anything, and are believed by the directory alone: where an alias leads, and whose a token is.

use bytes::Bytes;
use domicile_core::{error::ErrorKind, locality::CellName};
use http::Response;
use ruma::{OwnedUserId, RoomAliasId};
use serde::{Deserialize, Serialize};

use super::{
    Asked, Here, Inward,
    answers::{is_away, json, none_if_refused, value},
};
use crate::{Result, error::not_found};

/// Whose a token is (server-server, `openid/userinfo`).
#[derive(Serialize, Deserialize)]
struct Owner {
    sub: OwnedUserId,
}

impl Inward {
    /// The room of an alias. The cell that has it says which: a stolen one could have any alias lead to a room of its own.
    pub(super) async fn of_alias(&self, asked: &Asked, query: &str, here: &dyn Here) -> Result<Response<Bytes>> {
        let alias = value(query, "room_alias").unwrap_or_default();
        let alias = <&RoomAliasId>::try_from(alias.as_str())
            .map_err(|_| ErrorKind::InvalidParam.with("`room_alias` is no alias of a room."))?;
        let missing = || format!("There is no room with the alias {alias}.");
        if !self.localities().is_ours(alias.server_name()) {
            return Err(not_found(missing()));
        }
        let own = self.own();
        if self.may_hear(&asked.origin, own)
            && let Some(answer) = self.one(own, asked, here).await
            && answer.status() != http::StatusCode::NOT_FOUND
        {
            return none_if_refused(answer, missing);
        }
        self.may_look_up(&asked.origin, 1)?;
        let home = self.localities().among_cells()?.names.alias_home(alias).await.map_err(|error| {
            tracing::info!(%error, "the directory does not say whose an alias is");
            is_away()
        })?;
        let home = home.filter(|home| home != own && self.may_hear(&asked.origin, home));
        let home = home.ok_or_else(|| not_found(missing()))?;
        let (_, answer) = self.first(vec![home], false, asked, here).await?;
        none_if_refused(answer, missing)
    }

    /// Whose a token is. It names no cell, so one after another is asked, and each is believed of those whose home it is.
    pub(super) async fn of_token(&self, asked: &Asked, query: &str, here: &dyn Here) -> Result<Response<Bytes>> {
        if value(query, "access_token").is_none() {
            return Err(ErrorKind::MissingParam.with("The request has no `access_token`.").into());
        }
        let mut away = false;
        for cell in self.cells_for(&asked.origin) {
            match self.one(&cell, asked, here).await {
                Some(answer) if answer.status().is_success() => {
                    if let Some(owner) = self.owner(&cell, asked, &answer).await? {
                        return json(&owner);
                    }
                    tracing::warn!(cell = cell.as_str(), "a cell says that a token is somebody's whose home it is not");
                }
                Some(_) => {}
                None => away = true,
            }
        }
        if away {
            return Err(is_away());
        }
        Err(ErrorKind::UnknownToken.with("The token is unknown or has expired.").into())
    }

    /// Who a cell says that somebody is, if it is their home.
    async fn owner(&self, cell: &CellName, asked: &Asked, answer: &Response<Bytes>) -> Result<Option<Owner>> {
        let Ok(owner) = serde_json::from_slice::<Owner>(answer.body()) else { return Ok(None) };
        let home = self.home(&asked.origin, &owner.sub).await?;
        Ok((home.as_ref() == Some(cell)).then_some(owner))
    }
}
