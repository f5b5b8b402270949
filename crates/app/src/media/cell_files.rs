//! Files on their way from the cell that has them to one where somebody looks at them: they pass through piece by piece, and are kept nowhere.

use bytes::{Bytes, BytesMut};
use domicile_core::locality::{CellName, Destination};
use futures::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName, header};
use ruma::http_headers::ContentDisposition;
use serde::{Deserialize, Serialize};

use super::{
    Download, Method, OtherCells,
    remote::fetch::{refused, told, too_large},
};
use crate::{
    Error, Result,
    federation::{Bounds, PeerError, peers},
};

/// Where the cell that has a file is asked for it.
pub const CONTENT: &str = "/_domicile/inner/v1/media/content";
/// Bytes of what a cell says that does not give it.
const REFUSAL: usize = 64 * 1024;

/// A file that is asked of the cell that has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ContentQuestion {
    /// Its id.
    pub media_id: String,
    /// How long it is waited for, if it is still to be uploaded, in milliseconds.
    pub timeout_ms: u64,
    /// The shape of a thumbnail of it; none for the file itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Shape>,
}

/// The shape of a thumbnail.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// How to fit.
    pub method: Method,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
}

impl OtherCells {
    /// A file of another cell, which passes through here piece by piece.
    pub(super) async fn content(
        &self,
        cell: &CellName,
        question: &ContentQuestion,
        (largest, bounds): (usize, Bounds),
    ) -> Result<Download> {
        let name = Destination::Cell(cell.clone());
        let refused = |error| refused(name.peer_name(), error);
        let body = serde_json::to_vec(question).map_err(Error::internal)?;
        let request = http::Request::builder().method(http::Method::POST).uri(CONTENT);
        let request = request.body(Bytes::from(body)).map_err(Error::internal)?;
        let (head, mut pieces) = self.link.ask_streamed(cell, request, bounds).await.map_err(refused)?.into_parts();
        if head.status.as_u16() >= 300 {
            let mut said = BytesMut::new();
            while let Some(piece) = pieces.try_next().await.map_err(|error| refused(error.into()))? {
                said.extend_from_slice(&piece[..piece.len().min(REFUSAL - said.len())]);
            }
            return Err(refused(peers::refusal(&http::Response::from_parts(head, said.freeze()))));
        }
        let nonsense = || refused(PeerError::Nonsense("it does not say what it sends".to_owned()));
        let (content_type, filename, byte_size) = described(&head.headers).ok_or_else(nonsense)?;
        if byte_size > largest as u64 {
            return Err(too_large().into());
        }
        Ok(Download { content_type, filename, byte_size, content: pieces.map_err(std::io::Error::other).boxed() })
    }
}

/// What another cell says of a file before it comes: its type, its name and its size.
fn described(headers: &HeaderMap) -> Option<(Option<String>, Option<String>, u64)> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let disposition = headers.get(header::CONTENT_DISPOSITION);
    let disposition = disposition.and_then(|value| ContentDisposition::try_from(value.as_bytes()).ok());
    let byte_size = text(header::CONTENT_LENGTH)?.parse().ok()?;
    let (content_type, filename) = told(text(header::CONTENT_TYPE), disposition.and_then(|said| said.filename));
    Some((content_type, filename, byte_size))
}
