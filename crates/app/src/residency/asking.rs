//! Asking the other cells about names: the decider, one who follows it while it is away, or all of them.

use std::time::Duration;

use domicile_core::{clock::SECOND_MS, error::ErrorKind, locality::CellName};
use futures::future::join_all;
use serde::Serialize;

use super::{
    Names,
    names::in_use,
    own_cell::{directory_is_away, no_names},
};
use crate::{
    Error, Result,
    federation::{Bounds, PeerError},
};

/// What a look-up may cost at one of several cells.
const LOOK_UP_BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 4 * 1024 * 1024 };
/// How long a decider that did not answer is asked after the others.
const AWAY_MS: i64 = 10 * SECOND_MS;

impl Names {
    /// Asks the decider, or, while it does not answer, the cells that follow it.
    pub(super) async fn ask_any<A: serde::de::DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A> {
        let decider = &self.own.document().decider.cell;
        let others: Vec<CellName> = self.followers.others().into_iter().filter(|cell| cell != decider).collect();
        if others.is_empty() {
            return self.ask(path, body).await;
        }
        let now_ms = self.clock.now_ms();
        let is_away = self.away.lock().is_some_and(|since| now_ms.abs_diff(since) < AWAY_MS.unsigned_abs());
        let mut order: Vec<&CellName> = others.iter().collect();
        order.insert(if is_away { order.len() } else { 0 }, decider);
        for cell in order {
            match self.link().ask_json_within(cell, path, body, LOOK_UP_BOUNDS).await {
                Ok(answer) => {
                    if cell == decider {
                        *self.away.lock() = None;
                    }
                    return Ok(answer);
                }
                Err(error) => {
                    tracing::warn!(%error, cell = cell.as_str(), "a cell that holds the directory could not be asked");
                    if cell == decider && error.is_down() {
                        *self.away.lock() = Some(now_ms);
                    }
                }
            }
        }
        Err(directory_is_away())
    }

    /// Asks all other cells of which this one may know for something of theirs, at once. Those that do not answer in time are left out.
    pub async fn ask_others<A: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        bounds: Bounds,
    ) -> Vec<(CellName, A)> {
        let others = self.own.others().filter(|cell| self.link().may_ask(cell).is_ok());
        let asked = others.map(|name| async move {
            let answer = self.link().ask_json_within(name, path, body, bounds).await;
            let answer =
                answer.inspect_err(|error| tracing::info!(%error, cell = name.as_str(), path, "a cell is left out"));
            Some((name.clone(), answer.ok()?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Asks the decider for something that it knows.
    pub(super) async fn ask<A: serde::de::DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A> {
        self.ask_decider(path, body, directory_is_away).await
    }

    /// Asks the decider to write something.
    pub(super) async fn wish<A: serde::de::DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A> {
        self.ask_decider(path, body, no_names).await
    }

    /// The same, with what a person is told if it cannot be asked.
    async fn ask_decider<A: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        away: fn() -> Error,
    ) -> Result<A> {
        match self.link().ask_json(&self.own.document().decider.cell, path, body).await {
            Ok(answer) => Ok(answer),
            Err(PeerError::Matrix { errcode, .. }) if errcode == ErrorKind::UserInUse.code() => Err(in_use()),
            // It says itself why not now.
            Err(PeerError::Matrix { status: 503, text, .. }) => Err(ErrorKind::Unavailable.with(text).into()),
            Err(error) => {
                tracing::warn!(%error, "the directory could not be asked");
                Err(away())
            }
        }
    }
}
