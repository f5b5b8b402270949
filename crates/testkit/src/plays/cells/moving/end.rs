//! What must be so at the end.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::company::{Account, Company};
use super::{CELLS, PATIENCE, PAUSE};
use crate::plays::cells::Deployment;
use crate::plays::cells::audits::clean;
use crate::plays::federation::http::{ask, exchange};
use crate::plays::federation::traffic::{Promises, same_state};
use crate::plays::stage::PASSWORD;

/// Events that nobody looks for before this are fetched by paging back.
const PAGING: Duration = Duration::from_secs(8);

/// Waits until everything that was acknowledged has come to everybody, and complains if anything came twice.
pub(super) fn arrived(company: &Company, promises: &Promises) -> Result<()> {
    let (began, promised) = (Instant::now(), promises.so_far());
    for reader in company.readers() {
        let mut paging = Instant::now() + PAGING;
        loop {
            reader.nothing_twice()?;
            let missing = reader.missing(&promised);
            if missing.is_empty() {
                break;
            }
            let some = &missing[..missing.len().min(5)];
            ensure!(
                began.elapsed() < PATIENCE,
                "{} of {} acknowledged have not come to {}: {some:?}",
                missing.len(),
                promised.len(),
                reader.user()
            );
            if paging < Instant::now() {
                reader.look_back(&company.room, promises)?;
                paging = Instant::now() + PAGING;
            }
            sleep(PAUSE);
        }
    }
    Ok(())
}

/// `encrypted` says how many encrypted clients there are, each of somebody else.
pub(super) fn at_the_end(
    deployment: &Deployment,
    company: &Company,
    promises: &Promises,
    encrypted: usize,
) -> Result<()> {
    let began = Instant::now();
    // Both cells have the same room, and its whole past.
    loop {
        let views = company.settlers.iter().map(|reader| reader.view(&company.room)).collect::<Result<Vec<_>>>()?;
        match same_state(&views) {
            Err(_) if began.elapsed() < PATIENCE => sleep(PAUSE),
            other => break other?,
        }
    }
    for reader in company.readers() {
        loop {
            let missing = reader.look_back(&company.room, promises)?;
            if missing.is_empty() {
                break;
            }
            let some = &missing[..missing.len().min(5)];
            ensure!(began.elapsed() < PATIENCE, "{} are not in the past of {}: {some:?}", missing.len(), reader.user());
            sleep(PAUSE);
        }
    }
    company.accounts.iter().try_for_each(|account| one_home(deployment, account))?;
    clean(deployment, company.readers().count() + encrypted)
}

/// Somebody's password opens one cell, and their old session goes on at whichever address they ask.
fn one_home(deployment: &Deployment, account: &Account) -> Result<()> {
    let mut homes = Vec::new();
    let login = json!({
        "type": "m.login.password", "identifier": { "type": "m.id.user", "user": account.user }, "password": PASSWORD,
    });
    for (cell, _) in CELLS {
        let address = deployment.cell(cell)?.clients;
        let (status, told) = exchange(address, None, "POST", "/_matrix/client/v3/login", Some(&login))?;
        ensure!(status < 500, "{cell} answers a password of {} with {status}: {told}", account.user);
        if status == 200 {
            homes.push(cell);
        }
        let who = ask(address, Some(account.line.token()), "GET", "/_matrix/client/v3/account/whoami", None)
            .with_context(|| format!("{} at {cell}", account.user))?;
        ensure!(who["user_id"] == *account.user, "the session of {} at {cell} is {who}", account.user);
    }
    ensure!(homes.len() == 1, "{} has {} homes: {homes:?}", account.user, homes.len());
    Ok(())
}
