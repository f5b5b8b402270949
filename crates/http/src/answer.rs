//! Answers: ruma's response types as HTTP responses.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use ruma::api::{OutgoingResponse, OutgoingResponseExt};

use crate::error::Failure;

/// A response of one of ruma's types.
pub struct Answer<R>(pub R);

/// What a handler gives.
pub type Reply<R> = Result<Answer<R>, Failure>;

impl<R: OutgoingResponse> IntoResponse for Answer<R> {
    fn into_response(self) -> Response {
        match self.0.try_into_http_response::<Vec<u8>>() {
            Ok(response) => response.map(Body::from),
            Err(error) => Failure::from(domicile_app::Error::internal(error)).into_response(),
        }
    }
}
