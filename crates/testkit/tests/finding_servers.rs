//! Server names become hosts, ports, `Host` headers and certificates by the specification's steps, over a scripted name system and real TLS.

#![expect(clippy::expect_used, reason = "helpers of tests, which end them")]

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{self, Response, header::HOST},
};
use domicile_core::{
    clock::{HOUR_MS, MINUTE_MS, ManualClock},
    rng::OsRng,
};
use domicile_egress::{
    ClientError, ClientSettings, ConnectError, FederationClient, Guard, Trust,
    client::Bounds,
    federation::{
        Dns, Step,
        dns::{DnsError, Service, Services},
    },
};
use domicile_testkit::server::{CertificateFiles, certificate, serve};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use ruma::ServerName;
use tokio_util::sync::DropGuard;

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(2), bytes: 10_000 };
const WELL_KNOWN: &str = "/.well-known/matrix/server";

/// A name system that says what a test wants, and notes what it was asked.
#[derive(Default)]
struct Script {
    services: Mutex<HashMap<String, Services>>,
    /// Every host and port leads to a port of this machine.
    hosts: Mutex<HashMap<String, SocketAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Dns for Script {
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Services, DnsError>> {
        self.asked.lock().push(name.to_owned());
        let found = self.services.lock().get(name).cloned().unwrap_or_default();
        Box::pin(async move { Ok(found) })
    }

    fn addresses<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>> {
        let key = format!("{host}:{port}");
        self.asked.lock().push(key.clone());
        let found = self.hosts.lock().get(&key).copied();
        Box::pin(async move { Ok(found.into_iter().collect()) })
    }
}

/// What a host is asked: how it was called, and for what.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// A stage: a client, its name system, and hosts.
struct Stage {
    folder: tempfile::TempDir,
    script: Arc<Script>,
    clock: Arc<ManualClock>,
    seen: Seen,
    guards: Vec<DropGuard>,
}

impl Stage {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            script: Arc::default(),
            clock: Arc::new(ManualClock::at(1_780_000_000_000)),
            seen: Seen::default(),
            guards: Vec::new(),
        }
    }

    fn files(&self, name: &str) -> CertificateFiles {
        let folder = self.folder.path().join(name.replace(':', "_"));
        std::fs::create_dir_all(&folder).expect("a folder");
        certificate(&folder, &[name])
    }

    /// A host whose certificate is for `name`, at these places of the name system.
    async fn host(&mut self, name: &str, places: &[&str], router: Router) -> SocketAddr {
        let (address, guard) = serve(&self.files(name), router).await;
        self.guards.push(guard);
        for place in places {
            self.script.hosts.lock().insert((*place).to_owned(), address);
        }
        address
    }

    /// A router that notes what it is asked and answers `answer` to everything.
    fn answers(&self, answer: impl Fn(&str) -> Response<Body> + Clone + Send + Sync + 'static) -> Router {
        let seen = Arc::clone(&self.seen);
        Router::new().fallback(move |request: Request| {
            let text = |value: &http::HeaderValue| value.to_str().expect("a host is text").to_owned();
            let header = request.headers().get(HOST).map(text);
            // HTTP/2 has the host in the address; where both are given, they must say the same.
            let authority = request.uri().authority().map(ToString::to_string);
            assert!(header.is_none() || authority.is_none() || header == authority, "{header:?} {authority:?}");
            let header = header.or(authority).unwrap_or_default();
            let path = request.uri().path().to_owned();
            seen.lock().push((header, path.clone()));
            let answer = answer(&path);
            async move { answer }
        })
    }

    fn server(&self) -> Router {
        self.answers(|_| Response::new(Body::from("{}")))
    }

    fn well_known(&self, to: &str) -> Router {
        let text = format!("{{\"m.server\":\"{to}\"}}");
        self.answers(move |_| Response::new(Body::from(text.clone())))
    }

    fn service(&self, name: &str, target: &str, port: u16) {
        let places = vec![Service { priority: 0, weight: 0, port, target: target.to_owned() }];
        self.script.services.lock().insert(name.to_owned(), Services { places, life: Duration::from_hours(1) });
    }

    fn client_with(&self, guard: Guard) -> FederationClient {
        let settings = ClientSettings { guard, ca_files: vec![self.files("x.example").authority] };
        let trust = Trust::new(settings).expect("certificates");
        FederationClient::new(
            &trust,
            Arc::clone(&self.script) as _,
            Arc::clone(&self.clock) as _,
            Arc::new(OsRng),
            &std::env::temp_dir(),
        )
    }

    fn client(&self) -> FederationClient {
        self.client_with(Guard::new(vec!["127.0.0.0/8".parse().expect("a range")]))
    }

    fn count(&self, path: &str) -> usize {
        self.seen.lock().iter().filter(|(_, seen)| seen == path).count()
    }
}

fn name(name: &str) -> &ServerName {
    name.try_into().expect("a server name")
}

async fn ask(client: &FederationClient, to: &str) -> Result<u16, ClientError> {
    let request = http::Request::get("https://ignored/asked?a=b").body(Bytes::new()).expect("a request");
    client.ask(name(to), request, BOUNDS).await.map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn an_address_is_where_it_says_and_its_certificate_is_for_it() {
    let mut stage = Stage::new();
    let address = stage.host("127.0.0.1", &[], stage.server()).await;
    assert_eq!(ask(&stage.client(), &address.to_string()).await.expect("an answer"), 200);
    assert_eq!(*stage.seen.lock(), [(address.to_string(), "/asked".to_owned())]);
    assert!(stage.script.asked.lock().is_empty(), "no name is asked for");
}

#[tokio::test]
async fn names_are_found_by_each_step() {
    let missing = |stage: &Stage| stage.answers(|_| Response::builder().status(404).body(Body::empty()).expect("404"));
    // The name asked, whom it delegates to, an SRV record, the place that is asked for, the certificate and `Host` it must have.
    for (asked, delegated, service, place, certificate, host) in [
        ("p.example:99", None, None, "p.example:99", "p.example", "p.example:99"),
        ("p.example:443", None, None, "p.example:443", "p.example", "p.example:443"),
        ("a.example", Some("d.example:77"), None, "d.example:77", "d.example", "d.example:77"),
        (
            "a.example",
            Some("d.example"),
            Some(("_matrix-fed._tcp.d.example", "t.example", 5)),
            "t.example:5",
            "d.example",
            "d.example",
        ),
        (
            "a.example",
            Some("d.example"),
            Some(("_matrix._tcp.d.example", "t.example", 6)),
            "t.example:6",
            "d.example",
            "d.example",
        ),
        ("a.example", Some("d.example"), None, "d.example:8448", "d.example", "d.example"),
        (
            "a.example",
            None,
            Some(("_matrix-fed._tcp.a.example", "t.example", 7)),
            "t.example:7",
            "a.example",
            "a.example",
        ),
        ("a.example", None, Some(("_matrix._tcp.a.example", "t.example", 8)), "t.example:8", "a.example", "a.example"),
        ("a.example", None, None, "a.example:8448", "a.example", "a.example"),
    ] {
        let mut stage = Stage::new();
        let well_known = delegated.map_or_else(|| missing(&stage), |to| stage.well_known(to));
        stage.host("a.example", &["a.example:443"], well_known).await;
        stage.host(certificate, &[place], stage.server()).await;
        if let Some((service, target, port)) = service {
            stage.service(service, target, port);
        }
        let what = (asked, delegated, service);
        assert_eq!(ask(&stage.client(), asked).await.unwrap_or_else(|error| panic!("{what:?}: {error}")), 200);
        assert_eq!(stage.seen.lock().last(), Some(&(host.to_owned(), "/asked".to_owned())), "{what:?}");
        assert_eq!(stage.count(WELL_KNOWN), usize::from(asked == "a.example"), "{what:?}");
    }
}

#[tokio::test]
async fn a_delegation_to_an_address_needs_a_certificate_for_the_address() {
    let mut stage = Stage::new();
    let address = stage.host("127.0.0.1", &[], stage.server()).await;
    stage.host("a.example", &["a.example:443"], stage.well_known(&address.to_string())).await;
    assert_eq!(ask(&stage.client(), "a.example").await.expect("an answer"), 200);
    assert_eq!(stage.seen.lock().last().expect("a request").0, address.to_string());
}

#[tokio::test]
async fn the_certificate_is_for_the_name_and_not_for_where_it_leads() {
    let mut stage = Stage::new();
    // Whoever rules the name system can lead a name to a host of their own, but has no certificate for it.
    stage.service("_matrix-fed._tcp.a.example", "t.example", 5);
    stage.host("t.example", &["t.example:5"], stage.server()).await;
    let answer = ask(&stage.client(), "a.example").await;
    assert!(matches!(answer, Err(ClientError::Connect(ConnectError::Tls(_)))), "{answer:?}");
    assert!(stage.seen.lock().is_empty());
    // A record that says `.` says that there is no server, and no other step is tried.
    stage.service("_matrix-fed._tcp.b.example", "", 0);
    stage.host("b.example", &["b.example:8448"], stage.server()).await;
    let answer = ask(&stage.client(), "b.example").await;
    assert!(matches!(answer, Err(ClientError::Connect(ConnectError::NoService))), "{answer:?}");
}

#[tokio::test]
async fn redirects_of_well_known_are_followed_within_bounds() {
    let redirect =
        |to: String| Response::builder().status(302).header("location", to).body(Body::empty()).expect("302");
    for (kind, found) in [("here", true), ("circle", false), ("plain", false), ("endless", false)] {
        let mut stage = Stage::new();
        let router = stage.answers(move |path| match (kind, path) {
            (_, "/found") => Response::new(Body::from(r#"{"m.server":"d.example:9"}"#)),
            ("here", WELL_KNOWN) => redirect("https://e.example/1".to_owned()),
            ("here", _) => redirect("/found".to_owned()),
            ("circle", _) => redirect(WELL_KNOWN.to_owned()),
            ("plain", _) => redirect("http://e.example/found".to_owned()),
            (_, path) => redirect(format!("{path}x")),
        });
        stage.host("a.example", &["a.example:443"], router.clone()).await;
        stage.host("e.example", &["e.example:443"], router).await;
        stage.host("d.example", &["d.example:9"], stage.server()).await;
        stage.host("a.example", &["a.example:8448"], stage.server()).await;
        assert_eq!(ask(&stage.client(), "a.example").await.expect("an answer"), 200, "{kind}");
        let expected = if found { "d.example:9" } else { "a.example" };
        assert_eq!(stage.seen.lock().last().expect("a request").0, expected, "{kind}");
        assert!(stage.seen.lock().len() < 40, "{kind}");
    }
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_are_good_and_asked_for_once() {
    let mut stage = Stage::new();
    stage.host("a.example", &["a.example:443"], stage.well_known("d.example")).await;
    stage.host("d.example", &["d.example:8448"], stage.server()).await;
    let client = stage.client();
    let asking = (0..20).map(|_| ask(&client, "a.example"));
    for answer in futures::future::join_all(asking).await {
        assert_eq!(answer.expect("an answer"), 200);
    }
    assert_eq!(stage.count(WELL_KNOWN), 1, "many ask at once");
    let services = |stage: &Stage| stage.script.asked.lock().iter().filter(|name| name.starts_with('_')).count();
    assert_eq!(services(&stage), 2);
    for (ms, expected) in [(23 * HOUR_MS, 1), (2 * HOUR_MS, 2)] {
        stage.clock.advance(ms);
        ask(&client, "a.example").await.expect("an answer");
        assert_eq!(stage.count(WELL_KNOWN), expected);
    }
    // A failure is kept for a short time, which grows.
    let mut stage = Stage::new();
    let nothing = stage.answers(|path| {
        let status = if path == WELL_KNOWN { 500 } else { 200 };
        Response::builder().status(status).body(Body::empty()).expect("an answer")
    });
    stage.host("f.example", &["f.example:443", "f.example:8448"], nothing).await;
    let client = stage.client();
    for (ms, expected) in [(0, 1), (4 * MINUTE_MS, 1), (2 * MINUTE_MS, 2), (6 * MINUTE_MS, 2), (5 * MINUTE_MS, 3)] {
        stage.clock.advance(ms);
        ask(&client, "f.example").await.expect("an answer");
        assert_eq!(stage.count(WELL_KNOWN), expected, "after {ms}");
    }
}

#[tokio::test]
async fn private_addresses_are_not_connected_to() {
    let mut stage = Stage::new();
    let address = stage.host("127.0.0.1", &[], stage.server()).await;
    stage.host("a.example", &["a.example:443", "a.example:8448"], stage.server()).await;
    let other_port = format!("127.0.0.0/8:{}", address.port().wrapping_add(1));
    for guard in [Guard::default(), Guard::new(vec![other_port.parse().expect("a range")])] {
        let client = stage.client_with(guard);
        for to in [address.to_string().as_str(), "a.example", "[::ffff:127.0.0.1]:443"] {
            let answer = ask(&client, to).await;
            assert!(matches!(answer, Err(ClientError::Connect(ConnectError::Refused))), "{to}: {answer:?}");
        }
    }
    assert!(stage.seen.lock().is_empty());
    let this_port = Guard::new(vec![format!("127.0.0.0/8:{}", address.port()).parse().expect("a range")]);
    assert_eq!(ask(&stage.client_with(this_port), &address.to_string()).await.expect("an answer"), 200);
}

#[tokio::test]
async fn answers_are_bounded_and_requests_are_not_led_elsewhere() {
    let mut stage = Stage::new();
    let trickle = || {
        let bytes = futures::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b" ")), ()))
        });
        Response::new(Body::from_stream(bytes))
    };
    let large = || Response::new(Body::from("x".repeat(10_001)));
    let led = || Response::builder().status(302).header("location", "/").body(Body::empty()).expect("302");
    let slow = stage.host("127.0.0.1", &[], stage.answers(move |_| trickle())).await;
    let huge = stage.host("127.0.0.1", &[], stage.answers(move |_| large())).await;
    let elsewhere = stage.host("127.0.0.1", &[], stage.answers(move |_| led())).await;
    let client = stage.client();
    assert!(matches!(ask(&client, &slow.to_string()).await, Err(ClientError::Slow)));
    assert!(matches!(ask(&client, &huge.to_string()).await, Err(ClientError::TooLarge(10_000))));
    assert_eq!(ask(&client, &elsewhere.to_string()).await.expect("an answer"), 302);
    assert_eq!(stage.seen.lock().len(), 3);
}

#[tokio::test]
async fn the_way_is_told_step_by_step() {
    let mut stage = Stage::new();
    stage.host("a.example", &["a.example:443"], stage.well_known("d.example")).await;
    stage.host("d.example", &["t.example:5"], stage.server()).await;
    stage.service("_matrix-fed._tcp.d.example", "t.example", 5);
    let found = stage.client().examine(name("a.example")).await;
    assert_eq!(found.delegation.expect("asked").expect("an answer").0, "d.example");
    assert_eq!(found.place.expect("a place").step, Step::Service("_matrix-fed._tcp"));
    let connections: BTreeMap<_, _> = found.connections.into_iter().collect();
    let secured = connections.into_values().next().expect("a connection").expect("it is secured");
    assert!(secured.http2 && secured.certificate_ends_ms.is_some_and(|ends| ends > 1_780_000_000_000), "{secured:?}");
    // What stands in the way is told, too.
    let found = stage.client_with(Guard::default()).examine(name("d.example")).await;
    assert!(matches!(found.connections[..], [(_, Err(ConnectError::Refused))]));
    let found = stage.client().examine(name("nowhere.example")).await;
    assert!(found.delegation.expect("asked").is_err() && found.connections.is_empty());
    assert!(found.addresses.expect("a look").expect("an answer").is_empty());
}
