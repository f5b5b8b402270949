//! The routes. A path stands in ruma's type of the request and nowhere else.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{Method, header},
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::{MethodFilter, on},
};
use domicile_core::error::ErrorKind;
use ruma::api::{IncomingRequest, path_builder::PathBuilder};
use tower_http::cors::{Any, CorsLayer};

use crate::{
    account, client, domicile, door, error::Failure, federation, fenced, gateway, inner, moved, probe, sign_in,
    state::Services, status,
};

/// Adds the routes of one endpoint: every path that ruma knows for `T`.
pub trait Endpoint: Sized {
    /// Serves `T` with `handler`.
    #[must_use]
    fn endpoint<T, H, X>(self, handler: H) -> Self
    where
        T: IncomingRequest,
        H: Handler<X, Services>,
        X: 'static;
}

impl Endpoint for Router<Services> {
    fn endpoint<T, H, X>(self, handler: H) -> Self
    where
        T: IncomingRequest,
        H: Handler<X, Services>,
        X: 'static,
    {
        let filter = MethodFilter::try_from(T::METHOD).unwrap_or(MethodFilter::GET);
        T::PATH_BUILDER.all_paths().fold(self, |router, path| router.route(path, on(filter, handler.clone())))
    }
}

/// Which APIs a listener serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apis {
    /// The Client-Server API without media.
    pub client: bool,
    /// Media.
    pub media: bool,
    /// The Server-Server API.
    pub federation: bool,
}

impl Apis {
    /// All of them.
    pub const ALL: Self = Self { client: true, media: true, federation: true };
    /// The Client-Server API with media.
    pub const CLIENT: Self = Self { client: true, media: true, federation: false };
}

/// The Client-Server API with media.
pub fn client_api(services: Services) -> Router {
    api(services, Apis::CLIENT)
}

/// What a listener serves for clients and for other servers. Where the operator has no federation, its endpoints are unknown ones. In a cell of a
/// deployment, requests of those whose home is another are passed on: of those who have moved, and of those who came to the wrong door.
pub fn api(services: Services, apis: Apis) -> Router {
    routes(services, apis, true)
}

/// The same without what passes requests on.
pub(crate) fn client_routes(services: Services, apis: Apis) -> Router {
    routes(services, apis, false)
}

fn routes(services: Services, apis: Apis, passes: bool) -> Router {
    let mut routes = Router::new();
    if apis.client {
        routes =
            routes.merge(client::routes()).merge(domicile::routes()).merge(probe::routes()).merge(status::routes());
    }
    if apis.media {
        routes = routes.merge(client::media_routes());
    }
    routes = routes.fallback(unrecognized).method_not_allowed_fallback(unrecognized_method);
    // Before anything of this cell's own is asked; those who have moved first, since that is known without asking anybody.
    if let Some(link) = services.front_door.link().filter(|_| passes && (apis.client || apis.media)) {
        let passing = moved::Passing { departures: Arc::clone(&services.departures), link: Arc::clone(link) };
        routes = routes.layer(from_fn_with_state(services.clone(), door::stand_before));
        routes = routes.layer(from_fn_with_state(passing, moved::pass_on));
    }
    // Nothing of a restored cell is shown before it knows what it has missed. Scripts of clients read that they are turned away.
    routes = routes.layer(from_fn_with_state(Arc::clone(&services.fence), fenced::outer));
    routes = routes.layer(
        CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
            .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, header::ACCEPT])
            .max_age(std::time::Duration::from_hours(24)),
    );
    // Pages are for the browser alone that shows them: scripts of other sites do not read them.
    if apis.client {
        let pages = account::routes().merge(sign_in::routes());
        routes = routes.merge(pages.layer(from_fn_with_state(Arc::clone(&services.fence), fenced::outer)));
    }
    // Behind the layer for browsers: other servers are none.
    if apis.federation && services.inbound.is_enabled() {
        let outer = match services.gateway.parts() {
            Some(_) => gateway::routes(&services),
            None => federation::counted(&services),
        };
        let outer = outer.layer(from_fn_with_state(Arc::clone(&services.fence), fenced::outer));
        routes = routes.merge(outer.method_not_allowed_fallback(unrecognized_method));
    }
    routes.with_state(services)
}

/// What a listener serves for the other cells of the deployment, and for nobody else.
pub fn inner_api(services: Services) -> Router {
    let routes = federation::routes().merge(inner::routes(&services));
    let routes = routes.layer(from_fn_with_state(services.clone(), federation::counted_inner));
    let routes = routes.layer(from_fn_with_state(Arc::clone(&services.fence), fenced::inner));
    routes.fallback(unrecognized).method_not_allowed_fallback(unrecognized_method).with_state(services)
}

async fn unrecognized(request: Request) -> impl IntoResponse {
    let _ = request;
    Failure::from(ErrorKind::Unrecognized.with("There is no such endpoint."))
}

async fn unrecognized_method(request: Request) -> impl IntoResponse {
    let _ = request;
    Failure::from(ErrorKind::UnrecognizedMethod.with("This endpoint does not know the method."))
}
