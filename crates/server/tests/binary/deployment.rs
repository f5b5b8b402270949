//! `domicile deployment` and `domicile cell`: from the first cell to one that is revoked.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

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
