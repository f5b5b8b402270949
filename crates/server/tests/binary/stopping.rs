//! The end: waiting requests are answered, those in flight finish, what was acknowledged is there after the next start.

use std::{io::Write, net::TcpStream, time::Duration};

use serde_json::{Value, json};

use super::{Place, V3, head, heard, text};

fn a_stop_is_quick_and_loses_nothing(place: &Place) {
    let log = place.folder.path().join("log");
    place.json(&["user", "add", "alice", "--password-stdin", "--json"], "a good password\n");
    let server = place.serve(&log);
    let session = server.login("alice", "a good password");
    let token = text(&session, "access_token").to_owned();
    let room = server.ask("POST", &format!("{V3}/createRoom"), &token, &json!({}));
    let room = text(&room.body, "room_id").to_owned();
    let synced = server.ask("GET", &format!("{V3}/sync"), &token, &Value::Null);
    let since = text(&synced.body, "next_batch").to_owned();

    // One waits for news; one has said half of what it says; one is connected and silent.
    let mut waiting = TcpStream::connect(&server.address).unwrap();
    let path = format!("{V3}/sync?since={since}&timeout=120000&filter=%7B%22room%22%3A%7B%22rooms%22%3A%5B%5D%7D%7D");
    waiting.write_all(head("GET", &path, &token, 0).as_bytes()).unwrap();
    let _silent = TcpStream::connect(&server.address).unwrap();
    let body = json!({ "msgtype": "m.text", "body": "the last word" }).to_string();
    let mut writing = TcpStream::connect(&server.address).unwrap();
    let path = format!("{V3}/rooms/{room}/send/m.room.message/last");
    writing.write_all((head("PUT", &path, &token, body.len()) + &body[..10]).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(500));

    server.terminate();
    let ended = std::thread::spawn(move || server.ended());
    std::thread::sleep(Duration::from_millis(300));
    writing.write_all(&body.as_bytes()[10..]).unwrap();
    let written = heard(writing);
    assert_eq!(written.status, 200, "{written:?}");
    let event = text(&written.body, "event_id").to_owned();
    let answered = heard(waiting);
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(answered.body["next_batch"].is_string(), "{answered:?}");
    let (well, took) = ended.join().unwrap();
    assert!(well, "{}", std::fs::read_to_string(&log).unwrap());
    assert!(took < Duration::from_secs(5), "{took:?}");

    let server = place.serve(&log);
    let read = server.ask("GET", &format!("{V3}/rooms/{room}/event/{event}"), &token, &Value::Null);
    assert_eq!(read.body["content"]["body"], "the last word", "{read:?}");
    server.stop();
}

#[test]
fn a_stop_is_quick_and_loses_nothing_on_sqlite() {
    a_stop_is_quick_and_loses_nothing(&Place::new(false).with("ROOMS__ENCRYPTION", "off"));
}

#[test]
fn a_stop_is_quick_and_loses_nothing_on_postgres() {
    a_stop_is_quick_and_loses_nothing(&Place::new(true).with("ROOMS__ENCRYPTION", "off"));
}

#[test]
fn who_never_finishes_a_request_does_not_keep_the_server() {
    let place = Place::new(false);
    let server = place.serve(&place.folder.path().join("log"));
    let mut writing = TcpStream::connect(&server.address).unwrap();
    writing.write_all((head("POST", &format!("{V3}/login"), "", 1_000) + "{").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.terminate();
    let (well, took) = server.ended();
    assert!(well && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_data_folder_is_private_and_one_that_was_shared_is_left_so() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let place = Place::new(false);
    let log = place.folder.path().join("log");
    place.serve(&log).stop();
    assert_eq!(mode(&place.data()), 0o700);
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(!told.contains("chmod 700"), "{told}");

    let place = Place::new(false);
    let log = place.folder.path().join("log");
    std::fs::create_dir(place.data()).unwrap();
    std::fs::set_permissions(place.data(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = place.serve(&log);
    assert_eq!(mode(&place.data()), 0o755);
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(told.contains("chmod 700"), "{told}");
    // What is in it is closed all the same.
    for entry in std::fs::read_dir(place.data()).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        let closed = kind.is_dir() || entry.path().extension().is_some_and(|ending| ending == "lock");
        assert!(
            closed || mode(&entry.path()).trailing_zeros() >= 6,
            "{} is open: {:o}",
            entry.path().display(),
            mode(&entry.path())
        );
    }
    server.stop();
}
