//! A webhook of the operator's: JSON by POST to an https address, with a token if there is one. It is reached through the guard like everything
//! else, and one that hangs is given up.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::Full;
use serde_json::Value;

use crate::client::{Bounds, Client, ClientError};

/// What an answer may cost: what it says does not matter.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 16 * 1024 };
/// Bytes of an address.
const LONGEST_URL: usize = 2_048;

/// A webhook.
#[derive(Clone)]
pub struct Webhook {
    uri: Uri,
    token: Option<HeaderValue>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The path of many webhooks is their secret.
        write!(f, "Webhook({})", self.uri.host().unwrap_or_default())
    }
}

/// Why a webhook did not take what it was told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It answered with something else than success.
    #[error("it answered {0}")]
    Status(u16),
}

impl Webhook {
    /// A webhook, if the address is one: `https`, a host, nobody's name or password. An empty token is none.
    pub fn parse(address: &str, token: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok().filter(|_| address.len() <= LONGEST_URL)?;
        let authority = uri.authority()?;
        let fits =
            uri.scheme_str() == Some("https") && !authority.host().is_empty() && !authority.as_str().contains('@');
        let token = match token {
            "" => None,
            token => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        fits.then_some(Self { uri, token })
    }

    /// Tells it something.
    pub async fn tell(&self, client: &Client, what: &Value) -> Result<(), WebhookError> {
        let mut request = Request::new(Full::new(Bytes::from(what.to_string())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let answer = client.ask(request, BOUNDS).await?;
        if answer.status().is_success() { Ok(()) } else { Err(WebhookError::Status(answer.status().as_u16())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_webhooks() {
        let hook = Webhook::parse("https://hooks.example.org/secret?x=1", "token").unwrap();
        assert_eq!(format!("{hook:?}"), "Webhook(hooks.example.org)");
        for refused in
            ["http://hooks.example.org/", "https:///x", "https://a:b@hooks.example.org/", "/x", "hooks.example.org", ""]
        {
            assert!(Webhook::parse(refused, "").is_none(), "{refused}");
        }
        assert!(Webhook::parse("https://hooks.example.org/", "a\nb").is_none());
    }
}
