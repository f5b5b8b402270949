//! POST /_matrix/client/v3/account/3pid (Adding account administrative contact information)

use std::collections::BTreeMap;

use domicile_core::error::ErrorKind;
use ruma::api::{
    IncomingRequest, Metadata,
    client::account::get_3pids::v3::{Request as OfGet, Response},
    error::DeserializationError,
};

use serde::de::IgnoredAny;

use crate::{answer::Reply, extract::Authed};

/// The request: deprecated, so that ruma has no type for it. Whatever is in it, the answer is the same.
pub(super) struct Request;

/// Nothing can be added: accounts have no addresses here.
pub(super) async fn post_3pids(_request: Authed<Request>) -> Reply<Response> {
    Err(ErrorKind::ThreepidDenied.with("This server keeps no e-mail addresses and telephone numbers.").into())
}

impl Metadata for Request {
    const METHOD: http::Method = http::Method::POST;
    const RATE_LIMITED: bool = OfGet::RATE_LIMITED;
    type Authentication = <OfGet as Metadata>::Authentication;
    type PathBuilder = <OfGet as Metadata>::PathBuilder;
    const PATH_BUILDER: Self::PathBuilder = OfGet::PATH_BUILDER;
}

impl IncomingRequest for Request {
    type EndpointError = <OfGet as IncomingRequest>::EndpointError;
    type OutgoingResponse = Response;

    fn try_from_http_request_inner(request: http::Request<&[u8]>, _: &[&str]) -> Result<Self, DeserializationError> {
        let _: BTreeMap<String, IgnoredAny> = serde_json::from_slice(request.body())?;
        Ok(Self)
    }
}
