//! A large public file, straight to the disk: asked for only if it has changed, followed over a few steps, each past the guard.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use http_body_util::{BodyExt, Full};
use tokio::{fs::File, io::AsyncWriteExt};

use crate::{
    client::{Bounds, Client, ClientError},
    file::{FetchError, next, parse},
};

/// Steps from one address to the next.
const STEPS: usize = 4;
/// Bytes of a validator.
const LONGEST_VALIDATOR: usize = 1_024;

/// By what a server knows a version of a file again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What became of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Downloaded {
    /// The file is the same as that of the validators.
    Unchanged,
    /// It is on the disk.
    Written {
        /// By what it is known again.
        validators: Validators,
        /// Its bytes, as they came.
        bytes: u64,
    },
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// It cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It cannot be kept.
    #[error("it cannot be written: {0}")]
    Disk(#[from] std::io::Error),
    /// It is packed in a way that was not asked for.
    #[error("it came packed as `{0}`, which was not asked for")]
    Encoding(String),
}

/// Downloads a file into another one, unless it is the same as before. Gzip that the server packs it in stays.
pub async fn download(
    client: &Client,
    address: &str,
    known: &Validators,
    bounds: Bounds,
    into: &mut File,
) -> Result<Downloaded, DownloadError> {
    let all = async {
        let mut uri = parse(address)?;
        for _ in 0..STEPS {
            let mut request = Request::new(Full::default());
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
            condition(headers, IF_NONE_MATCH, known.etag.as_deref());
            condition(headers, IF_MODIFIED_SINCE, known.last_modified.as_deref());
            let answer = client.begin(request).await.map_err(FetchError::from)?;
            match answer.status() {
                StatusCode::NOT_MODIFIED if *known != Validators::default() => return Ok(Downloaded::Unchanged),
                StatusCode::OK => {
                    let said = |name| text(answer.headers(), name);
                    if let Some(encoding) =
                        said(CONTENT_ENCODING).filter(|said| !matches!(&**said, "gzip" | "x-gzip" | "identity"))
                    {
                        return Err(DownloadError::Encoding(encoding));
                    }
                    let validators = Validators { etag: said(ETAG), last_modified: said(LAST_MODIFIED) };
                    let mut body = answer.into_body();
                    let mut bytes = 0_u64;
                    while let Some(frame) = body.frame().await {
                        let broken = |error: hyper::Error| FetchError::Client(ClientError::Broken(error.to_string()));
                        if let Ok(data) = frame.map_err(broken)?.into_data() {
                            bytes += data.len() as u64;
                            if bytes > bounds.bytes as u64 {
                                return Err(FetchError::Client(ClientError::TooLarge(bounds.bytes)).into());
                            }
                            into.write_all(&data).await?;
                        }
                    }
                    into.flush().await?;
                    return Ok(Downloaded::Written { validators, bytes });
                }
                status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => uri = next(&uri, &answer)?,
                status => return Err(FetchError::Status(status.as_u16()).into()),
            }
        }
        Err(FetchError::Address.into())
    };
    tokio::time::timeout(bounds.time, all).await.map_err(|_| FetchError::Client(ClientError::Slow))?
}

fn condition(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= LONGEST_VALIDATOR).then(|| value.to_owned())
}
