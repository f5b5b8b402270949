//! Cross-signing, the key backup, and verification by emoji.
//!
//! A driver accepts whatever verification another device asks for and says that the emoji are the same: what is under test is the
//! server between the two, not the eyes before them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use matrix_sdk::Client;
use matrix_sdk::encryption::verification::{
    SasState, SasVerification, Verification, VerificationRequest, VerificationRequestState,
};
use matrix_sdk::ruma::api::client::uiaa::{AuthData, MatrixUserIdentifier, Password, UserIdentifier};
use matrix_sdk::ruma::events::key::verification::VerificationMethod;
use matrix_sdk::ruma::events::key::verification::request::ToDeviceKeyVerificationRequestEvent;
use matrix_sdk::ruma::{DeviceId, UserId};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::session::{PAUSE, Session};

pub async fn bootstrap(session: &Session, password: &str) -> Result<Value> {
    let encryption = session.client.encryption();
    let user = session.client.user_id().context("nobody is logged in")?.to_string();
    if let Err(error) = encryption.bootstrap_cross_signing(None).await {
        let Some(info) = error.as_uiaa_response() else { return Err(error).context("bootstrapping cross-signing") };
        let who = UserIdentifier::Matrix(MatrixUserIdentifier::new(user));
        let mut stage = Password::new(who, password.to_owned());
        stage.session = info.session.clone();
        let again = encryption.bootstrap_cross_signing(Some(AuthData::Password(stage))).await;
        again.context("bootstrapping cross-signing with the password")?;
    }
    Ok(json!({}))
}

pub async fn enable_recovery(session: &Session) -> Result<Value> {
    let recovery = session.client.encryption().recovery();
    let key = recovery.enable().wait_for_backups_to_upload().await.context("making a backup and a recovery key")?;
    Ok(json!({ "key": key }))
}

pub async fn recover(session: &Session, key: &str) -> Result<Value> {
    session.client.encryption().recovery().recover(key).await.context("recovering with the key")?;
    let enabled = session.client.encryption().backups().are_enabled().await;
    Ok(json!({ "backup": enabled }))
}

pub async fn wait_verified(session: &Session, timeout: u64) -> Result<Value> {
    let until = Instant::now() + Duration::from_millis(timeout);
    loop {
        let device = session.client.encryption().get_own_device().await.context("looking at the own device")?;
        if device.is_some_and(|device| device.is_cross_signed_by_owner()) {
            return Ok(json!({}));
        }
        if Instant::now() > until {
            bail!("this device is not signed by its owner's keys after {timeout} ms");
        }
        sleep(PAUSE).await;
    }
}

pub async fn wait_device(session: &Session, device: &str, timeout: u64) -> Result<Value> {
    let user = session.client.user_id().context("nobody is logged in")?;
    let until = Instant::now() + Duration::from_millis(timeout);
    loop {
        // From the store alone: it is the server that has to say that there is a new device.
        let found = session.client.encryption().get_device(user, <&DeviceId>::from(device)).await;
        if found.context("looking for the device")?.is_some() {
            return Ok(json!({}));
        }
        if Instant::now() > until {
            bail!("the device {device} of {user} was not announced within {timeout} ms");
        }
        sleep(PAUSE).await;
    }
}

pub async fn wait_user_verified(session: &Session, user: &str, timeout: u64) -> Result<Value> {
    let user = UserId::parse(user).with_context(|| format!("`{user}` is no user id"))?;
    let until = Instant::now() + Duration::from_millis(timeout);
    loop {
        let identity = session.client.encryption().get_user_identity(&user).await.context("looking for the keys")?;
        if identity.is_some_and(|identity| identity.is_verified()) {
            return Ok(json!({}));
        }
        if Instant::now() > until {
            bail!("the keys of {user} are not signed by this user's after {timeout} ms");
        }
        sleep(PAUSE).await;
    }
}

pub async fn verify(session: &Session, user: Option<String>, device: &str, limit: u64) -> Result<Value> {
    let user = match user {
        Some(user) => UserId::parse(&user).with_context(|| format!("`{user}` is no user id"))?,
        None => session.client.user_id().context("nobody is logged in")?.to_owned(),
    };
    let encryption = session.client.encryption();
    let limit = Duration::from_millis(limit);
    let until = Instant::now() + limit;
    let other = loop {
        encryption.request_user_identity(&user).await.with_context(|| format!("asking for the keys of {user}"))?;
        let found = encryption.get_device(&user, <&DeviceId>::from(device)).await.context("looking for the device")?;
        match found {
            Some(found) => break found,
            None if Instant::now() > until => bail!("the device {device} is not among the keys of {user}"),
            None => sleep(PAUSE).await,
        }
    };
    let methods = vec![VerificationMethod::SasV1];
    let request = other.request_verification_with_methods(methods).await.context("asking for verification")?;
    let emoji = timeout(limit, follow(request, true)).await.context("the other side took too long")??;
    Ok(json!({ "emoji": emoji }))
}

/// From now on, accepts what other devices ask for.
pub fn accept_verifications(client: &Client) {
    client.add_event_handler(async |event: ToDeviceKeyVerificationRequestEvent, client: Client| {
        let flow = event.content.transaction_id.as_str();
        let Some(request) = client.encryption().get_verification_request(&event.sender, flow).await else { return };
        tokio::spawn(async move {
            if let Err(error) = accept(request).await {
                eprintln!("a verification failed: {error:#}");
            }
        });
    });
}

async fn accept(request: VerificationRequest) -> Result<()> {
    request.accept_with_methods(vec![VerificationMethod::SasV1]).await.context("accepting")?;
    follow(request, false).await.map(drop)
}

/// Goes with a request from its acceptance to its end.
async fn follow(request: VerificationRequest, starting: bool) -> Result<Vec<String>> {
    let mut changes = Box::pin(request.changes());
    let mut state = Some(request.state());
    while let Some(now) = state {
        match now {
            VerificationRequestState::Ready { .. } if starting => {
                if let Some(sas) = request.start_sas().await.context("starting the comparison")? {
                    return compare(sas, false).await;
                }
            }
            VerificationRequestState::Transitioned { verification: Verification::SasV1(sas) } => {
                return compare(sas, true).await;
            }
            VerificationRequestState::Cancelled(info) => bail!("cancelled: {}", info.reason()),
            _ => {}
        }
        state = changes.next().await;
    }
    bail!("the request ended before anything was compared")
}

/// Says that the emoji are the same, and waits until the other side says so too.
async fn compare(sas: SasVerification, accepting: bool) -> Result<Vec<String>> {
    let mut changes = Box::pin(sas.changes());
    if accepting {
        sas.accept().await.context("accepting the comparison")?;
    }
    let mut emoji = Vec::new();
    let mut state = Some(sas.state());
    while let Some(now) = state {
        match now {
            SasState::KeysExchanged { emojis, .. } if emoji.is_empty() => {
                emoji = emojis.into_iter().flat_map(|list| list.emojis).map(|one| one.description.to_owned()).collect();
                sas.confirm().await.context("confirming the emoji")?;
            }
            SasState::Done { .. } => return Ok(emoji),
            SasState::Cancelled(info) => bail!("cancelled: {}", info.reason()),
            _ => {}
        }
        state = changes.next().await;
    }
    bail!("the comparison ended without a result")
}
