//! The Push Gateway API: `POST /_matrix/push/v1/notify`.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Bounds, Client, ClientError};

/// The path that every gateway has (client-server specification, `POST /pushers/set`).
pub const PATH: &str = "/_matrix/push/v1/notify";
/// What a gateway's answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(15), bytes: 64 * 1024 };
/// Bytes of a gateway's address.
const LONGEST_URL: usize = 2_048;

/// A gateway's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUrl(Uri);

impl GatewayUrl {
    /// The address, if it can be one: `https`, a host, the path of the specification, and no more.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok().filter(|_| text.len() <= LONGEST_URL)?;
        let authority = uri.authority()?;
        let fits = uri.scheme_str() == Some("https")
            && uri.path() == PATH
            && !authority.host().is_empty()
            && !authority.as_str().contains('@');
        fits.then_some(Self(uri))
    }

    /// The host and port: all addresses of one gateway have the same.
    pub fn host(&self) -> &str {
        self.0.authority().map_or("", http::uri::Authority::as_str)
    }
}

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gateway answered with another status than 200.
    #[error("the gateway answered {0}")]
    Status(u16),
    /// The gateway answered with something else than the specification says.
    #[error("the gateway's answer is not what the specification says")]
    Nonsense,
}

impl PushError {
    /// A word for what happened, for counting.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Client(error) => error.word(),
            Self::Status(_) => "status",
            Self::Nonsense => "nonsense",
        }
    }
}

/// Tells a gateway, and gives the push keys that it rejects.
pub async fn notify(client: &Client, gateway: &GatewayUrl, notification: &Value) -> Result<Vec<String>, PushError> {
    #[derive(Deserialize)]
    struct Answer {
        rejected: Vec<String>,
    }
    let body = serde_json::json!({ "notification": notification }).to_string();
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = gateway.0.clone();
    request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    let answer = client.ask(request, BOUNDS).await?;
    if answer.status() != http::StatusCode::OK {
        return Err(PushError::Status(answer.status().as_u16()));
    }
    let answer: Answer = serde_json::from_slice(answer.body()).map_err(|_| PushError::Nonsense)?;
    Ok(answer.rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_gateways() {
        let url = GatewayUrl::parse("https://push.example.org:8443/_matrix/push/v1/notify").unwrap();
        assert_eq!(url.host(), "push.example.org:8443");
        for refused in [
            "http://push.example.org/_matrix/push/v1/notify",
            "https://push.example.org/_matrix/push/v1/notify/",
            "https://push.example.org/",
            "https:///_matrix/push/v1/notify",
            "https://user@push.example.org/_matrix/push/v1/notify",
            "/_matrix/push/v1/notify",
            "nonsense",
            "",
        ] {
            assert!(GatewayUrl::parse(refused).is_none(), "{refused}");
        }
    }
}
