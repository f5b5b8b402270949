//! Other servers by way of a proxy, of both kinds: what it is asked, what is refused before it is asked, and what is said when it fails. Nothing
//! goes past it.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests, which end them")]

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, http};
use domicile_core::{clock::ManualClock, rng::OsRng};
use domicile_egress::{
    ClientError, ClientSettings, ConnectError, FederationClient, Guard, Proxy, ProxyError, ProxyKind, ProxySettings,
    Trust,
    client::Bounds,
    federation::{
        Dns,
        dns::{DnsError, Service, Services},
    },
};
use domicile_testkit::{
    proxy::{Kind, Manner, TestProxy},
    server::{CertificateFiles, certificate, serve},
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use ruma::ServerName;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 10_000 };
const KINDS: [Kind; 2] = [Kind::Http, Kind::Socks5];
const ME: (&str, &str) = ("me", "secret");

/// A name system that knows one host, and notes what it was asked.
#[derive(Default)]
struct Script {
    hosts: HashMap<String, Vec<SocketAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Dns for Script {
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Services, DnsError>> {
        self.asked.lock().push(name.to_owned());
        let places = vec![Service { priority: 0, weight: 0, port: 1, target: "elsewhere.example".to_owned() }];
        let found = if name == "_matrix-fed._tcp.service.example" { places } else { Vec::new() };
        Box::pin(async move { Ok(Services { places: found, life: Duration::from_hours(1) }) })
    }

    fn addresses<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>> {
        let key = format!("{host}:{port}");
        self.asked.lock().push(key.clone());
        let found = self.hosts.get(&key).cloned().unwrap_or_default();
        Box::pin(async move { Ok(found) })
    }
}

/// A server, and what leads there.
struct Stage {
    files: CertificateFiles,
    address: SocketAddr,
    asked: Arc<Mutex<usize>>,
    _serving: DropGuard,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = certificate(folder.path(), &["a.example", "127.0.0.1"]);
        let asked = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&asked);
        let router = Router::new().fallback(move || {
            *seen.lock() += 1;
            async { "{}" }
        });
        let (address, serving) = serve(&files, router).await;
        Self { files, address, asked, _serving: serving, _folder: folder }
    }

    /// A client by way of a proxy, and its name system. `private` says whether it may connect to this machine.
    fn client(&self, proxy: Proxy, private: bool) -> (FederationClient, Arc<Script>) {
        let ranges = private.then(|| "127.0.0.0/8".parse().expect("a range"));
        let guard = Guard::new(ranges.into_iter().collect());
        let trust = Trust::new(ClientSettings { guard, ca_files: vec![self.files.authority.clone()] });
        let trust = trust.expect("certificates").through(Some(proxy));
        let hosts = HashMap::from([("a.example:8448".to_owned(), vec![self.address])]);
        let script = Arc::new(Script { hosts, asked: Mutex::default() });
        let clock = Arc::new(ManualClock::at(1_780_000_000_000));
        (FederationClient::new(&trust, Arc::clone(&script) as _, clock, Arc::new(OsRng), &std::env::temp_dir()), script)
    }
}

fn by(proxy: &TestProxy, kind: Kind, credentials: Option<(&str, &str)>, resolves: bool) -> Proxy {
    Proxy::new(ProxySettings {
        kind: match kind {
            Kind::Http => ProxyKind::Http,
            Kind::Socks5 => ProxyKind::Socks5,
        },
        host: "127.0.0.1".to_owned(),
        port: proxy.port(),
        credentials: credentials.map(|(name, password)| (name.to_owned(), password.to_owned())),
        resolves,
    })
}

async fn ask(client: &FederationClient, name: &str) -> Result<u16, ClientError> {
    let name: &ServerName = name.try_into().expect("a server name");
    let request = http::Request::get("/_matrix/federation/v1/version").body(Bytes::new()).expect("a request");
    client.ask(name, request, BOUNDS).await.map(|answer| answer.status().as_u16())
}

fn failed(answer: Result<u16, ClientError>) -> ProxyError {
    match answer {
        Err(ClientError::Connect(ConnectError::Proxy(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_is_reached_by_either_kind() {
    for (kind, credentials) in KINDS.into_iter().flat_map(|kind| [(kind, None), (kind, Some(ME))]) {
        let (stage, proxy) = (Stage::new().await, TestProxy::start(kind, credentials).await);
        let (client, script) = stage.client(by(&proxy, kind, credentials, false), true);
        for _ in 0..3 {
            assert_eq!(ask(&client, "a.example:8448").await.expect("an answer"), 200);
        }
        assert_eq!(proxy.asked(), [stage.address.to_string()], "one way, to an address that was judged here");
        assert_eq!(*script.asked.lock(), ["a.example:8448"]);
        let found = client.examine("a.example:8448".try_into().expect("a name")).await;
        assert!(found.by_proxy && found.connections.len() == 1, "{:?}", found.connections);
        assert!(found.connections[0].1.is_ok(), "{:?}", found.connections);
        assert_eq!(proxy.asked().len(), 2, "a look at the way goes by the proxy, too");
    }
}

#[tokio::test]
async fn a_proxy_that_looks_names_up_is_given_names_and_nobody_else_is_asked() {
    for kind in KINDS {
        let (stage, proxy) = (Stage::new().await, TestProxy::start(kind, None).await);
        proxy.lead("a.example:8448", stage.address);
        let (client, script) = stage.client(by(&proxy, kind, None, true), false);
        assert_eq!(ask(&client, "a.example:8448").await.expect("an answer"), 200);
        // Without a port: /.well-known is asked for by the proxy, and what SRV records would say is not known.
        assert_eq!(ask(&client, "a.example").await.expect("an answer"), 200);
        assert!(matches!(failed(ask(&client, "service.example").await), ProxyError::Refused(_)));
        let asked = proxy.asked();
        for expected in ["a.example:8448", "a.example:443", "service.example:443", "service.example:8448"] {
            assert!(asked.iter().any(|asked| asked == expected), "{expected}: {asked:?}");
        }
        assert_eq!(*script.asked.lock(), Vec::<String>::new(), "no name leaves but to the proxy");
        let found = client.examine("a.example:8448".try_into().expect("a name")).await;
        assert!(found.addresses.is_none() && found.connections[0].1.is_ok(), "{:?}", found.connections);
    }
}

#[tokio::test]
async fn what_is_refused_without_a_proxy_is_refused_before_it_is_asked() {
    for (kind, resolves) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
        let (stage, proxy) = (Stage::new().await, TestProxy::start(kind, None).await);
        let (client, _) = stage.client(by(&proxy, kind, None, resolves), false);
        let mut names =
            vec!["127.0.0.1:8448", "[::1]:8448", "10.0.0.1:443", "169.254.169.254:80", "[::ffff:127.0.0.1]:1"];
        // Without names it is the address that is judged; with them, what is known of the name.
        names.extend(if resolves {
            ["localhost:8448", "db.internal:443"]
        } else {
            ["a.example:8448", "a.example:8448"]
        });
        for name in names {
            let answer = ask(&client, name).await;
            assert!(matches!(answer, Err(ClientError::Connect(ConnectError::Refused))), "{name}: {answer:?}");
            let found = client.examine(name.try_into().expect("a name")).await;
            assert!(matches!(found.connections[0].1, Err(ConnectError::Refused)), "{name}: {:?}", found.connections);
        }
        assert_eq!(proxy.connections(), 0);
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_as_such() {
    for kind in KINDS {
        let (stage, proxy) = (Stage::new().await, TestProxy::start(kind, Some(ME)).await);
        for wrong in [None, Some(("me", "guess")), Some(("you", "secret"))] {
            let (client, _) = stage.client(by(&proxy, kind, wrong, false), true);
            let error = failed(ask(&client, "a.example:8448").await);
            assert!(matches!(error, ProxyError::Credentials), "{kind:?} {wrong:?}: {error:?}");
        }
        assert_eq!((proxy.asked().len(), *stage.asked.lock()), (0, 0));
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_told_in_words_and_nothing_goes_past_it() {
    for kind in KINDS {
        let (stage, proxy) = (Stage::new().await, TestProxy::start(kind, None).await);
        let (client, _) = stage.client(by(&proxy, kind, None, false), true);
        proxy.behave(Manner::Refuses);
        assert!(matches!(failed(ask(&client, "a.example:8448").await), ProxyError::Refused(_)), "{kind:?}");
        proxy.behave(Manner::Nonsense);
        assert!(matches!(failed(ask(&client, "a.example:8448").await), ProxyError::Nonsense), "{kind:?}");
        let began = Instant::now();
        proxy.behave(Manner::Babbles);
        let error = failed(ask(&client, "a.example:8448").await);
        assert!(matches!(error, ProxyError::Nonsense), "{kind:?}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "what has no end is not read to its end");
        proxy.behave(Manner::Hangs);
        let error = failed(ask(&client, "a.example:8448").await);
        assert!(matches!(error, ProxyError::Slow), "{kind:?}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        proxy.behave(Manner::Leads);
        assert_eq!(*stage.asked.lock(), 0);
        assert_eq!(ask(&client, "a.example:8448").await.expect("an answer"), 200, "and it goes on when the proxy does");
        let gone = by(&proxy, kind, None, false);
        drop(proxy);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (client, _) = stage.client(gone, true);
        assert!(matches!(failed(ask(&client, "a.example:8448").await), ProxyError::Unreachable(_)), "{kind:?}");
        assert_eq!(*stage.asked.lock(), 1);
    }
}

#[tokio::test]
async fn nothing_of_the_password_is_shown() {
    let proxy = TestProxy::start(Kind::Http, None).await;
    let shown = format!("{:?}", by(&proxy, Kind::Http, Some(ME), false));
    assert!(shown.contains("127.0.0.1") && !shown.contains(ME.1), "{shown}");
}
