//! `domicile deployment` and `domicile cell`: from the first cell to one that is revoked.

use std::{fs, os::unix::fs::PermissionsExt as _};

use domicile_core::{
    clock::{Clock as _, HOUR_MS, SystemClock},
    rng::OsRng,
};
use domicile_residency::deployment::SecretKey;
use serde_json::{Value, json};

use super::Place;

fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments, "");
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_deployment_grows_and_loses_a_cell() {
    let place = Place::new(false);
    let path = |name: &str| place.folder.path().join(name).display().to_string();
    let (file, root, first, second) = (path("deployment.toml"), path("root.key"), path("eu1.key"), path("ru1.key"));
    let json = |arguments: &[&str]| -> Value { place.json(arguments, "") };
    let init = [
        "deployment",
        "init",
        "example.org",
        "--cell",
        "eu1",
        "--region",
        "eu",
        "--client-url",
        "https://eu.example.org",
        "--inner-url",
        "https://eu1.inner.example.org",
        "--file",
        &file,
        "--root-key",
        &root,
        "--key-file",
        &first,
        "--json",
    ];
    let made = json(&init);
    let public = made["root_key"].as_str().unwrap().to_owned();
    assert!(public.starts_with("ed25519:"), "{made}");
    for key in [&root, &first] {
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
        assert!(!made.to_string().contains(fs::read_to_string(key).unwrap().lines().last().unwrap()), "{made}");
    }
    assert!(refused(&place, &init).contains("there already"), "no key is written over");
    let check = ["deployment", "check", "--file", &file, "--root-key", &public, "--json"];
    assert_eq!(json(&check)["serial"], 1);

    let add = [
        "cell",
        "init",
        "ru1",
        "--region",
        "ru",
        "--client-url",
        "https://ru.example.org",
        "--inner-url",
        "https://ru1.inner.example.org",
        "--key-file",
        &second,
        "--file",
        &file,
        "--json",
    ];
    let added = json(&add);
    assert_eq!((&added["serial"], &added["signed"]), (&2.into(), &false.into()));
    assert!(refused(&place, &check).contains("is not signed"), "a change takes the signature away");
    let sign = ["deployment", "sign", "--file", &file, "--root-key", &root, "--json"];
    assert_eq!(json(&sign)["serial"], 2);
    let told = String::from_utf8(place.run(&check[..6], "").stdout).unwrap();
    assert!(told.contains("nothing is wrong. Serial 2"), "{told}");
    let before = path("before.toml");
    fs::copy(&file, &before).unwrap();

    fs::set_permissions(&root, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&place, &sign).contains("chmod 600"));
    fs::set_permissions(&root, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(refused(&place, &["cell", "revoke", "eu1", "--file", &file]).contains("decides whose a name is"));
    let retired = path("retired.toml");
    fs::copy(&file, &retired).unwrap();
    let told = json(&["cell", "retire", "ru1", "--heir", "eu1", "--file", &retired, "--root-key", &root, "--json"]);
    assert_eq!((&told["retired"], &told["heir"], &told["serial"]), (&"ru1".into(), &"eu1".into(), &3.into()));
    assert!(
        refused(&place, &["cell", "retire", "eu1", "--heir", "ru1", "--file", &file]).contains("decides whose a name")
    );
    json(&["cell", "revoke", "ru1", "--heir", "eu1", "--file", &file, "--root-key", &root, "--json"]);
    assert_eq!(json(&check)["serial"], 3);
    let back = ["deployment", "check", "--file", &before, "--root-key", &public, "--against", &file];
    assert!(refused(&place, &back).contains("serial 2"), "an older one is not taken again");
    let other = path("other.key");
    fs::copy(&first, &other).unwrap();
    let by_another = ["deployment", "sign", "--file", &file, "--root-key", &other];
    assert!(refused(&place, &by_another).contains("no cell would take it"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("serial = 3", "serial = 4", 1)).unwrap();
    assert!(refused(&place, &check).contains("changed after it was signed"));
}

#[test]
fn a_gateway_gets_another_key_for_other_servers() {
    let place = Place::new(false);
    let path = |name: &str| place.folder.path().join(name).display().to_string();
    let (file, root, first, next) = (path("deployment.toml"), path("root.key"), path("eu1.key"), path("next.json"));
    let url = "https://eu.example.org";
    let init = ["deployment", "init", "example.org", "--cell", "eu1", "--region", "eu", "--client-url", url];
    let files = ["--inner-url", url, "--file", &file, "--root-key", &root, "--key-file", &first, "--json"];
    let public = place.json(&[&init[..], &files[..]].concat(), "")["root_key"].as_str().unwrap().to_owned();
    let [old, new] = [(); 2].map(|()| SecretKey::new(&OsRng).public().to_string());
    let wanted = json!({ "old": "ed25519:a1", "new": "ed25519:a2", "key": new, "waits": true });
    let write = |wanted: &Value| fs::write(&next, wanted.to_string()).unwrap();
    let rotate = ["deployment", "rotate-outer", &next, "--file", &file, "--hours", "6", "--root-key", &root, "--json"];
    assert!(refused(&place, &rotate).contains("cannot read"));
    write(&wanted);
    assert!(refused(&place, &rotate).contains("there is no [[outer_key]] ed25519:a1"));
    let text = fs::read_to_string(&file).unwrap();
    let unsigned = text.rsplit_once("# ").map_or(text.as_str(), |(before, _)| before);
    fs::write(&file, format!("{unsigned}\n[[outer_key]]\nid = \"ed25519:a1\"\nkey = \"{old}\"\n")).unwrap();
    for (key, value, said) in [
        ("waits", json!(false), "no cell of a deployment"),
        ("key", json!("ed25519:x"), "`key`"),
        ("key", json!(old), "its key is that of"),
        ("new", json!("nonsense"), "is no id"),
        ("old", json!(7), "is not what"),
    ] {
        let mut wrong = wanted.clone();
        wrong[key] = value;
        write(&wrong);
        assert!(refused(&place, &rotate).contains(said), "{said}: {}", refused(&place, &rotate));
    }
    write(&wanted);
    assert!(refused(&place, &[&rotate[..5], &["--hours", "0"]].concat()).contains("--hours"));
    let now_ms = SystemClock.now_ms();
    let told = place.json(&rotate, "");
    assert_eq!((&told["new"], &told["serial"], &told["signed"]), (&json!("ed25519:a2"), &json!(2), &json!(true)));
    let end_ms = told["expired_ts"].as_i64().unwrap();
    assert!((0..60_000).contains(&(end_ms - now_ms - 6 * HOUR_MS)), "{told}");
    assert_eq!(place.json(&["deployment", "check", "--file", &file, "--root-key", &public, "--json"], "")["serial"], 2);
    assert!(fs::read_to_string(&file).unwrap().contains(&format!("expired_ts = {end_ms}")));
    assert!(refused(&place, &rotate).contains("has ended already"), "once is enough");
}

#[test]
fn a_cell_says_which_document_it_works_by_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, root, key, other) = (path("deployment.toml"), path("root.key"), path("eu1.key"), path("ru1.key"));
    let place = Place::new(false).with("SERVER__NAME", "example.org");
    let init = ["deployment", "init", "example.org", "--cell", "eu1", "--region", "eu", "--client-url"];
    let more = ["https://eu.example.org", "--inner-url", "https://eu1.inner.example.org", "--json"];
    let files = ["--file", file.as_str(), "--root-key", root.as_str(), "--key-file", key.as_str()];
    let made = place.json(&[&init[..], &more[..], &files[..]].concat(), "");
    let place = place
        .with("DEPLOYMENT__FILE", &file)
        .with("DEPLOYMENT__CELL", "eu1")
        .with("DEPLOYMENT__ROOT_KEY", made["root_key"].as_str().unwrap())
        .with("DEPLOYMENT__KEY_FILE", &key)
        .with("LISTENERS__2__BIND", "127.0.0.1:0")
        .with("LISTENERS__2__SERVE", "inner");
    let status = || place.json(&["deployment", "status", "--json"], "");
    assert_eq!((&status()["serial"], &status()["cells"]), (&1.into(), &Value::Array(Vec::new())));
    let first = fs::read_to_string(&file).unwrap();

    let add = ["cell", "init", "ru1", "--region", "ru", "--client-url", "https://ru.example.org", "--inner-url"];
    let more = ["https://ru1.inner.example.org", "--json", "--file", &file, "--root-key", &root, "--key-file", &other];
    place.json(&[&add[..], &more[..]].concat(), "");
    let second = fs::read_to_string(&file).unwrap();
    assert_eq!(place.json(&["deployment", "reload", "--json"], "")["serial"], 2);
    assert_eq!((&status()["serial"], &status()["cells"][0]["cell"]), (&2.into(), &"ru1".into()));
    fs::write(&file, &first).unwrap();
    assert_eq!(status()["serial"], 2, "the file is older than what it has taken");
    let told = refused(&place, &["deployment", "reload"]);
    assert!(told.contains("has taken serial 2 already"), "{told}");
    let shown = place.run(&["deployment", "status", "--document"], "");
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), second);
    let told = String::from_utf8(place.run(&["deployment", "status"], "").stdout).unwrap();
    assert!(told.contains("This is the cell eu1, with document 2") && told.contains("has not said"), "{told}");
}
