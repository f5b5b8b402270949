//! The routes. A path stands in ruma's type of the request and nowhere else.

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{Method, header},
    response::IntoResponse,
    routing::{MethodFilter, on},
};
use domicile_core::error::ErrorKind;
use ruma::api::{IncomingRequest, path_builder::PathBuilder};
use tower_http::cors::{Any, CorsLayer};

use crate::{client, error::Failure, state::Services};

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

/// The Client-Server API with media.
pub fn client_api(services: Services) -> Router {
    api(services, true, true)
}

/// What a listener serves of the Client-Server API: media, everything else, or both.
pub fn api(services: Services, client: bool, media: bool) -> Router {
    let mut routes = Router::new();
    if client {
        routes = routes.merge(client::routes());
    }
    if media {
        routes = routes.merge(client::media_routes());
    }
    routes
        .fallback(unrecognized)
        .method_not_allowed_fallback(unrecognized_method)
        .layer(
            CorsLayer::new()
                .allow_origin(Any)
                .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
                .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, header::ACCEPT])
                .max_age(std::time::Duration::from_hours(24)),
        )
        .with_state(services)
}

async fn unrecognized(request: Request) -> impl IntoResponse {
    let _ = request;
    Failure::from(ErrorKind::Unrecognized.with("There is no such endpoint."))
}

async fn unrecognized_method(request: Request) -> impl IntoResponse {
    let _ = request;
    Failure::from(ErrorKind::UnrecognizedMethod.with("This endpoint does not know the method."))
}
