//! What the servers answer: their keys, joins, and events of the rooms that they hold.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use domicile_core::percent::decoded_loosely;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use ruma::{CanonicalJsonObject, OwnedEventId, OwnedRoomId, OwnedUserId, signatures::sign_json};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use super::{Arrival, Manner, Shared, room};

/// Until when the keys are good: nearly the end of what an integer of canonical JSON holds.
const VALID_UNTIL_TS: i64 = 9_000_000_000_000_000;
/// Events of one page.
const PAGE: usize = 100;
/// The longest time that a silent server keeps a connection.
const SILENCE: Duration = Duration::from_mins(10);

/// Takes connections for ever.
pub(super) async fn listen(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        // The port is open on all addresses of the machine.
        let Ok(SocketAddr::V4(own)) = stream.local_addr() else { continue };
        if !own.ip().is_loopback() || !matches!(peer.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
            continue;
        }
        tokio::spawn(connection(stream, *own.ip(), acceptor.clone(), Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, address: Ipv4Addr, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    let serving = async {
        stream.set_nodelay(true).ok()?;
        let stream = acceptor.accept(stream).await.ok()?;
        let service = service_fn(|request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.answer(address, request).await) }
        });
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok()
    };
    tokio::pin!(serving);
    loop {
        let manner = shared.manners.read().get(&address).copied().unwrap_or(Manner::Lives);
        match manner {
            Manner::Refuses => return,
            // The connection is held, and nobody reads it.
            Manner::Silent => return tokio::time::sleep(SILENCE).await,
            Manner::Lives => {}
        }
        tokio::select! {
            _ended = &mut serving => return,
            changed = changed.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

impl Shared {
    async fn answer(&self, address: Ipv4Addr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let at = Instant::now();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default();
        let found = self.respond(address, at, parts.uri.path(), query, &body);
        let (status, body) = found.map_or_else(
            || (StatusCode::NOT_FOUND, br#"{"errcode":"M_NOT_FOUND","error":"It is not here."}"#.to_vec()),
            |body| (StatusCode::OK, body),
        );
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        response
    }

    fn respond(&self, address: Ipv4Addr, at: Instant, path: &str, query: &str, body: &[u8]) -> Option<Vec<u8>> {
        if path.starts_with("/_matrix/key/v2/server") {
            return self.keys(address);
        }
        let rest =
            path.strip_prefix("/_matrix/federation/v1/").or_else(|| path.strip_prefix("/_matrix/federation/v2/"))?;
        let parts: Vec<String> = rest.split('/').map(decoded_loosely).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let answer = match parts.as_slice() {
            ["version"] => json!({ "server": { "name": "a measurement", "version": "1" } }),
            ["send", _] => {
                let told: Value = serde_json::from_slice(body).ok()?;
                for event in told["pdus"].as_array().into_iter().flatten() {
                    // Nobody may be listening.
                    self.arrivals.send(Arrival { address, at, event: event.clone() }).ok();
                }
                json!({ "pdus": {} })
            }
            ["user", "devices", user_id] => json!({ "user_id": user_id, "stream_id": 1, "devices": [] }),
            ["event", event_id] => {
                let id = OwnedEventId::try_from(*event_id).ok()?;
                let found = self.rooms.lock().values().find_map(|room| room.find(&id).cloned())?;
                return Some(self.page(address, "pdus", &[found]));
            }
            ["make_join", room_id, user_id] => {
                let user_id = OwnedUserId::try_from(*user_id).ok()?;
                let rooms = self.rooms.lock();
                let template = rooms.get(&OwnedRoomId::try_from(*room_id).ok()?)?.template(&user_id).ok()?;
                json!({ "room_version": room::Room::version(), "event": template })
            }
            ["send_join", room_id, _] => {
                let mut rooms = self.rooms.lock();
                return rooms.get_mut(&OwnedRoomId::try_from(*room_id).ok()?)?.let_in(body).ok();
            }
            ["backfill", room_id] => {
                let from: Vec<OwnedEventId> = values(query, "v").filter_map(|id| id.try_into().ok()).collect();
                let limit = values(query, "limit").find_map(|limit| limit.parse().ok()).unwrap_or(PAGE);
                let rooms = self.rooms.lock();
                let found = rooms.get(&OwnedRoomId::try_from(*room_id).ok()?)?.back(&from, limit.min(PAGE));
                return Some(self.page(address, "pdus", &found));
            }
            ["get_missing_events", room_id] => {
                let wanted: Value = serde_json::from_slice(body).ok()?;
                let listed =
                    |key: &str| -> Option<Vec<OwnedEventId>> { serde_json::from_value(wanted[key].clone()).ok() };
                let (latest, earliest) = (listed("latest_events")?, listed("earliest_events")?);
                let rooms = self.rooms.lock();
                let found = rooms.get(&OwnedRoomId::try_from(*room_id).ok()?)?.back(&latest, PAGE);
                let known = |id: &OwnedEventId| latest.contains(id) || earliest.contains(id);
                let mut found: Vec<_> =
                    found.into_iter().filter(|pdu| !known(&pdu.event_id().to_owned())).take(20).collect();
                found.reverse();
                return Some(self.page(address, "events", &found));
            }
            _ => return None,
        };
        serde_json::to_vec(&answer).ok()
    }

    fn page(&self, address: Ipv4Addr, key: &str, events: &[Arc<domicile_room::event::Pdu>]) -> Vec<u8> {
        let mut body =
            format!("{{\"origin\":\"{address}:{}\",\"origin_server_ts\":1,\"{key}\":", self.port).into_bytes();
        room::list(&mut body, events);
        body.push(b'}');
        body
    }

    /// The list of a server's keys, signed.
    fn keys(&self, address: Ipv4Addr) -> Option<Vec<u8>> {
        let signer = self.signer(address).ok()?;
        let list = json!({
            "server_name": signer.server_name(), "valid_until_ts": VALID_UNTIL_TS, "old_verify_keys": {},
            "verify_keys": { signer.key_id(): { "key": signer.public_key() } },
        });
        let mut list: CanonicalJsonObject = serde_json::from_value(list).ok()?;
        sign_json(signer.server_name().as_str(), signer.key_pair(), &mut list).ok()?;
        serde_json::to_vec(&list).ok()
    }
}

/// The values of a key of a query.
fn values<'a>(query: &'a str, key: &'a str) -> impl Iterator<Item = String> + 'a {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(move |(name, _)| *name == key).map(|(_, value)| decoded_loosely(value))
}
