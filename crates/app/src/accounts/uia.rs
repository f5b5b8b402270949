//! User-interactive authentication (client-server specification, *User-Interactive Authentication API*).
//!
//! A session is bound to the operation, to who asks, and (except at registration) to the request's body. Only hashes of the session's id
//! and of the body are stored; the body's is keyed with the id, since it may hold a password. A session serves once.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use domicile_core::{
    clock::{Clock, HOUR_MS},
    ids::UserNum,
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Store,
    table::uia_sessions::{self, UiaSession},
};
use ruma::{
    CanonicalJsonObject,
    api::{
        client::uiaa::{AuthData, AuthFlow, AuthType, UiaaInfo, UserIdentifier},
        error::{ErrorKind as RumaErrorKind, StandardErrorBody},
    },
};
use serde_json::{json, value::to_raw_value};
use sha2::{Digest, Sha256};

use super::{Accounts, Key, Limit, RateLimits, RegistrationTokens, Session, registration::Policy};
use crate::{Error, Result};

/// Letters of a session's id: 190 bits.
const ID_LENGTH: usize = 32;
/// How long an authentication may take.
const LIFE_MS: i64 = HOUR_MS;

/// What somebody wants to do, for which they have to prove who they are.
pub struct Operation<'a> {
    /// What is to be done.
    pub name: &'static str,
    /// To what, if there are several: a device's id.
    pub subject: &'a str,
    /// Who wants it; nobody at registration.
    pub session: Option<&'a Session>,
    /// The request's body, to which the authentication is bound.
    pub body: Option<&'a [u8]>,
    /// Lists of stages; one of them must be done.
    pub flows: Vec<Vec<AuthType>>,
    /// The documents of the stage `m.login.terms`.
    pub terms: Option<&'a BTreeMap<String, Policy>>,
    /// What the client has said.
    pub auth: Option<&'a AuthData>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

impl<'a> Operation<'a> {
    /// An operation of a session that its owner confirms with the password.
    pub fn with_password(
        name: &'static str,
        session: &'a Session,
        body: &'a [u8],
        auth: Option<&'a AuthData>,
        address: Option<IpAddr>,
    ) -> Self {
        let flows = vec![vec![AuthType::Password]];
        Self { name, subject: "", session: Some(session), body: Some(body), flows, terms: None, auth, address }
    }
}

/// An authentication that is complete.
#[derive(Debug, Default)]
pub struct Passed {
    /// The registration token that was shown.
    pub registration_token: Option<String>,
}

/// Leads clients through the stages.
pub struct Uia {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    accounts: Arc<Accounts>,
    tokens: Arc<RegistrationTokens>,
    rate_limits: Arc<RateLimits>,
}

/// Why a stage was not passed.
struct Refused {
    kind: RumaErrorKind,
    why: &'static str,
}

impl Uia {
    /// Authentication over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        accounts: Arc<Accounts>,
        tokens: Arc<RegistrationTokens>,
        rate_limits: Arc<RateLimits>,
    ) -> Self {
        Self { store, clock, rng, accounts, tokens, rate_limits }
    }

    /// Goes on with an authentication: [`Error::Uia`] until a flow is complete.
    pub async fn check(&self, operation: Operation<'_>) -> Result<Passed> {
        let Some(auth) = operation.auth else { return self.begin(&operation, None).await };
        let Some(session_id) = auth.session() else {
            // A client that knows the stages may pass the only one at once.
            return match self.stage(&operation, auth).await? {
                Err(refused) => self.begin(&operation, Some(refused)).await,
                Ok((stage, registration_token)) if operation.flows.contains(&vec![stage.clone()]) => {
                    Ok(Passed { registration_token })
                }
                Ok((stage, registration_token)) => {
                    let (session_id, mut session) = self.new_session(&operation)?;
                    session.completed = stage.to_string();
                    session.registration_token = registration_token;
                    self.save_new(&session).await?;
                    Err(pending(&operation, session_id, &session.completed, None))
                }
            };
        };
        let Some(session) = self.load(&operation, session_id).await? else {
            let why = "The authentication session is unknown, over, or for something else: begin again.";
            return self.begin(&operation, Some(Refused { kind: RumaErrorKind::Unknown, why })).await;
        };
        self.go_on(&operation, auth, session_id.to_owned(), session).await
    }

    async fn go_on(
        &self,
        operation: &Operation<'_>,
        auth: &AuthData,
        session_id: String,
        mut session: UiaSession,
    ) -> Result<Passed> {
        let before = session.completed.clone();
        if auth.auth_type().is_some() {
            match self.stage(operation, auth).await? {
                Err(refused) => return Err(pending(operation, session_id, &before, Some(refused))),
                Ok((stage, token)) => {
                    session.registration_token = token.or(session.registration_token);
                    if !done(&before).any(|known| known == stage.as_str()) {
                        format!("{before} {stage}").trim().clone_into(&mut session.completed);
                    }
                }
            }
        }
        let complete = operation
            .flows
            .iter()
            .any(|stages| stages.iter().all(|stage| done(&session.completed).any(|known| known == stage.as_str())));
        let mut batch = Batch::new();
        if complete {
            uia_sessions::remove(&mut batch, &session.session_id);
        } else {
            uia_sessions::complete(&mut batch, &session, &before);
        }
        match self.store.write(batch).await {
            Ok(_) if complete => Ok(Passed { registration_token: session.registration_token }),
            Ok(_) => Err(pending(operation, session_id, &session.completed, None)),
            Err(error) if error.is_conflict() => {
                let why = "Another request went on with this authentication at the same time: try again.";
                Err(pending(operation, session_id, &before, Some(Refused { kind: RumaErrorKind::Unknown, why })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a stage is passed; with the registration token, if the stage was about one.
    async fn stage(
        &self,
        operation: &Operation<'_>,
        auth: &AuthData,
    ) -> Result<Result<(AuthType, Option<String>), Refused>> {
        let refused = |kind, why| Ok(Err(Refused { kind, why }));
        let Some(stage) = auth.auth_type().filter(|stage| operation.flows.iter().flatten().any(|known| known == stage))
        else {
            return refused(RumaErrorKind::Unrecognized, "This stage of authentication is not among the flows.");
        };
        match auth {
            AuthData::Dummy(_) | AuthData::Terms(_) => Ok(Ok((stage, None))),
            AuthData::RegistrationToken(given) => {
                self.rate_limits.check_address(Limit::Registration, operation.address)?;
                if self.tokens.is_valid(&given.token).await? {
                    return Ok(Ok((stage, Some(given.token.clone()))));
                }
                refused(RumaErrorKind::Unauthorized, "The registration token is unknown, used up or over.")
            }
            AuthData::Password(given) => {
                let Some(session) = operation.session else {
                    return refused(forbidden(), "There is no account yet that has a password.");
                };
                self.rate_limits.check(Limit::LoginAccount, Key::name(session.user_id.as_str()))?;
                if !is_of(&given.identifier, session) {
                    return refused(forbidden(), "That is not the account that asks.");
                }
                if self.accounts.check_password(&session.user_id, given.password.clone()).await? {
                    return Ok(Ok((stage, None)));
                }
                refused(forbidden(), "The password is wrong.")
            }
            _ => refused(RumaErrorKind::Unrecognized, "This server does not know this stage of authentication."),
        }
    }

    async fn begin(&self, operation: &Operation<'_>, refused: Option<Refused>) -> Result<Passed> {
        let (session_id, session) = self.new_session(operation)?;
        self.save_new(&session).await?;
        Err(pending(operation, session_id, "", refused))
    }

    fn new_session(&self, operation: &Operation<'_>) -> Result<(String, UiaSession)> {
        let session_id = rng::name(&*self.rng, ID_LENGTH);
        let session = UiaSession {
            session_id: stored_id(&session_id),
            operation: format!("{} {}", operation.name, operation.subject),
            user_num: operation.session.map_or(UserNum::NOBODY, |session| session.user_num),
            device_id: operation.session.map(|session| session.device_id.to_string()),
            body_hash: body_hash(&session_id, operation.body)?,
            completed: String::new(),
            registration_token: None,
            created_ts: self.clock.now_ms(),
        };
        Ok((session_id, session))
    }

    async fn save_new(&self, session: &UiaSession) -> Result<()> {
        let mut batch = Batch::new();
        uia_sessions::remove_older(&mut batch, session.created_ts - LIFE_MS);
        uia_sessions::insert(&mut batch, session);
        self.store.write(batch).await?;
        Ok(())
    }

    /// The session of an id, if it is for this operation, this asker and this body.
    async fn load(&self, operation: &Operation<'_>, session_id: &str) -> Result<Option<UiaSession>> {
        let stored = stored_id(session_id);
        let found =
            self.store.read(move |snapshot| async move { uia_sessions::by_id(&snapshot, &stored).await }).await?;
        let wanted = UiaSession {
            session_id: stored_id(session_id),
            operation: format!("{} {}", operation.name, operation.subject),
            user_num: operation.session.map_or(UserNum::NOBODY, |session| session.user_num),
            device_id: operation.session.map(|session| session.device_id.to_string()),
            body_hash: body_hash(session_id, operation.body)?,
            completed: String::new(),
            registration_token: None,
            created_ts: 0,
        };
        let oldest = self.clock.now_ms() - LIFE_MS;
        Ok(found.filter(|found| {
            found.created_ts >= oldest
                && found.operation == wanted.operation
                && found.user_num == wanted.user_num
                && found.device_id == wanted.device_id
                && found.body_hash == wanted.body_hash
        }))
    }
}

fn forbidden() -> RumaErrorKind {
    RumaErrorKind::Forbidden
}

fn done(completed: &str) -> impl Iterator<Item = &str> {
    completed.split(' ').filter(|stage| !stage.is_empty())
}

fn is_of(identifier: &UserIdentifier, session: &Session) -> bool {
    let UserIdentifier::Matrix(identifier) = identifier else { return false };
    identifier.user == session.user_id.as_str() || identifier.user.eq_ignore_ascii_case(session.user_id.localpart())
}

fn stored_id(session_id: &str) -> String {
    super::sessions::token_hash(session_id).iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash of the body without `auth`, which nobody can try passwords against who does not have the session's id.
fn body_hash(session_id: &str, body: Option<&[u8]>) -> Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    let mut object: CanonicalJsonObject = serde_json::from_slice(body)
        .map_err(|_| Error::from(domicile_core::error::ErrorKind::BadJson.with("The body is not canonical JSON.")))?;
    object.remove("auth");
    let canonical = serde_json::to_vec(&object).map_err(Error::internal)?;
    let hash = Sha256::new().chain_update(session_id).chain_update([0]).chain_update(canonical).finalize();
    Ok(Bytes::copy_from_slice(&hash))
}

/// The answer that asks for the next stage.
fn pending(operation: &Operation<'_>, session_id: String, completed: &str, refused: Option<Refused>) -> Error {
    let flows = operation.flows.iter().map(|stages| AuthFlow::new(stages.clone())).collect();
    let mut info = UiaaInfo::new(flows);
    info.completed = done(completed).map(AuthType::from).collect();
    info.session = Some(session_id);
    let params = operation.terms.filter(|terms| !terms.is_empty()).map_or_else(|| json!({}), params);
    info.params = to_raw_value(&params).ok();
    info.auth_error = refused.map(|refused| Box::new(StandardErrorBody::new(refused.kind, refused.why.to_owned())));
    Error::Uia(Box::new(info))
}

fn params(terms: &BTreeMap<String, Policy>) -> serde_json::Value {
    let policies: serde_json::Map<_, _> = terms
        .iter()
        .map(|(name, policy)| {
            let mut object = serde_json::Map::new();
            object.insert("version".to_owned(), policy.version.as_str().into());
            for (language, (title, url)) in &policy.translations {
                object.insert(language.clone(), json!({ "name": title, "url": url }));
            }
            (name.clone(), object.into())
        })
        .collect();
    json!({ "m.login.terms": { "policies": policies } })
}
