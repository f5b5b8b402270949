//! Credentials for TURN servers, which carry calls (client-server, *Voice over IP*).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domicile_core::clock::Clock;
use ring::hmac;

use crate::accounts::Session;

/// How somebody proves to a TURN server that they may use it.
#[derive(Clone, Debug)]
pub enum TurnProof {
    /// By a name that says until when it is good, and its mark under a secret that both servers know.
    Secret(String),
    /// By the same name and password for everybody.
    Fixed {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
}

/// The operator's TURN servers.
#[derive(Clone, Debug)]
pub struct TurnSettings {
    /// Their addresses.
    pub uris: Vec<String>,
    /// How they are used.
    pub proof: TurnProof,
    /// How long credentials are good, in milliseconds.
    pub life_ms: i64,
}

/// What a client needs for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnCredentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The servers.
    pub uris: Vec<String>,
    /// How long it is good, in milliseconds.
    pub life_ms: i64,
}

/// Gives credentials.
pub struct Calls {
    clock: Arc<dyn Clock>,
    turn: Option<TurnSettings>,
}

impl Calls {
    /// With the operator's servers, if there are any.
    pub fn new(clock: Arc<dyn Clock>, turn: Option<TurnSettings>) -> Self {
        Self { clock, turn }
    }

    /// Credentials for somebody; none without a server.
    pub fn credentials(&self, by: &Session) -> Option<TurnCredentials> {
        let turn = self.turn.as_ref()?;
        let (username, password) = match &turn.proof {
            TurnProof::Fixed { username, password } => (username.clone(), password.clone()),
            TurnProof::Secret(secret) => {
                let until = (self.clock.now_ms() + turn.life_ms).div_euclid(1_000);
                let username = format!("{until}:{}", by.user_id);
                // SHA-1 is what TURN servers expect.
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
                let password = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
                (username, password)
            }
        };
        Some(TurnCredentials { username, password, uris: turn.uris.clone(), life_ms: turn.life_ms })
    }
}
