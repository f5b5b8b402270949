//! The command line, beside a running server and without one.

use serde_json::{Value, json};

use super::{Place, V3, text};

/// What a failed command says.
fn refused(place: &Place, arguments: &[&str], input: &str) -> String {
    let output = place.run(arguments, input);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn accounts_and_tokens(place: &Place) {
    // Without a server.
    let made = place.json(&["user", "add", "alice", "--password-stdin", "--json"], "alice's password\n");
    // Nobody has said at which address this server is reached, and its port is any that is free.
    let nothing =
        json!({ "user_id": "@alice:localhost", "sign_in_link": null, "sign_in_server": null, "sign_in_qr": null });
    assert_eq!(made, nothing);
    let made = place.json(&["user", "add", "@bob:localhost", "--json"], "");
    assert_eq!(made["user_id"], "@bob:localhost");
    let bobs = text(&made, "password").to_owned();
    assert!(bobs.len() >= 20);
    assert!(refused(place, &["user", "add", "alice", "--json"], "").contains("taken"));
    assert_eq!(place.json(&["move", "--arriving", "--json"], ""), json!({ "arriving": [], "counts": [] }));
    let token = place.json(&["token", "add", "--uses", "3", "--expires", "12h", "--json"], "");
    let listed = place.json(&["token", "list", "--json"], "");
    assert!(listed["tokens"].as_array().unwrap().iter().any(|known| known["token"] == token["token"]), "{listed}");
    let told = refused(place, &["user", "passwd", "nobody", "--password-stdin"], "a new password\n");
    assert!(told.contains("nobody") && told.starts_with("domicile: "), "{told}");
    assert!(refused(place, &["user", "passwd", "alice", "--password-stdin"], "\n").contains("empty"));
    assert!(refused(place, &["user", "add", "No Name!", "--json"], "").starts_with("domicile: "));
    assert!(refused(place, &["token", "add", "--expires", "soon"], "").contains("7d"));

    // Beside one.
    let server = place.serve(&place.folder.path().join("log"));
    let session = server.login("alice", "alice's password");
    let path = format!("{V3}/account/whoami");
    assert_eq!(server.ask("GET", &path, text(&session, "access_token"), &Value::Null).status, 200);
    let listed = place.json(&["user", "devices", "alice", "--json"], "");
    assert!(listed["devices"][0]["last_seen_ts"].is_i64(), "{listed}");
    assert_eq!(listed["devices"][0]["device_id"], session["device_id"]);
    let users = place.json(&["user", "list", "--json"], "");
    let ids: Vec<&Value> = users["users"].as_array().unwrap().iter().map(|user| &user["user_id"]).collect();
    assert_eq!(ids, ["@alice:localhost", "@bob:localhost"]);

    place.json(&["user", "passwd", "alice", "--password-stdin", "--json"], "another password\n");
    let who = |token: &str| server.ask("GET", &format!("{V3}/account/whoami"), token, &Value::Null).status;
    assert_eq!(who(text(&session, "access_token")), 401, "a new password ends all sessions");
    let session = server.login("alice", "another password");
    assert_eq!(who(text(&session, "access_token")), 200);
    let bob = server.login("bob", &bobs);
    let ended = place.json(&["user", "deactivate", "bob", "--json"], "");
    assert_eq!(ended["user_id"], "@bob:localhost");
    assert_eq!(who(text(&bob, "access_token")), 401);
    assert!(refused(place, &["user", "devices", "nobody", "--json"], "").contains("nobody"));

    // A token lets people in until it is revoked.
    let register = |user: &str, token: &str| {
        let body = json!({ "username": user, "password": "a good password" });
        let first = server.ask("POST", &format!("{V3}/register"), "", &body);
        assert_eq!(first.status, 401, "{first:?}");
        let mut body = body;
        body["auth"] =
            json!({ "type": "m.login.registration_token", "token": token, "session": first.body["session"] });
        server.ask("POST", &format!("{V3}/register"), "", &body).status
    };
    let token = text(&token, "token");
    assert_eq!(register("carol", token), 200);
    assert_eq!(place.json(&["token", "revoke", token, "--json"], "")["revoked"], token);
    assert_eq!(register("dave", token), 401);
    assert!(refused(place, &["token", "revoke", "no-such-token", "--json"], "").starts_with("domicile: "));
    server.stop();

    // And without one again: what was done beside it is there.
    let users = place.json(&["user", "list", "--json"], "");
    assert_eq!(users["users"].as_array().unwrap().len(), 3, "{users}");
    assert!(users["users"][1]["deactivated_ts"].is_i64(), "{users}");
}

#[test]
fn accounts_and_tokens_on_sqlite() {
    accounts_and_tokens(&Place::new(false));
}

#[test]
fn accounts_and_tokens_on_postgres() {
    accounts_and_tokens(&Place::new(true));
}

#[test]
fn a_token_is_good_until_its_time() {
    let place = Place::new(false);
    let token = place.json(&["token", "add", "--expires", "1s", "--json"], "");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let server = place.serve(&place.folder.path().join("log"));
    let path =
        format!("/_matrix/client/v1/register/m.login.registration_token/validity?token={}", text(&token, "token"));
    assert_eq!(server.ask("GET", &path, "", &Value::Null).body, json!({ "valid": false }));
    server.stop();
}

#[test]
fn a_second_server_and_a_wrong_configuration_are_told() {
    let place = Place::new(false);
    let server = place.serve(&place.folder.path().join("log"));
    let told = refused(&place, &["serve"], "");
    assert!(told.contains("domicile: ") && told.contains("lock"), "{told}");
    server.stop();
    let place = place.with("SERVER__NMAE", "x");
    let told = refused(&place, &["user", "list"], "");
    assert!(told.contains("DOMICILE_SERVER__NMAE") && told.contains("did you mean `name`?"), "{told}");
}

#[test]
fn the_configuration_says_where_each_value_comes_from() {
    let place = Place::new(false).with("DATABASE__URL", "");
    std::fs::write(place.folder.path().join("domicile.toml"), "[server]\nname = \"example.org\"\n").unwrap();
    let shown = place.json(&["config", "show", "--json"], "");
    assert_eq!(shown["server"]["name"], json!({ "value": "example.org", "from": "domicile.toml:2" }));
    assert_eq!(shown["server"]["data_dir"]["from"], "environment variable DOMICILE_SERVER__DATA_DIR");
    assert_eq!(shown["rooms"]["encryption"], json!({ "value": "private", "from": "default" }));
    let output = place.run(&["config", "show"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("name = ") && line.ends_with("# domicile.toml:2")), "{text}");
    assert_eq!(place.json(&["config", "check", "--json"], ""), json!({ "ok": true, "problems": [] }));
    // The file that explains itself is one that is understood, and names what is new.
    let default = place.run(&["config", "default"], "");
    let default = String::from_utf8(default.stdout).unwrap();
    assert!(default.contains("# mode = \"0600\""), "{default}");
    std::fs::write(place.folder.path().join("domicile.toml"), default).unwrap();
    assert_eq!(place.json(&["config", "check", "--json"], ""), json!({ "ok": true, "problems": [] }));
}

#[test]
fn a_password_that_is_typed_is_not_shown() {
    use std::io::{Read as _, Write as _};

    let place = Place::new(false);
    let (terminal, mut keyboard) = terminal();
    let shown = terminal.try_clone().unwrap();
    let mut process = place
        .command(&["user", "add", "alice", "--json"])
        .stdin(terminal)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The question comes when the terminal is ready for the answer.
    let mut asked = [0; 8];
    process.stderr.as_mut().unwrap().read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"Password");
    keyboard.write_all(b"typed in secret\n").unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // After the end the terminal shows again what is typed.
    keyboard.write_all(b"and this is shown\n").unwrap();
    let mut screen = Vec::new();
    while !screen.ends_with(b"shown\r\n") {
        let mut byte = [0];
        keyboard.read_exact(&mut byte).unwrap();
        screen.extend(byte);
    }
    drop(shown);
    assert_eq!(String::from_utf8_lossy(&screen), "\r\nand this is shown\r\n");

    let server = place.serve(&place.folder.path().join("log"));
    let session = server.login("alice", "typed in secret");
    assert_eq!(session["user_id"], "@alice:localhost");
}

/// A terminal, and what stands behind it.
fn terminal() -> (std::fs::File, std::fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
    (std::fs::File::options().read(true).write(true).open(name).unwrap(), std::fs::File::from(keyboard))
}

#[test]
fn an_account_and_a_token_come_with_a_link_and_its_qr_code() {
    let place = Place::new(false).with("SERVER__PUBLIC_URL", "https://matrix.example.org/");
    let link = "https://matrix.example.org/sign-in?name=alice";
    let made = place.json(&["user", "add", "alice", "--password-stdin", "--json"], "alice's password\n");
    assert_eq!((&made["sign_in_link"], &made["sign_in_server"]), (&link.into(), &"matrix.example.org".into()));
    assert!(text(&made, "sign_in_qr").contains("<svg"), "{made}");
    let output = place.run(&["user", "add", "bob", "--password-stdin"], "bob's password\n");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "@bob:localhost has an account.\nTo sign in: https://matrix.example.org/sign-in?name=bob\n");
    // What a script reads is the token alone.
    let output = place.run(&["token", "add", "--token", "a-token"], "");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "a-token\n");
    let token = place.json(&["token", "add", "--token", "another", "--json"], "");
    assert_eq!(token["sign_in_link"], "https://matrix.example.org/sign-in?token=another");

    // At a terminal it is drawn.
    let (screen, behind) = terminal();
    let shown = std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut behind, mut all, mut piece) = (behind, Vec::new(), [0; 4_096]);
        // What stands behind a terminal that nobody holds any more cannot be read.
        while let Ok(read @ 1..) = behind.read(&mut piece) {
            all.extend_from_slice(&piece[..read]);
        }
        String::from_utf8(all).unwrap()
    });
    let mut process = place.command(&["token", "add", "--token", "third"]).stdout(screen).spawn().unwrap();
    assert!(process.wait().unwrap().success());
    let shown = shown.join().unwrap();
    assert!(shown.starts_with("third\r\nTo sign in: https://matrix.example.org/sign-in?token=third\r\n"), "{shown}");
    assert!(shown.matches("\u{1b}[38;5;16m").count() > 15 && shown.contains('█'), "{shown}");
}

#[test]
fn a_key_is_changed_and_the_way_to_a_server_is_told() {
    let place = Place::new(false);
    let first = place.json(&["federation", "rotate-key", "--json"], "");
    let server = place.serve(&place.folder.path().join("log"));
    let keys = || {
        let list = server.ask("GET", "/_matrix/key/v2/server", "", &Value::Null).body;
        let ids = |of: &str| list[of].as_object().unwrap().keys().cloned().map(Value::from).collect::<Vec<_>>();
        (ids("verify_keys"), ids("old_verify_keys").len())
    };
    assert_eq!(keys(), (vec![first["new"].clone()], 1));
    let second = place.json(&["federation", "rotate-key", "--json"], "");
    assert_eq!(second["old"], first["new"]);
    assert_eq!(keys(), (vec![second["new"].clone()], 2), "the running server signs with it");

    let output = place.run(&["federation", "check", "127.0.0.1:1", "--json"], "");
    assert!(!output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["works"], false);
    let output = place.run(&["federation", "check", "127.0.0.1:1"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("BAD   connection") && text.contains("`allow_addresses` of [egress]"), "{text}");
    assert!(refused(&place, &["federation", "check", "a/b"], "").contains("server's name"));
    assert!(refused(&place, &["federation", "check", "not_a_name"], "").contains("server's name"));
    server.stop();
}
