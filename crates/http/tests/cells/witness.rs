//! Cells as each other's witnesses: reports are countersigned once and in their order, and a deployment is audited as a whole.

use domicile_app::evidence::verify::Wanted;
use domicile_testkit::cluster::Cluster;
use serde_json::{Value, json};

use crate::{read, say, shared, two, until};

async fn verify(
    cluster: &Cluster,
    cell: &str,
    report: &Value,
    canary: bool,
) -> domicile_app::evidence::verify::Verdict {
    let server = cluster.cell(cell);
    let evidence = &server.admin.evidence;
    let wanted = Wanted { report: report.clone(), key: None, sample: 100, canary };
    evidence.audits.verify(wanted, &evidence.witness).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_observed_and_countersigned_by_the_other_cell() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let said = vec![say(&alice, &room, "one").await];
    until("bob reads it", || async { read(&bob, &room).await == said }).await;
    let evidence = &cluster.cell("ru1").admin.evidence;
    let first = evidence.audits.run_witnessed(&evidence.witness).await.unwrap();
    assert_eq!(first.witnesses, [json!({ "cell": "eu1", "countersigned": true })]);
    let seen = &first.signed.document["body"]["observed_by_other_cells"];
    assert_eq!((&seen["basis"], seen["all"].as_array().unwrap().len()), (&json!("observed"), 1));
    let observation = &seen["all"][0]["observation"]["document"]["body"];
    assert_eq!(observation["by"], "eu1");
    assert_eq!(observation["people_met_whose_home_it_is"], 1, "the deciding cell's people have met bob: {observation}");
    let apart_ms = observation["clock_apart_ms"].as_i64().unwrap();
    assert!(apart_ms.abs() < 60_000, "the cells of a test have one time, but for what a question takes: {apart_ms} ms");
    assert!(observation["last_report_countersigned"].is_null());
    let verdict = verify(&cluster, "ru1", &first.signed.document, true).await;
    assert!(verdict.passed, "{:?}", verdict.wrong);
    assert_eq!(verdict.countersigned.len(), 1);
    assert_eq!(verdict.looked_up, 1, "bob, by the directory of the other cell");
    let canary = verdict.canary.unwrap();
    assert!(canary.found && canary.removed && canary.user.ends_with(":example.org"), "{canary:?}");
    // It stands in the other cell's chain, and the next observation names it.
    let other = cluster.cell("eu1").admin.evidence.audits.documents();
    let (.., signed) = other.all().unwrap().pop().unwrap();
    assert_eq!(
        (signed["kind"].as_str(), &signed["body"]["hash"]),
        (Some("countersignature"), &json!(first.signed.hash))
    );
    assert!(other.in_folder().chain().unwrap().wrong.is_empty());
    let second = evidence.audits.run_witnessed(&evidence.witness).await.unwrap();
    let seen = &second.signed.document["body"]["observed_by_other_cells"]["all"][0]["observation"]["document"]["body"];
    assert_eq!(seen["last_report_countersigned"]["hash"], json!(first.signed.hash));

    // A report that was changed and signed anew is not countersigned, and what was countersigned tells of it.
    let folder = evidence.audits.documents().folder().to_owned();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("000002") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let forged = evidence.audits.run_witnessed(&evidence.witness).await.unwrap();
    assert!(forged.witnesses[0]["why"].as_str().unwrap().contains("does not follow"), "{:?}", forged.witnesses);
    let verdict = verify(&cluster, "ru1", &forged.signed.document, false).await;
    assert!(!verdict.passed);
    assert!(
        verdict.wrong.iter().any(|wrong| wrong.contains("eu1 has countersigned a document 2")),
        "{:?}",
        verdict.wrong
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_cells_are_audited_and_one_that_is_away_is_named() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    shared(&alice, &bob).await;
    let evidence = &cluster.cell("eu1").admin.evidence;
    let (made, reports) = evidence.audits.of_deployment(&evidence.witness).await.unwrap();
    let body = &made.document["body"];
    assert_eq!((&body["passed"], reports.len()), (&json!(true), 2), "{body:#}");
    let names: Vec<&str> =
        body["cells"].as_array().unwrap().iter().map(|cell| cell["cell"].as_str().unwrap()).collect();
    assert_eq!(names, ["eu1", "ru1"]);
    assert_eq!(reports[1]["body"]["cell"]["region"], "ru");
    assert!(evidence.audits.documents().folder().join(body["cells"][1]["file"].as_str().unwrap()).exists());
    // A region that is not trusted with the directory is not told the counts of one that is.
    let other = &cluster.cell("ru1").admin.evidence;
    let (made, reports) = other.audits.of_deployment(&other.witness).await.unwrap();
    assert_eq!(reports.len(), 1);
    let why = made.document["body"]["cells"][1]["why"].as_str().unwrap();
    assert!(why.contains("of regions that the document trusts"), "{why}");

    cluster.cut();
    let (made, reports) = evidence.audits.of_deployment(&evidence.witness).await.unwrap();
    let body = &made.document["body"];
    assert_eq!((&body["passed"], reports.len()), (&json!(false), 1));
    assert_eq!(body["cells"][1]["cell"], "ru1");
    assert!(body["cells"][1]["passed"].is_null() && body["cells"][1]["why"].is_string(), "{body:#}");
}
