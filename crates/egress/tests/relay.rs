//! A cell that is the way to another one, and is not to be trusted.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domicile_core::rng::OsRng;
use domicile_egress::{
    client::Bounds,
    detour::Passport,
    inner::{Admission, Identity, InnerClient, InnerPlace},
};
use domicile_residency::deployment::SecretKey;
use http::{HeaderValue, Request};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

const SECRET: &[u8] = b"what nobody between the two may read";
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(15), bytes: 1 << 16 };

/// What the cell in the middle does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    PassesOn,
    Alters,
    PosesAsTheOther,
    Refuses,
}

#[derive(Default)]
struct Shown {
    signed: Mutex<Vec<String>>,
    opened: AtomicUsize,
    sent: AtomicUsize,
}

impl Passport for Shown {
    fn sign(&self, relay: &str, method: &str, path: &str) -> Option<HeaderValue> {
        self.signed.lock().push(format!("{relay} {method} {path}"));
        Some(HeaderValue::from_static("signed"))
    }

    fn opened(&self, _: &str) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn sent(&self, _: &str, bytes: usize) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn identity(key: &SecretKey) -> Identity {
    Identity { pkcs8: key.to_pkcs8().to_vec(), spki: key.public().to_spki() }
}

/// Lets in the holder of one key, and speaks HTTP/1.1.
fn acceptor(own: &SecretKey, lets_in: &SecretKey) -> TlsAcceptor {
    let admission = Admission::new(&identity(own), vec![lets_in.public().to_spki()]).unwrap();
    let mut config = (**admission.config()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers one request, and gives its body.
async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Vec<u8> {
    head(stream).await;
    let mut body = vec![0; SECRET.len()];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
    body
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, seen: &Mutex<Vec<u8>>, alters: bool) {
    let mut piece = vec![0; 4096];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        seen.lock().extend_from_slice(&piece[..length]);
        if alters {
            piece[length - 1] ^= 1;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// One request from a cell to another whose own address leads nowhere. Gives what came of it, what the cell in the middle saw, and what was shown to it.
async fn ask(manner: Manner) -> (Result<Bytes, String>, Vec<u8>, Arc<Shown>, Option<String>) {
    let [own, relay, target] = [(); 3].map(|()| SecretKey::new(&OsRng));
    let (at_relay, at_target) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (relay_address, target_address) = (at_relay.local_addr().unwrap(), at_target.local_addr().unwrap());
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place = |name: &str, address: SocketAddr, key: &SecretKey, relays: &[&str]| InnerPlace {
        name: name.to_owned(),
        url: format!("https://{address}"),
        spki: key.public().to_spki(),
        proxy: None,
        relays: relays.iter().map(|relay| (*relay).to_owned()).collect(),
    };
    let places = vec![place("ru1", nowhere, &target, &["ch1"]), place("ch1", relay_address, &relay, &[])];
    let shown = Arc::new(Shown::default());
    let passport = Arc::clone(&shown) as Arc<dyn Passport>;
    let client = InnerClient::new(&identity(&own), places, Some(passport)).unwrap();
    let (for_relay, for_target) = (acceptor(&relay, &own), acceptor(&target, &own));
    tokio::spawn(async move {
        while let Ok((stream, _)) = at_target.accept().await {
            if let Ok(mut stream) = for_target.accept(stream).await {
                assert_eq!(answer(&mut stream).await, SECRET);
            }
        }
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = at_relay.accept().await {
            let mut stream = for_relay.accept(stream).await.unwrap();
            let head = head(&mut stream).await;
            assert!(head.starts_with("POST /_domicile/inner/v1/relay/ru1 HTTP/1.1\r\n"), "{head}");
            if manner == Manner::Refuses {
                stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                continue;
            }
            let opened = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: domicile-relay\r\n\r\n";
            stream.write_all(opened).await.unwrap();
            if manner == Manner::PosesAsTheOther {
                if let Ok(mut stream) = for_relay.accept(stream).await {
                    answer(&mut stream).await;
                }
                continue;
            }
            let (from_here, to_here) = split(stream);
            let (from_there, to_there) = split(TcpStream::connect(target_address).await.unwrap());
            let (sees, alters) = (Arc::clone(&sees), manner == Manner::Alters);
            tokio::spawn(async move {
                tokio::select! {
                    () = copy(from_here, to_there, &sees, alters) => {}
                    () = copy(from_there, to_here, &sees, false) => {}
                }
            });
        }
    });
    let request = Request::post("/_matrix/federation/v1/send/1").body(Bytes::from_static(SECRET)).unwrap();
    let told = client.ask("ru1", request, BOUNDS).await.unwrap();
    let way = client.relay_to("ru1");
    let seen = seen.lock().clone();
    (told.map(http::Response::into_body).map_err(|error| error.to_string()), seen, shown, way)
}

#[tokio::test]
async fn what_passes_cannot_be_read_on_the_way() {
    let (told, seen, shown, way) = ask(Manner::PassesOn).await;
    assert_eq!(told.unwrap(), "done");
    assert_eq!(way.as_deref(), Some("ch1"));
    let has = |text: &[u8]| seen.windows(text.len()).any(|window| window == text);
    assert!(seen.len() > SECRET.len() && !has(SECRET) && !has(b"/send/") && !has(b"done"));
    assert_eq!(*shown.signed.lock(), ["ch1 POST /_domicile/inner/v1/relay/ru1"]);
    assert_eq!(shown.opened.load(Ordering::Relaxed), 1);
    let sent = shown.sent.load(Ordering::Relaxed);
    assert!(sent > SECRET.len() && sent < seen.len(), "{sent} of {}", seen.len());
}

#[tokio::test]
async fn what_is_changed_on_the_way_does_not_arrive() {
    let (told, seen, _, _) = ask(Manner::Alters).await;
    assert!(told.is_err() && !seen.is_empty());
}

#[tokio::test]
async fn the_cell_between_cannot_pose_as_the_other() {
    let (told, _, shown, way) = ask(Manner::PosesAsTheOther).await;
    assert!(told.is_err());
    assert_eq!((shown.opened.load(Ordering::Relaxed), way), (1, None));
}

#[tokio::test]
async fn a_cell_that_refuses_is_no_way_and_the_direct_line_is_what_is_told_about() {
    let (told, _, shown, way) = ask(Manner::Refuses).await;
    let told = told.unwrap_err();
    assert!(told.contains("nobody answers"), "{told}");
    assert_eq!((shown.opened.load(Ordering::Relaxed), way), (0, None));
}
