//! Standing with authorities from the command line.

use std::fs;

use super::Place;

fn run(place: &Place, arguments: &[&str]) -> String {
    let output = place.command(arguments).env("USER", "ada").env_remove("SUDO_USER").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.command(arguments).env("USER", "ada").output().unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_catalogue_is_checked_without_a_server() {
    let place = Place::new(false);
    assert!(run(&place, &["standing", "lint"]).starts_with("Nothing is wrong: 8 jurisdictions, "));
    let law = place.folder.path().join("law");
    fs::create_dir(&law).unwrap();
    fs::write(law.join("BR.toml"), "code = \"BR\"\nname = \"Brazil\"\nas_of = \"2026-02-30\"\n").unwrap();
    let told = refused(&place, &["standing", "lint", law.to_str().unwrap()]);
    assert!(told.contains("BR.toml:3:9: `as_of` must be a day"), "{told}");
    let json = place.command(&["standing", "lint", law.to_str().unwrap(), "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json["ok"].as_bool(), json["problems"].as_array().unwrap().len()), (Some(false), 1));
    // A server does not start with a catalogue that is wrong.
    let place = place.with("STANDING__JURISDICTIONS", law.to_str().unwrap());
    assert!(refused(&place, &["standing"]).contains("the catalogue is wrong"));
    assert!(refused(&place, &["standing", "lint", "nowhere"]).contains("cannot read the folder nowhere"));
}

#[test]
fn from_a_user_to_a_paper() {
    let place = Place::new(false).with("STANDING__STORED_IN", "DE").with("STANDING__OPERATOR", "Club");
    place.json(&["user", "add", "alice", "--password-stdin", "--json"], "correct horse battery staple\n");
    assert!(run(&place, &["standing"]).contains("1 account, none with a jurisdiction noted"));
    assert!(run(&place, &["user", "jurisdiction", "alice", "RU", "--source", "contract"]).contains("RU (contract, "));
    let table = run(&place, &["standing"]);
    assert!(table.contains("Russia (RU) — 1 account, dossier: none"), "{table}");
    assert!(table.contains("! needs you") && table.contains("the disks stand in DE, not in Russia"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
    let shown = run(&place, &["standing", "show", "RU/keys"]);
    assert!(shown.contains("■ declined") && shown.contains("Words (ru)"), "{shown}");
    let decided = run(&place, &["standing", "decide", "RU/localisation", "--why", "nobody is there any more"]);
    assert_eq!(decided, "RU/localisation: ○ chosen not to\n");
    assert!(run(&place, &["standing"]).contains("ada, "));

    run(&place, &["dossier", "set", "RU", "--status", "draft", "--next", "ask the lawyer", "--due", "2027-01-01"]);
    run(&place, &["dossier", "contact", "RU", "authority", "law@example.org", "--public", "--person", "Grace"]);
    assert!(run(&place, &["dossier", "list"]).contains("ask the lawyer (until 2027-01-01)"));
    let shown = run(&place, &["dossier", "show", "RU"]);
    assert!(shown.contains("→ authority") && shown.contains("law@example.org, Grace (public)"), "{shown}");
    let file = place.folder.path().join("form.pdf");
    fs::write(&file, "abc").unwrap();
    let attached = run(&place, &["dossier", "attach", "RU", file.to_str().unwrap()]);
    assert!(attached.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "{attached}");
    assert!(run(&place, &["dossier", "RU"]).starts_with("# Dossier RU: Russia\n"));
    assert!(run(&place, &["dossier", "RU", "--for", "public", "--format", "html"]).starts_with("<!DOCTYPE html>"));
    assert!(refused(&place, &["dossier", "RU", "--for", "authority"]).contains("domicile audit"));
    assert!(refused(&place, &["dossier", "show", "TR"]).contains("domicile dossier set TR"));
    assert!(run(&place, &["ropa"]).contains("## Data of the class account"));
    assert!(run(&place, &["transfers", "--format", "json"]).contains("\"Flows\""));
}

#[test]
fn demands_incidents_and_the_page_as_files() {
    let place = Place::new(false);
    let basis = ["--authority", "Court", "--basis", "a law", "--scope", "something"];
    let added = run(&place, &[&["demand", "add", "RU", "--duty", "RU/listed-content"], &basis[..]].concat());
    assert!(added.starts_with("Demand 1: due "), "{added}");
    run(&place, &["demand", "answer", "1", "refused", "--decision", "there is no such room"]);
    assert!(run(&place, &["demand", "list"]).contains("refused"));
    let counts = place.json(&["demand", "counts", "--json"], "");
    assert_eq!(counts["years"].as_object().unwrap().len(), 1, "{counts}");
    assert!(run(&place, &["alerts"]).contains("There is nothing that you should know."));

    let opened =
        run(&place, &["incident", "open", "outage", "--public", "--text", "de=Wir sehen nach.", "--text", "A & B"]);
    assert!(opened.starts_with("Incident 1: outage, confirmed (on the status page)"), "{opened}");
    let counted = run(&place, &["incident", "tell", "1", "--dry-run"]);
    assert_eq!(counted, "It concerns 0 people; 0 have not been told.\n");
    let folder = place.folder.path().join("page");
    run(&place, &["status", "export", folder.to_str().unwrap()]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("index.html").contains("A &amp; B") && read("de.html").contains("Wir sehen nach."));
    assert!(read("feed.de.atom").contains("Wir sehen nach."));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 8, "no half files are left");
    run(&place, &["incident", "resolve", "1", "--text", "Over."]);
    assert!(run(&place, &["incident", "list"]).contains("resolved"));

    // The running server shows it at once, and still with its database gone.
    let server = place.serve(&place.folder.path().join("log"));
    let page = server.ask("GET", "/status/en", "", &serde_json::Value::Null);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Over."), "{}", page.text);
    server.stop();
}

#[test]
fn alternative_addresses_are_written_told_and_checked() {
    let place = Place::new(false).with("SERVER__NAME", "example.org");
    let file = place.folder.path().join("addresses.json").display().to_string();
    let place = place.with("STANDING__ADDRESSES", &file);
    let write = ["addresses", "write", &file, "--address", "https://chat.example.net"];
    assert!(run(&place, &write).starts_with("Wrote "));
    let checked = run(&place, &["addresses", "check", &file]);
    assert!(
        checked.contains("is signed with the key ed25519:") && checked.contains("https://chat.example.net"),
        "{checked}"
    );
    let document: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let key_id = document["signatures"]["example.org"].as_object().unwrap().keys().next().unwrap().clone();

    let server = place.serve(&place.folder.path().join("log"));
    let told = server.ask("GET", "/.well-known/domicile/addresses", "", &serde_json::Value::Null);
    assert_eq!((told.status, &told.body), (200, &document), "{told:?}");
    server.stop();

    // Whoever has the file alone needs the key, which they knew beforehand, and no server.
    let elsewhere = Place::new(false).with("SERVER__NAME", "example.org");
    let known = run(&place, &["addresses", "keys"]).trim_end().to_owned();
    assert!(known.starts_with(&format!("{key_id}=")), "{known}");
    let check = ["addresses", "check", &file, "--key", &known];
    assert!(run(&elsewhere, &check).contains("https://chat.example.net"));
    let wrong = format!("{key_id}={}", "A".repeat(43));
    assert!(refused(&elsewhere, &["addresses", "check", &file, "--key", &wrong]).contains("none of the known keys"));
    assert!(
        refused(&elsewhere, &["addresses", "check", &file, "--server-name", "example.com", "--key", &known])
            .contains("it is of")
    );
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("chat.example.net", "evil.example.net")).unwrap();
    assert!(refused(&elsewhere, &check).contains("not to be believed"));
    assert!(
        refused(&place, &["addresses", "write", &file, "--address", "http://chat.example.net"])
            .contains("is no address")
    );

    // The root key of a deployment signs where it is kept.
    let root = place.folder.path().join("root.key").display().to_string();
    let cell = place.folder.path().join("eu1.key").display().to_string();
    let deployment = place.folder.path().join("deployment.toml").display().to_string();
    let urls = ["--client-url", "https://eu.example.org", "--inner-url", "https://eu1.inner.example.org"];
    let names = ["deployment", "init", "example.org", "--cell", "eu1", "--region", "eu", "--json"];
    let files = ["--file", &deployment, "--root-key", &root, "--key-file", &cell];
    let made = place.json(&[&names[..], &urls, &files].concat(), "");
    run(&elsewhere, &[&write[..], &["--root-key", &root]].concat());
    let public = made["root_key"].as_str().unwrap();
    assert!(run(&elsewhere, &["addresses", "check", &file, "--key", public]).contains("the key ed25519:root"));
    assert!(refused(&elsewhere, &check).contains("none of the known keys"));
}
