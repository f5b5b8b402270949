//! A file at an address that another server named: followed over a few steps, each past the guard.

use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Uri,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION},
};
use http_body_util::Full;

use crate::client::{Bounds, Client, ClientError};

/// Steps from one address to the next.
const STEPS: usize = 4;
/// Bytes of an address.
const LONGEST_URL: usize = 8_192;

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub content: Bytes,
    /// What its server says it is.
    pub content_type: Option<String>,
    /// How its server says that it is to be kept, with its name.
    pub disposition: Option<String>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer is another than 200.
    #[error("the answer was {0}")]
    Status(u16),
    /// The address cannot be one of a file, or leads round and round.
    #[error("the address leads nowhere")]
    Address,
}

/// Fetches a file.
pub async fn fetch(client: &Client, address: &str, bounds: Bounds) -> Result<Fetched, FetchError> {
    let steps = async {
        let mut uri = parse(address)?;
        for _ in 0..STEPS {
            let mut request = Request::new(Full::new(Bytes::new()));
            *request.uri_mut() = uri.clone();
            let answer = client.ask(request, bounds).await?;
            match answer.status() {
                StatusCode::OK => return Ok(fetched(answer)),
                status if status.is_redirection() => uri = next(&uri, &answer)?,
                status => return Err(FetchError::Status(status.as_u16())),
            }
        }
        Err(FetchError::Address)
    };
    tokio::time::timeout(bounds.time, steps).await.map_err(|_| FetchError::Client(ClientError::Slow))?
}

/// What an answer with a file has.
pub fn fetched(answer: Response<Bytes>) -> Fetched {
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (content_type, disposition) = (text(CONTENT_TYPE), text(CONTENT_DISPOSITION));
    Fetched { content: answer.into_body(), content_type, disposition }
}

pub(crate) fn parse(address: &str) -> Result<Uri, FetchError> {
    let uri: Uri = address.parse().map_err(|_| FetchError::Address)?;
    let fits = address.len() <= LONGEST_URL
        && uri.scheme_str() == Some("https")
        && uri.authority().is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    if fits { Ok(uri) } else { Err(FetchError::Address) }
}

/// Where an answer points: a whole address, or a path of the same host.
pub(crate) fn next<B>(from: &Uri, answer: &Response<B>) -> Result<Uri, FetchError> {
    let place = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or(FetchError::Address)?;
    if place.starts_with('/') && !place.starts_with("//") {
        let host = from.authority().ok_or(FetchError::Address)?;
        return parse(&format!("https://{host}{place}"));
    }
    parse(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_no_credentials() {
        assert!(parse("https://cdn.example.org/a?b=c").is_ok());
        for refused in
            ["http://cdn.example.org/a", "https://user:word@cdn.example.org/", "/a", "file:///etc/passwd", ""]
        {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_step_goes_to_a_path_or_to_a_whole_address() {
        let from = parse("https://a.example/x").unwrap();
        let to = |place: &str| {
            let mut answer = Response::new(Bytes::new());
            answer.headers_mut().insert(LOCATION, place.parse().unwrap());
            next(&from, &answer).map(|uri| uri.to_string()).ok()
        };
        assert_eq!(to("/y?z").as_deref(), Some("https://a.example/y?z"));
        assert_eq!(to("https://b.example/y").as_deref(), Some("https://b.example/y"));
        assert_eq!(to("//b.example/y"), None);
        assert_eq!(to("http://b.example/y"), None);
    }
}
