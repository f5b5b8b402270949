//! A gateway's side to other people's servers: the Server-Server API, answered for all cells.

mod held;

use std::{convert::Infallible, io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use domicile_app::{
    accounts::Limit,
    gateway::{Asked, GatewayParts, Here, UNSIGNED, concerns_cells, is_open},
    media::ByteStream,
};
use domicile_core::error::ErrorKind;
use futures::{
    TryStreamExt,
    future::{BoxFuture, FutureExt as _},
};
use http::{header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use ruma::OwnedServerName;
use tower::ServiceExt as _;

use self::held::held;
use crate::{
    error::Failure,
    extract::Client,
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
    let (parts, body, origin) = if is_open(request.method(), request.uri().path()) {
        unsigned(&front.services, request).await?
    } else {
        extract::signed(request, &front.services.inbound).await?
    };
    let turn = gateway.inward.turn(&origin, &parts.method, parts.uri.path()).await?;
    let path = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let asked = Asked { origin, method: parts.method, path, body };
    Ok(held(gateway.inward.answer(asked, &**front).await?, turn))
}

/// A request that needs no signature. If it has a good one, it is that server's.
async fn unsigned(services: &Services, request: Request) -> Result<(Parts, Bytes, OwnedServerName), Failure> {
    let (mut parts, _) = request.into_parts();
    let client = parts.extensions.get::<Client>().copied().unwrap_or_default();
    services.rate_limits.check_address(Limit::Searches, client.address)?;
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let mut request = Request::new(Body::empty());
        request.method_mut().clone_from(&parts.method);
        request.uri_mut().clone_from(&parts.uri);
        std::mem::swap(request.headers_mut(), &mut parts.headers);
        if let Ok(signed) = extract::signed(request, &services.inbound).await {
            return Ok(signed);
        }
    }
    let nobody = OwnedServerName::try_from(UNSIGNED).map_err(domicile_app::Error::internal)?;
    Ok((parts, Bytes::new(), nobody))
}

impl Front {
    /// This cell's own answer.
    async fn own(&self, asked: Asked) -> Response {
        let mut request = Request::new(Body::from(asked.body));
        *request.method_mut() = asked.method;
        match asked.path.parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return Failure::from(ErrorKind::InvalidParam.with("The path is none.")).into_response(),
        }
        request.extensions_mut().insert(Verified { origin: asked.origin });
        let answer = self.here.clone().oneshot(request).await;
        answer.unwrap_or_else(|never: Infallible| match never {})
    }
}

impl Here for Front {
    fn answer(&self, asked: Asked, bytes: usize) -> BoxFuture<'_, http::Response<Bytes>> {
        async move { whole(self.own(asked).await, bytes).await }.boxed()
    }

    fn pieces(&self, asked: Asked) -> BoxFuture<'_, http::Response<ByteStream>> {
        // `http_body_util` has a `map_err`, too.
        let pieces =
            |body: Body| -> ByteStream { Box::pin(TryStreamExt::map_err(body.into_data_stream(), io::Error::other)) };
        async move { self.own(asked).await.map(pieces) }.boxed()
    }
}

/// An answer with its body in memory.
async fn whole(answer: Response, bytes: usize) -> http::Response<Bytes> {
    let (parts, body) = answer.into_parts();
    match Limited::new(body, bytes).collect().await {
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
