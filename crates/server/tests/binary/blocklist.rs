//! `domicile blocklist`: once over files, and beside a server that watches.

use serde_json::Value;

use super::Place;

const REGISTER: &str = "Updated: 2024-01-01 10:00:00 +0000
192.0.2.1;other.example;;x;1;2026-05-01
;matrix.example.org;;Роскомнадзор;12-34/56;2026-05-20
";

fn place() -> (Place, String) {
    let place = Place::new(false);
    let file = place.folder.path().join("dump.csv");
    std::fs::write(&file, REGISTER).unwrap();
    let file = file.display().to_string();
    let place = place
        .with("SERVER__NAME", "example.org")
        .with("SERVER__PUBLIC_URL", "https://matrix.example.org")
        .with("BLOCKLISTS__0__NAME", "russia")
        .with("BLOCKLISTS__0__FORMAT", "ru-csv")
        .with("BLOCKLISTS__0__SOURCES", &file)
        .with("BLOCKLISTS__0__MAX_AGE", "36500d");
    (place, file)
}

fn shown(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments, "");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn files_are_searched_without_a_database() {
    let (place, file) = place();
    // The names of the configuration.
    let found = place.json(&["blocklist", "check", "--file", &file, "--format", "ru-csv", "--json"], "");
    assert_eq!(found["searched_for"], serde_json::json!(["example.org", "matrix.example.org"]));
    assert_eq!((&found["entries"], &found["whole"]), (&2.into(), &true.into()), "{found}");
    let listing = &found["listings"][0];
    assert_eq!(
        (&listing["own"], &listing["how"], &listing["line"]),
        (&"matrix.example.org".into(), &"name".into(), &3.into())
    );
    assert!(!place.data().exists(), "no data folder is made");

    let check = ["blocklist", "check", "--format", "ru-csv", "--file", file.as_str()];
    let text = shown(&place, &check);
    assert!(text.contains("Listed (1):") && text.contains("Роскомнадзор, no. 12-34/56, of 2026-05-20"), "{text}");
    let nothing = shown(&place, &[&check[..], &["--name", "198.51.100.7"]].concat());
    assert!(nothing.contains("Nothing of yours is listed in it."), "{nothing}");
    // From the standard input, of another age, as another layout.
    let output =
        place.run(&["blocklist", "check", "--format", "list", "--file", "-", "--fail"], "matrix.example.org\n");
    assert!(!output.status.success());
    let stale = [&check[..], &["--name", "a.example", "--max-age", "1s"]].concat();
    assert!(shown(&place, &stale).contains("! The register is stale"));
    for (wrong, told) in [
        (vec!["blocklist", "check", "--format", "nonsense", "--file", &file], "expected one of ru-csv"),
        (vec!["blocklist", "check", "--format", "list", "--file", "missing"], "cannot read missing"),
        (vec!["blocklist", "check", "--format", "list", "--file", &file, "--name", "a b"], "`a b` is no host name"),
    ] {
        let output = place.run(&wrong, "");
        assert!(!output.status.success(), "{wrong:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(told),
            "{wrong:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_server_watches_and_says_what_it_knows() {
    let (place, file) = place();
    // Without a server, and then beside one that knows it from the database.
    let fetched = place.json(&["blocklist", "fetch", "russia", "--json"], "");
    assert_eq!((&fetched["appeared"], &fetched["whole"]), (&1.into(), &true.into()), "{fetched}");
    let server = place.serve(&place.folder.path().join("log"));
    let status = place.json(&["blocklist", "status", "--json"], "");
    let russia = &status["blocklists"][0];
    assert_eq!(
        (&russia["listed"], &russia["entries"], &russia["whole"]),
        (&1.into(), &2.into(), &true.into()),
        "{status}"
    );
    assert!(shown(&place, &["blocklist", "status"]).contains("listed 1, near 0; 2 entries"));
    assert!(shown(&place, &["blocklist", "list"]).contains("matrix.example.org is listed"));

    std::fs::write(&file, "Updated: 2024-01-01 10:00:00 +0000\n192.0.2.1;other.example;;x;1;2026-05-01\n").unwrap();
    let text = shown(&place, &["blocklist", "fetch", "russia"]);
    assert!(text.contains("1 of 1 parts were read") && text.contains("disappeared 1"), "{text}");
    let alerts = place.json(&["blocklist", "alerts", "--json"], "");
    let kinds: Vec<&Value> = alerts["alerts"].as_array().unwrap().iter().map(|alert| &alert["kind"]).collect();
    assert_eq!(kinds, ["appeared", "disappeared"]);
    let text = shown(&place, &["blocklist", "alerts"]);
    assert!(text.contains("appeared: matrix.example.org is listed [matrix.example.org]; Роскомнадзор"), "{text}");
    assert_eq!(place.json(&["blocklist", "alerts", "--open", "--json"], "")["alerts"], serde_json::json!([]));
    let metrics = super::ask(&server.metrics, "GET", "/metrics", "", &Value::Null).text;
    for line in [
        "domicile_blocklist_listed{blocklist=\"russia\"} 0",
        "domicile_blocklist_whole{blocklist=\"russia\"} 1",
        "domicile_blocklist_alerts_total{blocklist=\"russia\",kind=\"disappeared\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    server.stop();
}

#[test]
fn a_register_that_is_configured_wrongly_is_told() {
    for (key, value, told) in [
        ("BLOCKLISTS__0__FORMAT", "csv", "blocklists.0.format: expected one of ru-csv"),
        ("BLOCKLISTS__0__SOURCES", "http://a.example/dump.csv", "use https"),
        ("BLOCKLISTS__0__NAME", "Not Good", "small letters"),
        ("BLOCKLISTS__0__EVERY", "1s", "a minute is the least"),
        ("BLOCKLISTS__0__HASHES", "a,b", "there are 2 hashes for 1 sources"),
        ("SERVER__ALSO_REACHED_AT", "a b", "server.also_reached_at"),
    ] {
        let output = place().0.with(key, value).run(&["blocklist", "status"], "");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(told), "{key}={value}: {error}");
    }
}
