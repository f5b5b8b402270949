//! Errors as HTTP answers: the last place where a kind becomes a status.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use domicile_app::Error;
use domicile_core::error::{ErrorKind, MatrixError};
use serde_json::json;

/// A handler's failure.
#[derive(Debug)]
pub struct Failure(pub Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self.0 {
            Error::Matrix(error) => matrix(&error),
            Error::Uia(info) => (StatusCode::UNAUTHORIZED, Json(info)).into_response(),
            other if other.is_closed() => {
                matrix(&ErrorKind::Unavailable.with("The server is stopping: try again in a moment."))
            }
            other if other.is_full() => {
                tracing::error!(error = %other, "a request failed");
                let text = "The disk of this server is full, so nothing was stored: try again later. Whoever runs it has to make room on it.";
                matrix(&ErrorKind::DiskFull.with(text))
            }
            other => {
                tracing::error!(error = %other, "a request failed");
                matrix(&ErrorKind::Unknown.with("The server failed. Its log says why, under this answer's request id."))
            }
        }
    }
}

fn matrix(error: &MatrixError) -> Response {
    let status = StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = json!({ "errcode": error.kind.code(), "error": error.message });
    if let Some(retry_after_ms) = error.retry_after_ms {
        body["retry_after_ms"] = retry_after_ms.into();
    }
    if let Some(version) = &error.current_version {
        body["current_version"] = version.as_str().into();
    }
    if let Some(version) = &error.room_version {
        body["room_version"] = version.as_str().into();
    }
    if matches!(error.kind, ErrorKind::SoftLogout | ErrorKind::ForgottenToken | ErrorKind::UserLocked) {
        body["soft_logout"] = true.into();
    }
    let mut response = (status, Json(body)).into_response();
    if let Some(retry_after_ms) = error.retry_after_ms {
        let seconds = HeaderValue::from(retry_after_ms.div_ceil(1_000));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}
