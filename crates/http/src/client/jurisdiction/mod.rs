//! The country under whose law the user lives, for the user to see and to correct. The specification has no such thing; ruma has no types for it.

mod get_jurisdiction;
mod set_jurisdiction;

use axum::Router;
use domicile_app::standing::Noted;
use ruma::{
    api::{IncomingRequest, auth_scheme::AccessToken, client::account::whoami, error::DeserializationError},
    metadata,
};
use serde::{Deserialize, Deserializer};

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<GetJurisdiction, _, _>(get_jurisdiction::get_jurisdiction)
        .endpoint::<SetJurisdiction, _, _>(set_jurisdiction::set_jurisdiction)
}

/// What is noted.
struct GetJurisdiction;

/// The user's own word. What is left out stays as it is.
#[derive(Deserialize)]
struct SetJurisdiction {
    /// Null takes it back.
    #[serde(default)]
    jurisdiction: Word,
    /// Where nothing of theirs may be; an empty list takes it back.
    never_in: Option<Vec<String>>,
}

/// What is said of one thing.
#[derive(Default)]
enum Word {
    /// Nothing.
    #[default]
    None,
    /// This, or that it is taken back.
    Said(Option<String>),
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(Self::Said)
    }
}

metadata! {
    @for GetJurisdiction,
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    history: { unstable => "/_matrix/client/unstable/org.domicile/jurisdiction", }
}

metadata! {
    @for SetJurisdiction,
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    history: { unstable => "/_matrix/client/unstable/org.domicile/jurisdiction", }
}

impl IncomingRequest for GetJurisdiction {
    type EndpointError = <whoami::v3::Request as IncomingRequest>::EndpointError;
    // What is answered is written by itself.
    type OutgoingResponse = whoami::v3::Response;

    fn try_from_http_request_inner(_: http::Request<&[u8]>, _: &[&str]) -> Result<Self, DeserializationError> {
        Ok(Self)
    }
}

impl IncomingRequest for SetJurisdiction {
    type EndpointError = <whoami::v3::Request as IncomingRequest>::EndpointError;
    type OutgoingResponse = whoami::v3::Response;

    fn try_from_http_request_inner(request: http::Request<&[u8]>, _: &[&str]) -> Result<Self, DeserializationError> {
        Ok(serde_json::from_slice(request.body())?)
    }
}

/// What users are told.
type Told = axum::Json<Noted>;
