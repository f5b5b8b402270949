//! Counting what other servers are given when they ask: by what they asked, with the size of the answer.

use std::sync::Arc;

use axum::{
    body::HttpBody,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use domicile_app::evidence::ledger::{Flow, Ledger, OUTER};
use http::header::CONTENT_LENGTH;

/// What stands before the name of an operation in a path.
const PREFIX: &str = "/_matrix/federation/";

/// Counts an answer that gives something.
pub(super) async fn counted(State(ledger): State<Arc<Ledger>>, request: Request, next: Next) -> Response {
    let flow = request.extensions().get::<MatchedPath>().and_then(|path| flow(path.as_str()));
    let response = next.run(request).await;
    if let Some(flow) = flow.filter(|_| response.status().is_success()) {
        let exact =
            response.body().size_hint().exact().or_else(|| {
                response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
            });
        // What is written while it goes out has no size before: it counts as one answer, without bytes.
        ledger.add(OUTER, flow, 1, usize::try_from(exact.unwrap_or_default()).unwrap_or(usize::MAX));
    }
    response
}

/// What an operation gives away; nothing for those that take, and for the server's own keys and version.
fn flow(path: &str) -> Option<Flow> {
    let operation = path.strip_prefix(PREFIX)?.split('/').nth(1)?;
    Some(match operation {
        "backfill" | "get_missing_events" | "event" | "state" | "state_ids" | "event_auth" | "timestamp_to_event" => {
            Flow::History
        }
        "make_join" | "send_join" | "make_leave" | "send_leave" | "make_knock" | "send_knock" | "invite" => {
            Flow::Membership
        }
        "query" if path.contains("/profile") => Flow::Profiles,
        "query" | "publicRooms" | "hierarchy" => Flow::Directory,
        "openid" => Flow::Profiles,
        "user" => Flow::Keys,
        "media" => Flow::Media,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_gives_is_known_by_its_path() {
        for (path, given) in [
            ("/_matrix/federation/v1/backfill/{room_id}", Some(Flow::History)),
            ("/_matrix/federation/v2/send_join/{room_id}/{event_id}", Some(Flow::Membership)),
            ("/_matrix/federation/v1/query/profile", Some(Flow::Profiles)),
            ("/_matrix/federation/v1/query/directory", Some(Flow::Directory)),
            ("/_matrix/federation/v1/user/keys/query", Some(Flow::Keys)),
            ("/_matrix/federation/v1/media/download/{media_id}", Some(Flow::Media)),
            ("/_matrix/federation/v1/send/{transaction_id}", None),
            ("/_matrix/federation/v1/version", None),
            ("/_matrix/key/v2/server", None),
        ] {
            assert_eq!(flow(path), given, "{path}");
        }
    }
}
