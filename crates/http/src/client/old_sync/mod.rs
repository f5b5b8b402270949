//! What clients asked for before there was `/sync`. Ruma has no types for these requests; they are here.

mod get_events;
mod get_one_event;
mod initial_sync;

use axum::Router;
use ruma::{
    OwnedEventId, OwnedRoomId, UInt,
    api::{
        IncomingRequest,
        auth_scheme::AccessToken,
        client::{peeking::listen_to_new_events, room::get_room_event},
        error::DeserializationError,
    },
    metadata,
};
use serde::Deserialize;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<GetEvents, _, _>(get_events::get_events)
        .endpoint::<GetOneEvent, _, _>(get_one_event::get_one_event)
        .endpoint::<InitialSync, _, _>(initial_sync::initial_sync)
}

/// `getEvents`, and with `room_id` `peekEvents`.
#[derive(Deserialize)]
struct GetEvents {
    from: Option<String>,
    timeout: Option<u64>,
    room_id: Option<OwnedRoomId>,
}

/// `getOneEvent`
struct GetOneEvent {
    event_id: OwnedEventId,
}

/// `initialSync`
#[derive(Deserialize)]
struct InitialSync {
    limit: Option<UInt>,
    #[serde(default)]
    archived: bool,
}

metadata! {
    @for GetEvents,
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    history: { 1.0 => "/_matrix/client/r0/events", 1.1 => "/_matrix/client/v3/events", }
}

metadata! {
    @for GetOneEvent,
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    history: { 1.0 => "/_matrix/client/r0/events/{event_id}", 1.1 => "/_matrix/client/v3/events/{event_id}", }
}

metadata! {
    @for InitialSync,
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    history: { 1.0 => "/_matrix/client/r0/initialSync", 1.1 => "/_matrix/client/v3/initialSync", }
}

impl IncomingRequest for GetEvents {
    type EndpointError = <listen_to_new_events::v3::Request as IncomingRequest>::EndpointError;
    type OutgoingResponse = listen_to_new_events::v3::Response;

    fn try_from_http_request_inner(request: http::Request<&[u8]>, _: &[&str]) -> Result<Self, DeserializationError> {
        Ok(serde_html_form::from_str(request.uri().query().unwrap_or_default())?)
    }
}

impl IncomingRequest for GetOneEvent {
    type EndpointError = <get_room_event::v3::Request as IncomingRequest>::EndpointError;
    type OutgoingResponse = get_room_event::v3::Response;

    fn try_from_http_request_inner(_: http::Request<&[u8]>, args: &[&str]) -> Result<Self, DeserializationError> {
        Ok(Self { event_id: args.first().copied().unwrap_or_default().try_into()? })
    }
}

impl IncomingRequest for InitialSync {
    type EndpointError = <get_room_event::v3::Request as IncomingRequest>::EndpointError;
    // What is answered is written by itself.
    type OutgoingResponse = listen_to_new_events::v3::Response;

    fn try_from_http_request_inner(request: http::Request<&[u8]>, _: &[&str]) -> Result<Self, DeserializationError> {
        Ok(serde_html_form::from_str(request.uri().query().unwrap_or_default())?)
    }
}
