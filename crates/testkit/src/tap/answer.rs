//! Answers, the right and the wrong kinds.

use std::time::Duration;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

/// Bytes that an endless answer sends at once.
const PIECE: usize = 64 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// JSON.
    Json(Value),
    /// A status with JSON.
    Status(u16, Value),
    /// These bytes as they are.
    Bytes(Vec<u8>),
    /// Bytes, one after the other with a pause before each.
    Trickle(Vec<u8>, Duration),
    /// A beginning, and then spaces for as long as anybody reads them.
    Endless(Vec<u8>),
    /// Another place.
    Redirect(String),
    /// Nothing, ever.
    Silence,
}

impl Answer {
    /// Nothing is there.
    pub fn not_found() -> Self {
        Self::Status(404, json!({ "errcode": "M_NOT_FOUND", "error": "The tap does not have it." }))
    }

    pub(super) fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json")];
        match self {
            Self::Json(value) => (json, value.to_string()).into_response(),
            Self::Status(status, value) => {
                (StatusCode::from_u16(status).unwrap_or_default(), json, value.to_string()).into_response()
            }
            Self::Bytes(bytes) => (json, bytes).into_response(),
            Self::Redirect(place) => (StatusCode::FOUND, [(header::LOCATION, place)]).into_response(),
            Self::Trickle(bytes, pause) => (json, written(bytes, Some(pause), false)).into_response(),
            Self::Endless(bytes) => (json, written(bytes, None, true)).into_response(),
            Self::Silence => (json, written(Vec::new(), Some(Duration::MAX), true)).into_response(),
        }
    }
}

/// A body that is written while it is read.
fn written(bytes: Vec<u8>, pause: Option<Duration>, endless: bool) -> Body {
    let (mut writer, reader) = tokio::io::duplex(PIECE);
    tokio::spawn(async move {
        match pause {
            Some(Duration::MAX) => std::future::pending().await,
            Some(pause) => {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    if writer.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
            None if writer.write_all(&bytes).await.is_err() => return,
            None => {}
        }
        let piece = vec![b' '; PIECE];
        while endless && writer.write_all(&piece).await.is_ok() {}
    });
    Body::from_stream(ReaderStream::new(reader))
}
