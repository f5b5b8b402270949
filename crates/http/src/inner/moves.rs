//! POST /_domicile/inner/v1/moves/… (somebody comes from another cell)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    routing::post,
};
use domicile_app::{
    federation::Inbound,
    moves::{
        Arrivals, Moves,
        messages::{
            ABOUT_FILE, Arrived, BEGIN, Begin, Begun, CANCEL, CONTENT, Cancel, Confirmed, Content, Done, EMPTY,
            Emptied, Ends, FILE_PIECE, FilePiece, HOME, Home, InRoom, LACKING, LATE, Lacking, Lacks, Late, PAST, POLL,
            PastTaken, Poll, ROOM, RoomPart, TURNED, Taken, Turned, VAULT, Vault,
        },
    },
};
use domicile_core::error::ErrorKind;

use super::{asked, from_cell};
use crate::{error::Failure, extract::BodyLimit, state::Services};

/// Bytes of the largest part: a vault with all of somebody's message keys.
const BYTES: usize = 256 * 1024 * 1024;

pub(super) fn routes() -> Router<Services> {
    Router::new()
        .route(BEGIN, post(begin))
        .route(ROOM, post(room))
        .route(LACKING, post(lacking))
        .route(PAST, post(past))
        .route(EMPTY, post(empty))
        .route(CONTENT, post(content))
        .route(FILE_PIECE, post(file_piece))
        .route(VAULT, post(vault))
        .route(HOME, post(home))
        .route(TURNED, post(turned))
        .route(POLL, post(poll))
        .route(LATE, post(late))
        .route(CANCEL, post(cancel))
        .layer(DefaultBodyLimit::disable())
}

fn arrivals(moves: &Moves) -> Result<&Arc<Arrivals>, Failure> {
    Ok(moves.arrivals()?)
}

fn large(mut request: Request) -> Request {
    request.extensions_mut().insert(BodyLimit(BYTES));
    request
}

async fn begin(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Begun>, Failure> {
    let (cell, begin) = asked::<Begin>(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.begin(&cell, begin).await?))
}

async fn room(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Taken>, Failure> {
    let (cell, part) = asked::<RoomPart>(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.take_room(&cell, part).await?))
}

async fn lacking(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Lacks>, Failure> {
    let (cell, lacking) = asked::<Lacking>(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.lacking(&cell, lacking).await?))
}

async fn past(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<PastTaken>, Failure> {
    let (cell, of) = asked::<InRoom>(request, &inbound).await?;
    Ok(Json(arrivals(&moves)?.fetch_past(&cell, of).await?))
}

async fn empty(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Emptied>, Failure> {
    let (cell, of) = asked::<InRoom>(request, &inbound).await?;
    Ok(Json(arrivals(&moves)?.emptied(&cell, of).await?))
}

async fn content(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Taken>, Failure> {
    let (cell, content) = asked::<Content>(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.take_content(&cell, content).await?))
}

async fn file_piece(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Done>, Failure> {
    let unreadable = || ErrorKind::BadJson.with("It cannot be read of which file this is a piece.");
    let about =
        request.headers().get(ABOUT_FILE).and_then(|value| bytes_of(value.as_bytes())).ok_or_else(unreadable)?;
    let piece: FilePiece = serde_json::from_slice(&about).map_err(|_| unreadable())?;
    let (_, raw, cell) = from_cell(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.take_file_piece(&cell, piece, raw).await?))
}

async fn vault(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Confirmed>, Failure> {
    let (cell, vault) = asked::<Vault>(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.take_vault(&cell, vault).await?))
}

async fn home(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Arrived>, Failure> {
    // Whoever tells it: the directory's tickets say it, or not.
    let (_, home) = asked::<Home>(request, &inbound).await?;
    Ok(Json(arrivals(&moves)?.take_home(home).await?))
}

async fn turned(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Ends>, Failure> {
    let (_, turned) = asked::<Turned>(request, &inbound).await?;
    Ok(Json(arrivals(&moves)?.turned(turned).await?))
}

async fn poll(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Done>, Failure> {
    let (cell, poll) = asked::<Poll>(request, &inbound).await?;
    Ok(Json(arrivals(&moves)?.poll(&cell, poll).await?))
}

async fn late(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Done>, Failure> {
    let (cell, late) = asked::<Late>(large(request), &inbound).await?;
    Ok(Json(arrivals(&moves)?.take_late(&cell, late).await?))
}

async fn cancel(
    State(inbound): State<Arc<Inbound>>,
    State(moves): State<Arc<Moves>>,
    request: Request,
) -> Result<Json<Done>, Failure> {
    let (cell, cancel) = asked::<Cancel>(request, &inbound).await?;
    Ok(Json(arrivals(&moves)?.cancel(&cell, &cancel).await?))
}

/// Bytes that are written in hexadecimal.
fn bytes_of(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?)).collect()
}
