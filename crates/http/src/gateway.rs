//! A gateway's side to other people's servers: the Server-Server API, answered for all cells.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use domicile_app::{
    federation::peers,
    gateway::{Asked, GatewayParts, Here, concerns_cells},
};
use domicile_core::error::ErrorKind;
use futures::future::{BoxFuture, FutureExt as _};
use http_body_util::{BodyExt as _, Limited};
use tower::ServiceExt as _;

use crate::{
    error::Failure,
    federation::{
        self,
        extract::{self, Verified},
    },
    state::Services,
};

/// What stands before this cell's own answers.
#[derive(Clone)]
struct Front {
    services: Services,
    /// This cell's own.
    here: Router,
}

/// The Server-Server API of a deployment.
pub(crate) fn routes(services: &Services) -> Router<Services> {
    let here = federation::counted(services).with_state(services.clone());
    let front = Arc::new(Front { services: services.clone(), here });
    federation::routes().route_layer(from_fn_with_state(front, stand_before))
}

async fn stand_before(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let Some(gateway) = front.services.gateway.parts() else { return next.run(request).await };
    if !concerns_cells(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    match Box::pin(answer(&front, gateway, request)).await {
        Ok(answer) => answer,
        Err(failure) => failure.into_response(),
    }
}

/// Checks whose a request is, and has it answered.
async fn answer(front: &Arc<Front>, gateway: &GatewayParts, request: Request) -> Result<Response, Failure> {
    let inbound = &front.services.inbound;
    let (parts, body, origin) = extract::signed(request, inbound).await?;
    let path = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let asked = Asked { origin, method: parts.method, path, body };
    let answer = gateway.inward.answer(asked, &**front).await?;
    Ok(answer.map(Body::from))
}

impl Here for Front {
    fn answer(&self, asked: Asked) -> BoxFuture<'_, http::Response<Bytes>> {
        async move {
            let mut request = Request::new(Body::from(asked.body));
            *request.method_mut() = asked.method;
            match asked.path.parse() {
                Ok(uri) => *request.uri_mut() = uri,
                Err(_) => {
                    return whole(Failure::from(ErrorKind::InvalidParam.with("The path is none.")).into_response())
                        .await;
                }
            }
            request.extensions_mut().insert(Verified { origin: asked.origin });
            let answer = self.here.clone().oneshot(request).await;
            whole(answer.unwrap_or_else(|never: Infallible| match never {})).await
        }
        .boxed()
    }
}

/// An answer with its body in memory.
async fn whole(answer: Response) -> http::Response<Bytes> {
    let (parts, body) = answer.into_parts();
    match Limited::new(body, peers::LARGE.bytes).collect().await {
        Ok(body) => http::Response::from_parts(parts, body.to_bytes()),
        Err(error) => {
            tracing::warn!(%error, "an answer to another server is too large");
            let mut failed = http::Response::new(Bytes::from_static(
                b"{\"errcode\":\"M_TOO_LARGE\",\"error\":\"The answer is too large.\"}",
            ));
            *failed.status_mut() = http::StatusCode::BAD_GATEWAY;
            failed
        }
    }
}
