//! Answers: ruma's response types as HTTP responses.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::header::{CONTENT_LENGTH, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use domicile_app::rooms::Listing;
use futures::stream;
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

/// A JSON answer of which a list is nearly all: what comes before it, the list, and what comes after it.
pub struct LongAnswer(pub &'static str, pub Listing, pub &'static str);

impl IntoResponse for LongAnswer {
    fn into_response(self) -> Response {
        let Self(before, listing, after) = self;
        let length = before.len() + listing.length() + after.len();
        let headers = [(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_LENGTH, length.to_string())];
        let pieces = [Bytes::from(before)].into_iter().chain(listing.into_pieces()).chain([Bytes::from(after)]);
        (headers, Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))).into_response()
    }
}
