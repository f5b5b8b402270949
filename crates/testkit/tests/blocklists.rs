//! Registers of what is blocked: watched by file and by address, on a schedule; what appears, changes and disappears; what clears nobody.

#![expect(clippy::expect_used, reason = "helpers of tests, which end them")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domicile_app::blocklists::Trouble;
use domicile_core::{
    clock::{Clock, DAY_MS, HOUR_MS},
    config::{Blocklist, Duration},
};
use domicile_egress::{ClientSettings, Guard};
use domicile_testkit::server::{Settings, TestServer, certificate, serve};
use parking_lot::Mutex;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const NAME: &str = "russia";

/// A register of the test's clock, 2026-05-28, with some lines.
fn register(lines: &[&str]) -> String {
    format!("Updated: 2026-05-28 10:00:00 +0000\n;other.example;;x;1;2026-05-01\n{}", lines.join("\n") + "\n")
}

const LISTED: &str = ";matrix.example.org;;Роскомнадзор;12-34/56;2026-05-20";

async fn watching(sources: Vec<String>, hashes: Vec<String>, data: &Path, egress: ClientSettings) -> TestServer {
    let mut settings = Settings { egress, ..Settings::default() };
    let config = &mut settings.config;
    config.server.data_dir = data.display().to_string();
    config.server.also_reached_at = vec!["matrix.example.org".to_owned(), "198.51.100.7".to_owned()];
    config.blocklists = vec![Blocklist {
        name: NAME.to_owned(),
        authority: "a mirror".to_owned(),
        jurisdiction: "RU".to_owned(),
        format: "ru-csv".to_owned(),
        sources,
        hashes,
        every: Duration(6 * HOUR_MS),
        max_age: Duration(3 * DAY_MS),
    }];
    TestServer::with_settings(settings).await
}

async fn look(server: &TestServer) -> Value {
    server.admin.blocklists.fetch(NAME, false).await.expect("a look").json
}

/// The kinds of all alerts, with a plus for those that are open.
async fn alerts(server: &TestServer) -> Vec<String> {
    let all = server.admin.blocklists.alerts(0).await.expect("the alerts");
    let shown = all["alerts"].as_array().expect("a list").iter().map(|alert| {
        let kind = alert["kind"].as_str().expect("a kind");
        if alert["ended_ts"].is_null() { format!("+{kind}") } else { kind.to_owned() }
    });
    shown.collect()
}

async fn listings(server: &TestServer) -> Vec<Value> {
    let all = server.admin.blocklists.listings().await.expect("the listings");
    all["listings"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_listing_appears_changes_and_disappears() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [folder.path().join("dump-00.csv"), folder.path().join("dump-01.csv")];
    let sources = files.iter().map(|file| file.display().to_string()).collect();
    let server = watching(sources, vec![], folder.path(), ClientSettings::default()).await;
    let write = |index: usize, text: String| std::fs::write(&files[index], text).expect("a file");

    write(0, register(&[]));
    write(1, ";third.example;;x;2;2026-05-01\n".to_owned());
    let first = look(&server).await;
    assert_eq!(
        (&first["entries"], &first["parts_read"], &first["whole"]),
        (&2.into(), &2.into(), &true.into()),
        "{first}"
    );
    assert_eq!((alerts(&server).await, listings(&server).await.len()), (vec![], 0));

    // Only the part that has changed is read.
    write(1, format!("{LISTED}\n198.51.100.7;shared.example;;x;3;2026-05-01\n"));
    let second = look(&server).await;
    assert_eq!(
        (&second["parts_read"], &second["appeared"], &second["near"]),
        (&1.into(), &1.into(), &1.into()),
        "{second}"
    );
    assert_eq!(alerts(&server).await, ["+near", "+appeared"]);
    let listing =
        listings(&server).await.into_iter().find(|listing| listing["own"] == "matrix.example.org").expect("one");
    for (key, expected) in [
        ("authority", "Роскомнадзор"),
        ("number", "12-34/56"),
        ("date", "2026-05-20"),
        ("jurisdiction", "RU"),
        ("blocklist", NAME),
        ("part", "dump-01.csv"),
    ] {
        assert_eq!(listing[key], expected, "{listing}");
    }
    assert_eq!(look(&server).await["parts_read"], 0);
    assert_eq!(alerts(&server).await.len(), 2, "it is told once");

    write(1, format!("{}\n198.51.100.7;shared.example;;x;3;2026-05-01\n", LISTED.replace("05-20", "05-21")));
    assert_eq!(look(&server).await["changed"], 1);
    assert_eq!(alerts(&server).await, ["+near", "+appeared", "changed"]);

    // Cut off in the middle: nobody is cleared, and what is wrong is told with its place.
    write(1, ";third.exam".to_owned());
    let cut = look(&server).await;
    assert_eq!((&cut["whole"], &cut["held"], &cut["disappeared"]), (&false.into(), &2.into(), &0.into()), "{cut}");
    assert_eq!((cut["warnings"][0]["kind"].as_str(), cut["warnings"][0]["line"].as_u64()), (Some("damaged"), Some(1)));
    assert_eq!(alerts(&server).await, ["+near", "+appeared", "changed", "+damaged"]);
    // Out of reach: the same.
    std::fs::remove_file(&files[1]).expect("gone");
    let missing = look(&server).await;
    assert_eq!((&missing["whole"], missing["unreachable"][0]["part"].as_str()), (&false.into(), Some("dump-01.csv")));
    assert_eq!(alerts(&server).await, ["+near", "+appeared", "changed", "damaged", "+unreachable"]);
    // Stale: the same, and what was unreachable is over.
    write(1, ";third.example;;x;2;2026-05-01\n".to_owned());
    server.clock.advance(4 * DAY_MS);
    assert_eq!(look(&server).await["held"], 2);
    assert_eq!(alerts(&server).await[4..], ["unreachable", "+stale"]);
    server.clock.advance(-4 * DAY_MS);

    let last = look(&server).await;
    assert_eq!((&last["disappeared"], &last["whole"]), (&2.into(), &true.into()), "{last}");
    assert_eq!(
        alerts(&server).await,
        ["near", "appeared", "changed", "damaged", "unreachable", "stale", "disappeared", "disappeared"]
    );
    assert_eq!(listings(&server).await.len(), 0);
    let counts = server.admin.blocklists.counts();
    assert_eq!(counts.get(&(NAME.to_owned(), "disappeared".to_owned())), Some(&2));
    assert_eq!(server.admin.blocklists.gauges()[NAME].listed, 0);
}

/// A ZIP file of one file, packed as tightly as that can be.
fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(content).expect("memory");
    let packed = packed.finish().expect("memory");
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let number = |number: usize| u32::try_from(number).expect("a small file").to_le_bytes();
    let (length, short) = (u16::try_from(name.len()).expect("a short name").to_le_bytes(), u16::to_le_bytes);
    // What both headers of a file say: version 2.0, deflate, no time, checksum, sizes, the name's length and none of anything else.
    let said = [
        &short(20)[..],
        &short(0),
        &short(8),
        &[0; 4],
        &crc.sum().to_le_bytes(),
        &number(packed.len()),
        &number(content.len()),
        &length,
        &short(0),
    ]
    .concat();
    let file = [&b"PK\x03\x04"[..], &said, name.as_bytes(), &packed].concat();
    let directory = [&b"PK\x01\x02"[..], &short(20), &said, &[0; 14], name.as_bytes()].concat();
    let end =
        [&b"PK\x05\x06"[..], &[0; 4], &short(1), &short(1), &number(directory.len()), &number(file.len()), &short(0)]
            .concat();
    [file, directory, end].concat()
}

#[tokio::test]
async fn bombs_are_told_with_place_and_reason_and_what_was_known_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.csv");
    let server = watching(vec![file.display().to_string()], vec![], folder.path(), ClientSettings::default()).await;
    let write = |content: &[u8]| std::fs::write(&file, content).expect("a file");
    write(register(&[LISTED]).as_bytes());
    assert_eq!(look(&server).await["appeared"], 1);
    let known = listings(&server).await;

    let endless = register(&[&"a".repeat(80 << 20)]);
    for (bomb, line, reason) in [
        (packed_as(&endless, flate2::Compression::best()).to_vec(), 3, "unpacks to more than 250 times what it is"),
        (zipped("dump.csv", endless.as_bytes()), 0, "this is a ZIP file; unpack it first"),
    ] {
        assert!(bomb.len() < 2 << 20, "{}", bomb.len());
        write(&bomb);
        let looked = look(&server).await;
        let warning = &looked["warnings"][0];
        assert_eq!((warning["kind"].as_str(), warning["line"].as_u64()), (Some("damaged"), Some(line)), "{looked}");
        assert!(warning["reason"].as_str().is_some_and(|told| told.contains(reason)), "{looked}");
        assert_eq!((&looked["whole"], &looked["held"], &looked["disappeared"]), (&false.into(), &1.into(), &0.into()));
        assert_eq!(listings(&server).await, known, "what was known stays");
        assert!(alerts(&server).await.contains(&"+damaged".to_owned()));
        let troubles = server.admin.blocklists.troubles().await.expect("the troubles");
        let is_told = |trouble: &Trouble| trouble.why.starts_with("dump.csv") && trouble.why.contains(reason);
        assert!(troubles.iter().any(is_told), "{troubles:?}");
        // The register is itself again.
        write(register(&[LISTED, ";fourth.example;;x;4;2026-05-01"]).as_bytes());
        assert_eq!(look(&server).await["whole"], true);
        assert!(!alerts(&server).await.contains(&"+damaged".to_owned()));
    }
}

#[tokio::test]
async fn a_mask_that_matches_everything_is_told_and_lists_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.csv");
    let server = watching(vec![file.display().to_string()], vec![], folder.path(), ClientSettings::default()).await;
    std::fs::write(&file, "Updated: 2026-05-28 10:00:00 +0000\n;*;;Роскомнадзор;66-77;2026-05-20\n").expect("a file");
    let looked = look(&server).await;
    assert_eq!(
        (&looked["appeared"], &looked["near"], &looked["listed"], &looked["whole"]),
        (&0.into(), &0.into(), &0.into(), &true.into())
    );
    let warning = &looked["warnings"][0];
    for (key, said) in
        [("kind", "broad"), ("matched", "*"), ("authority", "Роскомнадзор"), ("number", "66-77"), ("part", "dump.csv")]
    {
        assert_eq!(warning[key], said, "{looked}");
    }
    assert_eq!(warning["line"], 2, "{looked}");
    assert_eq!((alerts(&server).await, listings(&server).await.len()), (vec!["+broad".to_owned()], 0));

    let standing = &server.admin.standing;
    standing.signs.look().await.expect("a look at signs");
    assert!(standing.incidents.list().await.expect("incidents").is_empty(), "nothing has happened to anybody");
    let told: Vec<String> = standing.alerts.list().await.expect("alerts").into_iter().map(|alert| alert.what).collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(told.contains("so wide that it is about nobody (dump.csv, line 2: `*` of Роскомнадзор)"), "{told}");
}

#[tokio::test]
async fn a_register_that_loses_half_of_itself_is_believed_only_if_somebody_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.csv");
    let server = watching(vec![file.display().to_string()], vec![], folder.path(), ClientSettings::default()).await;
    let lines: Vec<String> = (0..200).map(|number| format!(";a{number}.example;;x;1;2026-05-01")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.push(LISTED);
    std::fs::write(&file, register(&lines)).expect("a file");
    assert_eq!(look(&server).await["appeared"], 1);
    std::fs::write(&file, register(&[])).expect("a file");
    for _ in 0..2 {
        let shrunk = look(&server).await;
        assert_eq!((&shrunk["warnings"][0]["kind"], &shrunk["held"]), (&"shrunk".into(), &1.into()));
    }
    let believed = server.admin.blocklists.fetch(NAME, true).await.expect("a look").json;
    assert_eq!((&believed["disappeared"], &believed["whole"]), (&1.into(), &true.into()));
    assert_eq!(look(&server).await["whole"], true);
    assert!(server.admin.blocklists.fetch("other", false).await.is_err());
}

/// Somebody who publishes registers.
#[derive(Clone, Default)]
struct Publisher {
    /// By path.
    files: Arc<Mutex<BTreeMap<String, Bytes>>>,
    whole: Arc<AtomicUsize>,
    unchanged: Arc<AtomicUsize>,
}

async fn publish(State(publisher): State<Publisher>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(to) = path.strip_prefix("/to") {
        return (StatusCode::FOUND, [(header::LOCATION, to.to_owned())]).into_response();
    }
    let Some(content) = publisher.files.lock().get(&path).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = format!("\"{}\"", content.len());
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        publisher.unchanged.fetch_add(1, Ordering::SeqCst);
        return StatusCode::NOT_MODIFIED.into_response();
    }
    publisher.whole.fetch_add(1, Ordering::SeqCst);
    ([(header::ETAG, etag)], Body::from(content)).into_response()
}

fn packed(text: &str) -> Bytes {
    packed_as(text, flate2::Compression::fast())
}

fn packed_as(text: &str, compression: flate2::Compression) -> Bytes {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), compression);
    packed.write_all(text.as_bytes()).expect("memory");
    packed.finish().expect("memory").into()
}

fn sha256(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write as _;
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test]
async fn registers_are_fetched_once_unless_they_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificate(folder.path(), &["127.0.0.1"]);
    let publisher = Publisher::default();
    let (address, _serving) = serve(&files, Router::new().fallback(publish).with_state(publisher.clone())).await;
    let put = |path: &str, content: Bytes| publisher.files.lock().insert(path.to_owned(), content);
    let counts = || (publisher.whole.load(Ordering::SeqCst), publisher.unchanged.load(Ordering::SeqCst));
    let egress = ClientSettings {
        guard: Guard::new(vec!["127.0.0.1".parse().expect("a range")]),
        ca_files: vec![files.authority.clone()],
    };

    // Over a redirection, and packed.
    let source = format!("https://{address}/to/dump.csv.gz");
    let server = watching(vec![source.clone()], vec![], folder.path(), egress.clone()).await;
    put("/dump.csv.gz", packed(&register(&[LISTED])));
    assert_eq!(look(&server).await["appeared"], 1);
    assert_eq!((look(&server).await["parts_read"].as_u64(), counts()), (Some(0), (1, 1)));
    put("/dump.csv.gz", packed(&register(&[])));
    assert_eq!((look(&server).await["disappeared"].as_u64(), counts()), (Some(1), (2, 1)));
    publisher.files.lock().clear();
    let gone = look(&server).await;
    assert!(gone["unreachable"][0]["reason"].as_str().expect("a reason").contains("404"), "{gone}");
    let left = std::fs::read_dir(folder.path().join("blocklists")).expect("the folder").count();
    assert_eq!(left, 0, "downloads are removed");

    // With a hash: the same hash saves even the question, a wrong one is not believed.
    let hash = format!("https://{address}/sum");
    let server = watching(vec![format!("https://{address}/dump.csv")], vec![hash], folder.path(), egress).await;
    let content = Bytes::from(register(&[LISTED]));
    put("/dump.csv", content.clone());
    put("/sum", format!("{}  dump.csv\n", sha256(&content)).into());
    assert_eq!(look(&server).await["appeared"], 1);
    let before = counts();
    assert_eq!(look(&server).await["parts_read"], 0);
    assert_eq!(counts(), (before.0 + 1, before.1), "only the hash was asked for");
    put("/dump.csv", register(&[]).into());
    put("/sum", sha256(b"something else").into());
    let wrong = look(&server).await;
    assert!(wrong["unreachable"][0]["reason"].as_str().expect("a reason").contains("SHA-256"), "{wrong}");
    assert_eq!(wrong["held"], 1);

    // Nobody leads it into the operator's own network.
    let strict = ClientSettings { ca_files: vec![files.authority], ..ClientSettings::default() };
    let server = watching(vec![source], vec![], folder.path(), strict).await;
    assert_eq!(look(&server).await["whole"], false);
}

#[tokio::test]
async fn the_schedule_is_kept_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.csv");
    std::fs::write(&file, register(&[LISTED])).expect("a file");
    let server = watching(vec![file.display().to_string()], vec![], folder.path(), ClientSettings::default()).await;
    let checked = async |server: &TestServer| {
        let status = server.admin.blocklists.status().await.expect("the status");
        status["blocklists"][0]["checked_ts"].as_i64()
    };
    // Runs until the register has been looked at after a time, or a while.
    let run = async |server: &TestServer, after: Option<i64>| {
        let stopping = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&server.admin.blocklists).run(stopping.clone()));
        for _ in 0..100 {
            if checked(server).await > after {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stopping.cancel();
        running.await.expect("it ends");
        checked(server).await
    };
    let first = run(&server, None).await;
    assert_eq!(first, Some(server.clock.now_ms()));
    server.clock.advance(5 * HOUR_MS);
    let server = server.restart().await;
    assert_eq!(run(&server, first).await, first, "it is not due");
    assert_eq!(server.admin.blocklists.gauges()[NAME].listed, 1, "what is known is in the metrics");
    server.clock.advance(2 * HOUR_MS);
    assert_eq!(run(&server, first).await, Some(server.clock.now_ms()));
}
