//! Answers to other servers, which hold their turn until they are read. Whoever reads too slowly does not get the rest: it is in memory as long.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use domicile_app::{
    gateway::{OuterBody, Turn},
    media::ByteStream,
};
use futures::{Stream, StreamExt as _, stream};
use http::header::CONTENT_LENGTH;
use parking_lot::Mutex;

/// Bytes of a piece. An answer of one piece holds nothing.
const PIECE: usize = 64 * 1024;
/// How often it is looked whether an answer gets on.
const PERIOD: Duration = Duration::from_mins(1);
/// Bytes that are read in that time at the least.
const SLOWEST: usize = 60 * 64 * 1024;

/// What is not read yet.
struct Rest {
    pieces: ByteStream,
    _turn: Box<dyn Send>,
}

struct Shared {
    /// Nothing if all is read, or it took too long.
    rest: Mutex<Option<Rest>>,
    /// Bytes that were read since it was looked.
    read: AtomicUsize,
}

struct Held {
    shared: Arc<Shared>,
    is_whole: bool,
}

impl Stream for Held {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        let shared = Arc::clone(&self.shared);
        let mut held = shared.rest.lock();
        let Some(rest) = held.as_mut() else {
            self.is_whole = true;
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        let piece = ready!(rest.pieces.poll_next_unpin(cx));
        if let Some(Ok(piece)) = &piece {
            shared.read.fetch_add(piece.len(), Ordering::Relaxed);
        } else {
            self.is_whole = true;
            *held = None;
        }
        Poll::Ready(piece)
    }
}

/// An answer that holds its turn.
pub(super) fn held(answer: http::Response<OuterBody>, turn: Turn) -> Response {
    held_for(answer, Box::new(turn), PERIOD)
}

fn held_for(answer: http::Response<OuterBody>, turn: Box<dyn Send>, period: Duration) -> Response {
    let (mut head, body) = answer.into_parts();
    let pieces = match body {
        OuterBody::Whole(bytes) if bytes.len() <= PIECE => return Response::from_parts(head, Body::from(bytes)),
        OuterBody::Whole(bytes) => {
            head.headers.insert(CONTENT_LENGTH, bytes.len().into());
            in_pieces(bytes)
        }
        OuterBody::Pieces(pieces) => pieces,
    };
    let shared = Arc::new(Shared { rest: Mutex::new(Some(Rest { pieces, _turn: turn })), read: AtomicUsize::new(0) });
    let watched = Arc::downgrade(&shared);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(period).await;
            let Some(shared) = watched.upgrade() else { return };
            let is_slow = shared.read.swap(0, Ordering::Relaxed) < SLOWEST;
            let mut rest = shared.rest.lock();
            if is_slow {
                *rest = None;
            }
            if rest.is_none() {
                return;
            }
        }
    });
    Response::from_parts(head, Body::from_stream(Held { shared, is_whole: false }))
}

/// An answer in memory, piece by piece. Each is a copy: what is sent does not keep the whole.
fn in_pieces(bytes: Bytes) -> ByteStream {
    let pieces = stream::unfold((bytes, 0), |(bytes, at)| async move {
        let end = bytes.len().min(at + PIECE);
        let piece = Bytes::copy_from_slice(bytes.get(at..end).filter(|piece| !piece.is_empty())?);
        Some((Ok(piece), (bytes, end)))
    });
    pieces.boxed()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn answer(turn: &Arc<()>, period: Duration) -> (Vec<u8>, Response) {
        let content: Vec<u8> = (0..10 * PIECE + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let body = OuterBody::Whole(Bytes::from(content.clone()));
        (content, held_for(http::Response::new(body), Box::new(Arc::clone(turn)), period))
    }

    #[tokio::test]
    async fn an_answer_comes_whole_and_holds_its_turn_as_long() {
        let turn = Arc::new(());
        let (content, answer) = answer(&turn, PERIOD);
        assert_eq!(answer.headers()[CONTENT_LENGTH], content.len().to_string());
        assert_eq!(Arc::strong_count(&turn), 2);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), content);
        assert_eq!(Arc::strong_count(&turn), 1);
    }

    #[tokio::test]
    async fn who_does_not_read_does_not_get_the_rest() {
        let turn = Arc::new(());
        let (_, answer) = answer(&turn, Duration::from_millis(50));
        let mut pieces = answer.into_body().into_data_stream();
        assert_eq!(pieces.next().await.unwrap().unwrap().len(), PIECE);
        for _ in 0..200 {
            if Arc::strong_count(&turn) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(Arc::strong_count(&turn), 1, "it is in memory no more");
        assert!(pieces.next().await.unwrap().is_err());
        assert!(pieces.next().await.is_none());
    }
}
