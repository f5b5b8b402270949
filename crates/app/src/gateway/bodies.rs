//! What cells tell other servers, as it goes out: events with the deployment's signature, and nothing in the name of others' people.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::gateway::Found;
use ruma::UserId;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Outward, edus, outward::refused, signatures::Telling};
use crate::{Error, Result};

/// Letters of an id that is told instead of a cell's: 32 are allowed for a message to a device.
const ID: usize = 32;

/// An id of a transaction or a message as other servers get it: they take what they have seen before for a repetition, whichever cell it came
/// from. So a cell that knew which ids another one will use could have these thrown away.
fn outer_id(cell: &CellName, id: &str) -> String {
    let digest = Sha256::new().chain_update(cell.as_str()).chain_update([0]).chain_update(id).finalize();
    let mut text = BASE64_URL_SAFE_NO_PAD.encode(digest);
    text.truncate(ID);
    text
}

/// Where a cell's transaction goes.
pub(super) fn transaction_path(cell: &CellName, found: &Found) -> String {
    let id = found.parts.first().map(String::as_str).unwrap_or_default();
    format!("/_matrix/federation/v1/send/{}", outer_id(cell, id))
}

impl Outward {
    /// A request's body as it goes out.
    pub(super) async fn body(&self, telling: Telling<'_>, operation: &str, body: Bytes) -> Result<Bytes> {
        match operation {
            "sendTransaction" => self.transaction(telling, &body).await,
            "sendJoinV2" | "sendJoinV1" | "sendLeaveV2" | "sendLeaveV1" | "sendKnock" => {
                let event = read::<Box<RawValue>>(&body)?;
                let event = self.parts.signatures.replaced(vec![event], telling).await?.pop();
                let event = event.ok_or_else(|| refused("The event is not signed by a home of whom it speaks for."))?;
                Ok(Bytes::from(String::from(Box::<str>::from(event))))
            }
            "sendInviteV2" => self.invite(telling, &body).await,
            _ => Ok(body),
        }
    }

    /// A transaction: its events with the outer signature, and those EDUs that speak of people whose home the cell is.
    async fn transaction(&self, telling: Telling<'_>, body: &Bytes) -> Result<Bytes> {
        let cell = telling.cell;
        let mut transaction = read::<BTreeMap<String, Box<RawValue>>>(body)?;
        if let Some(pdus) = transaction.get_mut("pdus") {
            let events = self.parts.signatures.replaced(read(pdus.get().as_bytes())?, telling).await?;
            for event in &events {
                self.parts.rooms.observe(event).await?;
            }
            *pdus = raw(&events)?;
        }
        if let Some(edus) = transaction.get_mut("edus") {
            let told: Vec<Box<RawValue>> = read(edus.get().as_bytes())?;
            let shapes: Vec<edus::Shape> = told.iter().map(|edu| edus::shape(edu)).collect();
            let speakers: Vec<&UserId> = shapes.iter().flat_map(|shape| &shape.speakers).map(|user| &**user).collect();
            self.parts.speakers.hear_of(cell, &speakers).await?;
            let may = |shape: &edus::Shape| {
                !shape.speakers.is_empty() && shape.speakers.iter().all(|user| self.parts.speakers.is_home(cell, user))
            };
            let kept = told.into_iter().zip(&shapes).filter(|(_, shape)| may(shape));
            let kept: Vec<Box<RawValue>> =
                kept.map(|(edu, _)| edus::with_message_id(edu, &|id| outer_id(cell, id))).collect();
            if kept.len() < shapes.len() {
                tracing::warn!(
                    cell = cell.as_str(),
                    edus = shapes.len() - kept.len(),
                    "a cell speaks of others' people"
                );
            }
            *edus = raw(&kept)?;
        }
        Ok(Bytes::from(serde_json::to_vec(&transaction).map_err(Error::internal)?))
    }

    async fn invite(&self, telling: Telling<'_>, body: &Bytes) -> Result<Bytes> {
        let mut invite = read::<BTreeMap<String, Box<RawValue>>>(body)?;
        if let Some(event) = invite.remove("event") {
            let event = self.parts.signatures.replaced(vec![event], telling).await?.pop();
            let event = event.ok_or_else(|| refused("The invite is not signed by a home of who sends it."))?;
            invite.insert("event".to_owned(), event);
        }
        if let Some(shown) = invite.get_mut("invite_room_state") {
            let events = self.parts.signatures.replaced(read(shown.get().as_bytes())?, telling).await?;
            *shown = raw(&events)?;
        }
        Ok(Bytes::from(serde_json::to_vec(&invite).map_err(Error::internal)?))
    }
}

fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    Ok(serde_json::from_slice(body)
        .map_err(|error| ErrorKind::BadJson.with(format!("The request's body does not fit: {error}.")))?)
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_two_cells_are_never_the_same() {
        let (one, two) = (CellName::parse("eu1").unwrap(), CellName::parse("ru1").unwrap());
        assert_eq!(outer_id(&one, "abc-1"), outer_id(&one, "abc-1"));
        assert_ne!(outer_id(&one, "abc-1"), outer_id(&two, "abc-1"));
        assert_eq!(outer_id(&one, "abc-1").len(), ID);
    }
}
