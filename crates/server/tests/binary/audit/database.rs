//! An auditor's own program reads the database, with a role or from a file that can only be read: what is planted is named, whoever's servers say what.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use domicile_store::{Batch, params};
use domicile_testkit::{
    plays::cells::{Cell, Deployment, Plan},
    postgres::server::programs,
};
use serde_json::{Value, json};

use super::{
    super::{PROGRAM, Place},
    cells::{FREE, Vault, audited, populate as populate_cells, store},
    plant, populate, text,
};

/// A role of an auditor, made as `docs/evidence.md` says. All databases of a server have the same roles.
const ROLE: &str = "DO $$ BEGIN CREATE ROLE auditor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                    GRANT pg_read_all_data TO auditor";
/// One that may read the tables, and not the keystore.
const TABLES_ONLY: &str =
    "DO $$ BEGIN CREATE ROLE tables_only LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                           GRANT SELECT ON ALL TABLES IN SCHEMA public TO tables_only";

/// An auditor: a folder with the report, and no configuration of the server.
struct Auditor {
    folder: tempfile::TempDir,
    database: String,
    key: String,
}

/// What was found: whether the command succeeded, its answer, and what it told a person.
type Found = (bool, Value, String);

impl Auditor {
    fn new(report: &Value, key: &str, database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("report.json"), report.to_string()).unwrap();
        Self { folder, database: database.to_owned(), key: key.to_owned() }
    }

    fn run(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut command = Command::new(PROGRAM);
        command.args(["audit", "verify", "report.json"]).args(arguments).current_dir(self.folder.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// Checks the report.
    fn checks(&self, more: &[&str]) -> Found {
        let arguments = [&["--key", &self.key, "--database", &self.database, "--json"][..], more].concat();
        let (passed, said, told) = self.run(&arguments);
        assert!(said.is_empty() || said.starts_with("{\"not_checked\":["), "{said}");
        (passed, serde_json::from_str(&said).unwrap_or_default(), told)
    }

    /// Checks a report that stands.
    fn passes(&self, more: &[&str]) -> Value {
        let (passed, verdict, told) = self.checks(more);
        assert!(passed && verdict["passed"] == true, "{told}: {verdict}");
        verdict
    }

    /// Gives why nothing is checked.
    fn refused(&self, arguments: &[&str]) -> String {
        let (passed, said, told) = self.run(arguments);
        assert!(!passed && said.is_empty(), "{said}");
        told
    }
}

/// Runs statements; gives whether they were taken, and what PostgreSQL told.
fn psql(address: &str, statement: &str) -> (bool, String) {
    let mut command = Command::new(programs().unwrap().join("psql"));
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", address, "--command", statement]);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The address of a database for another role than that of its server.
fn address_for(role: &str, address: &str) -> String {
    address.replace("user=domicile", &format!("user={role}"))
}

/// The address for an auditor, who is made and can only read; without PostgreSQL, the file.
fn for_auditor(postgres: Option<String>, data: &Path) -> String {
    let Some(address) = postgres else { return data.join("domicile.db").display().to_string() };
    assert!(psql(&address, ROLE).0, "{address}");
    let auditor = address_for("auditor", &address);
    let (taken, told) = psql(&auditor, "INSERT INTO meta (name, value) VALUES ('auditor', 'was here')");
    assert!(!taken && told.contains("permission denied"), "{told}");
    auditor
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn not_checked(verdict: &Value) -> Vec<&str> {
    verdict["not_checked"].as_array().unwrap().iter().map(|gap| text(gap, "what")).collect()
}

fn read_by_an_auditor(place: &Place) {
    populate(place);
    let evidence = place.data().join("evidence");
    let report: Value = serde_json::from_slice(&std::fs::read(evidence.join("000001-audit.json")).unwrap()).unwrap();
    let key = text(&place.json(&["audit", "list", "--json"], ""), "key").to_owned();
    let postgres = place.database.as_ref().map(domicile_testkit::postgres::Database::address);
    let auditor = Auditor::new(&report, &key, &for_auditor(postgres.clone(), &place.data()));

    // Without a server: nothing is made beside the file.
    let before = files(&place.data());
    let verdict = auditor.passes(&[]);
    assert_eq!(files(&place.data()), before);
    assert_eq!(verdict["homes"], json!({ "here": 2, "other_cells": 0, "other_servers": 0 }));
    assert_eq!(verdict["keystore_keys"], report["body"]["keystore"]["keys"], "{verdict}");
    assert_eq!(verdict["canary"], Value::Null, "{verdict}");
    assert!(verdict["drawn"].as_u64().unwrap() > 50, "{verdict}");
    assert!(not_checked(&verdict).contains(&"The chain of reports, and the report's place in it"), "{verdict}");
    // Beside one, with the folder of documents.
    let server = place.serve(&place.folder.path().join("log"));
    let verdict = auditor.passes(&["--evidence", evidence.to_str().unwrap(), "--sample", "7"]);
    assert_eq!((&verdict["documents"], &verdict["chain_keys"]), (&json!(1), &json!([key])), "{verdict}");
    assert_eq!(verdict["drawn"], 7);
    assert!(!not_checked(&verdict).iter().any(|what| what.contains("chain")), "{verdict}");
    server.stop();

    refusals(&auditor);
    without_the_keystore(place, &report, &key);

    plant(place);
    let (passed, verdict, told) = auditor.checks(&[]);
    assert!(!passed && told.contains("does not stand"), "{told}");
    let foreign = &verdict["foreign"][0];
    assert_eq!(
        (text(foreign, "table"), text(foreign, "user")),
        ("account_data", "@eve:elsewhere.example"),
        "{verdict}"
    );
    assert!(text(foreign, "key").contains("kind = org.example.planted"), "{foreign}");
    let (passed, shown, _) = auditor.run(&["--key", &key, "--database", &auditor.database]);
    let at = |what: &str| shown.find(what).unwrap_or_else(|| panic!("{what}: {shown}"));
    assert!(!passed && at("What was not checked") < at("Signed by") && at("Signed by") < at("@eve:elsewhere.example"));
    assert!(!shown.contains("The report stands"), "{shown}");
}

/// What an auditor may not leave out, or ask for.
fn refusals(auditor: &Auditor) {
    let Auditor { key, database, .. } = auditor;
    let read = ["--key", key, "--database", database];
    let told = auditor.refused(&[&read[..], &["--canary"]].concat());
    assert!(told.contains("planted by writing"), "{told}");
    let other = "A".repeat(43);
    let told = auditor.refused(&["--key", &other, "--database", database]);
    assert!(told.contains("signed by another key"), "{told}");
    let told = auditor.refused(&["--database", database]);
    assert!(told.contains("--key"), "{told}");
    let told = auditor.refused(&[&read[..], &["--cell", "eu1"]].concat());
    assert!(told.contains("needed together"), "{told}");
    let told = auditor.refused(&["--key", key, "--database", "nowhere.db"]);
    assert!(told.contains("cannot open") && files(auditor.folder.path()).len() == 1, "{told}");
}

/// The keystore lies elsewhere, or the role may not read it: that is said, and is no mistake.
fn without_the_keystore(place: &Place, report: &Value, key: &str) {
    let copy = tempfile::tempdir().unwrap();
    let database = if let Some(database) = &place.database {
        assert!(psql(&database.address(), TABLES_ONLY).0);
        address_for("tables_only", &database.address())
    } else {
        for file in files(&place.data()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if name.starts_with("domicile.db") {
                std::fs::copy(&file, copy.path().join(name)).unwrap();
            }
        }
        copy.path().join("domicile.db").display().to_string()
    };
    let verdict = Auditor::new(report, key, &database).passes(&[]);
    assert_eq!(verdict["keystore_keys"], Value::Null);
    assert!(not_checked(&verdict).contains(&"Whose keys are in the keystore"), "{verdict}");
}

#[test]
fn an_auditor_reads_sqlite() {
    read_by_an_auditor(&Place::new(false));
}

#[test]
fn an_auditor_reads_postgres() {
    read_by_an_auditor(&Place::new(true));
}

/// Rows of people of ru1 in the database of eu1, which says that they are its own.
async fn claim(eu: &Cell, vaults: &[Vault; 2]) {
    vaults[0].plant(eu, true, FREE).await;
    vaults[1].plant(eu, false, FREE + 1).await;
    let store = store(eu).await;
    let mut batch = Batch::new();
    for vault in vaults {
        batch.push("UPDATE users SET is_local = 1 WHERE user_id = $1", params![vault.user.user_id.as_str()]);
    }
    batch.push(
        "UPDATE tickets SET ticket = REPLACE(ticket, '\"ru1\"', '\"eu1\"') WHERE user_id = $1",
        params![vaults[0].user.user_id.as_str()],
    );
    store.write(batch).await.unwrap();
    store.close().await;
}

fn a_cell_read_by_an_auditor(postgres: bool) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { cells: &[("eu1", "eu"), ("ru1", "ru")], rule: "allow", postgres, ..Plan::default() };
    let mut deployment = Deployment::found(Path::new(PROGRAM), folder.path(), &plan).unwrap();
    let people = populate_cells(&deployment);
    let eu = deployment.cell("eu1").unwrap();
    let (passed, report) = audited(eu);
    assert!(passed, "{report}");
    let key = text(&eu.json(&["audit", "list"]).unwrap(), "key").to_owned();
    let document = deployment.document_file().display().to_string();
    let root = text(&eu.json(&["deployment", "check", "--file", &document]).unwrap(), "root_key").to_owned();
    let evidence = eu.data().join("evidence").display().to_string();
    let auditor = Auditor::new(&report, &key, &for_auditor(eu.database_address(), &eu.data()));
    let given = ["--document", &document, "--root-key", &root, "--cell", "eu1"];

    let verdict = auditor.passes(&[&given[..], &["--evidence", &evidence]].concat());
    assert_eq!(verdict["homes"], report["body"]["homes"]["people"], "{verdict}");
    assert_eq!(verdict["tickets"]["not_counted"], 0, "{verdict}");
    assert_eq!(text(&verdict["countersigned"][0], "cell"), "ru1", "{verdict}");
    assert!(not_checked(&verdict).contains(&"The directory"), "{verdict}");
    for (arguments, says) in [
        (vec![], "--cell eu1"),
        (vec!["--document", &document, "--root-key", &root, "--cell", "ru1"], "is of the cell eu1"),
        (vec!["--document", &document, "--root-key", &root], "needed together"),
        (vec!["--document", &document, "--root-key", &format!("ed25519:{key}"), "--cell", "eu1"], "--document"),
    ] {
        let (passed, _, told) = auditor.checks(&arguments);
        assert!(!passed && told.contains(says), "{says}: {told}");
    }

    for cell in ["eu1", "ru1"] {
        deployment.cell_mut(cell).unwrap().stop().unwrap();
    }
    let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
    auditor.passes(&given);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vaults = people.map(|person| runtime.block_on(Vault::of(ru, &person.id)));
    runtime.block_on(claim(eu, &vaults));
    let (passed, verdict, _) = auditor.checks(&given);
    assert!(!passed && verdict["tickets"]["not_counted"] == 1, "{verdict}");
    let foreign = verdict["foreign"].as_array().unwrap();
    for vault in &vaults {
        for table in ["account_data", "devices"] {
            let is_it = |row: &Value| text(row, "table") == table && text(row, "user") == vault.user.user_id;
            assert!(foreign.iter().any(is_it), "{table} of {}: {foreign:?}", vault.user.user_id);
        }
    }
}

#[test]
fn an_auditor_reads_a_cell_on_sqlite() {
    a_cell_read_by_an_auditor(false);
}

#[test]
fn an_auditor_reads_a_cell_on_postgres() {
    a_cell_read_by_an_auditor(true);
}
