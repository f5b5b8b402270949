//! Fetching a file: over the federation, from where the answer points, or as it was done before there was authentication.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domicile_core::{error::ErrorKind, locality::is_cell};
use domicile_egress::{
    Client,
    client::Bounds,
    file::{self, FetchError, Fetched},
};
use ruma::{
    ServerName, UInt,
    api::federation::authenticated_media::{FileOrLocation, get_content, get_content_thumbnail},
    http_headers::ContentDisposition,
};
use tokio::sync::Semaphore;

use super::{
    super::picture::{Method, Size},
    Key,
};
use crate::{
    Error, Result,
    error::not_found,
    federation::{PeerError, Peers},
};

/// Files that are fetched at once. Each is in memory as a whole, for as long as it comes.
const AT_ONCE: usize = 8;
/// How long a file may take, beside the wait for one that is still to be uploaded.
const TIME: Duration = Duration::from_mins(1);
/// Bytes of an answer beside the file.
const AROUND: usize = 16 * 1024;
/// Longest content type and name that are kept, in bytes.
const TEXT_BYTES: usize = 255;

/// A file that was fetched.
#[derive(Clone, Debug)]
pub(in crate::media) struct File {
    pub(super) content: Bytes,
    pub(super) content_type: Option<String>,
    pub(super) filename: Option<String>,
}

/// Fetches files of other servers.
pub struct Fetcher {
    peers: Arc<Peers>,
    client: Client,
    /// Largest file in bytes.
    bytes: usize,
    places: Semaphore,
}

impl Fetcher {
    /// Asks servers through `peers`, and where these point through `client`.
    pub fn new(peers: Arc<Peers>, client: Client, bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { peers, client, bytes, places: Semaphore::new(AT_ONCE) }
    }

    /// Bytes of the largest file that is fetched.
    pub(in crate::media) fn largest(&self) -> usize {
        self.bytes
    }

    pub(in crate::media) fn bounds(&self, wait: Duration) -> Bounds {
        Bounds { time: TIME + wait, bytes: self.bytes.saturating_add(AROUND) }
    }

    /// A file.
    pub(in crate::media) async fn file(&self, key: &Key, wait: Duration) -> Result<File> {
        let _place = self.places.acquire().await.map_err(Error::internal)?;
        let (server, bounds) = (&key.server_name, self.bounds(wait));
        let mut request = get_content::v1::Request::new(key.media_id.clone());
        request.timeout_ms = wait;
        match self.peers.ask(server, request, bounds).await {
            Ok(answer) => self.arrived(server, answer.content, bounds).await,
            Err(error) if is_unknown(&error) => {
                let path = format!("/_matrix/media/v3/download/{server}/{}", key.media_id);
                let query = format!("allow_remote=false&allow_redirect=true&timeout_ms={}", wait.as_millis());
                self.old(server, &format!("{path}?{query}"), bounds).await
            }
            Err(error) => Err(refused(server, error)),
        }
    }

    /// A thumbnail.
    pub(in crate::media) async fn thumbnail(
        &self,
        key: &Key,
        method: Method,
        size: Size,
        wait: Duration,
    ) -> Result<File> {
        let _place = self.places.acquire().await.map_err(Error::internal)?;
        let (server, bounds) = (&key.server_name, self.bounds(wait));
        let (width, height) = (UInt::from(size.width), UInt::from(size.height));
        let mut request = get_content_thumbnail::v1::Request::new(key.media_id.clone(), width, height);
        request.method = Some(match method {
            Method::Crop => ruma::media::Method::Crop,
            Method::Scale => ruma::media::Method::Scale,
        });
        request.timeout_ms = wait;
        request.animated = Some(false);
        match self.peers.ask(server, request, bounds).await {
            Ok(answer) => self.arrived(server, answer.content, bounds).await,
            Err(error) if is_unknown(&error) => {
                let path = format!("/_matrix/media/v3/thumbnail/{server}/{}", key.media_id);
                let shape = format!("width={width}&height={height}&method={}", method.as_str());
                let query = format!("{shape}&allow_remote=false&allow_redirect=true&timeout_ms={}", wait.as_millis());
                self.old(server, &format!("{path}?{query}"), bounds).await
            }
            Err(error) => Err(refused(server, error)),
        }
    }

    /// What the second part of an answer has: the file, or where it is.
    async fn arrived(&self, server: &ServerName, content: FileOrLocation, bounds: Bounds) -> Result<File> {
        match content {
            FileOrLocation::File(content) => {
                let filename = content.content_disposition.and_then(|disposition| disposition.filename);
                self.checked(Bytes::from(content.file), content.content_type, filename)
            }
            FileOrLocation::Location(address) => self.elsewhere(server, &address, bounds).await,
            _ => Err(ErrorKind::BadGateway.with(format!("{server} answered with something unknown.")).into()),
        }
    }

    async fn elsewhere(&self, server: &ServerName, address: &str, bounds: Bounds) -> Result<File> {
        match file::fetch(&self.client, address, bounds).await {
            Ok(fetched) => self.named(fetched),
            Err(FetchError::Status(404 | 410)) => Err(not_found(format!("{server} does not have this file any more."))),
            Err(error) => {
                Err(ErrorKind::BadGateway.with(format!("The file of {server} could not be fetched: {error}")).into())
            }
        }
    }

    /// As it was done before there was authentication (client-server, *Content repository*, deprecated).
    async fn old(&self, server: &ServerName, path: &str, bounds: Bounds) -> Result<File> {
        let answer = self.peers.ask_plain(server, path, bounds).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        if answer.status().is_redirection() {
            let place = answer.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok());
            let address = place.unwrap_or_default().to_owned();
            return self.elsewhere(server, &address, bounds).await;
        }
        self.named(file::fetched(answer))
    }

    fn named(&self, fetched: Fetched) -> Result<File> {
        let disposition = fetched.disposition.and_then(|text| ContentDisposition::try_from(text.as_bytes()).ok());
        self.checked(fetched.content, fetched.content_type, disposition.and_then(|disposition| disposition.filename))
    }

    fn checked(&self, content: Bytes, content_type: Option<String>, filename: Option<String>) -> Result<File> {
        if content.len() > self.bytes {
            return Err(too_large().into());
        }
        let (content_type, filename) = told(content_type, filename);
        Ok(File { content, content_type, filename })
    }
}

/// What was told of a file's type and name, as far as it can be one.
pub(in crate::media) fn told(
    content_type: Option<String>,
    filename: Option<String>,
) -> (Option<String>, Option<String>) {
    let is_plain = |text: &String| text.len() <= TEXT_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let is_name = |text: &String| text.len() <= TEXT_BYTES && !text.contains('\0');
    (content_type.filter(is_plain), filename.filter(is_name))
}

pub(in crate::media) fn too_large() -> domicile_core::error::MatrixError {
    ErrorKind::RemoteTooLarge.with("The file is larger than this server fetches from others.")
}

/// Whether a server does not know the request, being older than it.
fn is_unknown(error: &PeerError) -> bool {
    matches!(error, PeerError::Matrix { status: 404 | 405, errcode, .. } if errcode == "M_UNRECOGNIZED" || errcode == "M_UNKNOWN")
}

pub(in crate::media) fn refused(server: &ServerName, error: PeerError) -> Error {
    match error {
        // Nobody is told the name of a cell.
        PeerError::Matrix { status: 400, text, .. } if is_cell(server) => ErrorKind::BadRequest.with(text).into(),
        PeerError::Matrix { status: 413, text, .. } if is_cell(server) => ErrorKind::TooLarge.with(text).into(),
        PeerError::Matrix { status: 504, errcode, .. } if errcode == "M_NOT_YET_UPLOADED" => {
            ErrorKind::NotYetUploaded.with("The media is awaited, and has not come yet: try again.").into()
        }
        PeerError::Matrix { status: 400, text, .. } => {
            ErrorKind::BadRequest.with(format!("{server} cannot do it: {text}")).into()
        }
        PeerError::Matrix { status: 413, text, .. } => {
            ErrorKind::TooLarge.with(format!("{server} finds it too large: {text}")).into()
        }
        PeerError::Client(domicile_egress::ClientError::TooLarge(_)) => too_large().into(),
        other => other.told(server).into(),
    }
}
