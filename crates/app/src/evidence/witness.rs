//! Cells as each other's witnesses: one says what it sees of another, and countersigns its reports, each once and in their order. So nobody can put
//! another report in the place of one, or leave one out, without a second cell's key.
//!
//! A countersignature stands in the chain of the cell that gave it. The audit key with which it is signed is bound to the cell by the cell's key, which
//! the deployment document names.

use std::sync::Arc;

use domicile_core::{
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    locality::{CellName, Destination},
};
use domicile_residency::deployment::Deployment;
use domicile_store::{
    Batch, Store,
    table::{
        destinations,
        witnessed_reports::{self, Witnessed},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Documents, Ledger, Signed, audit, documents, folder::Folder};
use crate::{
    Error, Result,
    error::{forbidden, not_found},
    federation::{Bounds, peers},
    residency::{Cells, InnerLink, Localities},
};

/// Where a cell is asked what it sees of the one that asks.
pub const OBSERVE: &str = "/_domicile/inner/v1/evidence/observe";
/// Where it is asked for its countersignature.
pub const COUNTERSIGN: &str = "/_domicile/inner/v1/evidence/countersign";
/// Where it is asked which report it countersigned last.
pub const WITNESSED: &str = "/_domicile/inner/v1/evidence/witnessed";
/// Where it is asked for a report of its own.
pub const REPORT: &str = "/_domicile/inner/v1/evidence/report";

/// The kinds of what a witness signs.
pub const OBSERVATION: &str = "observation";
/// See there.
pub const COUNTERSIGNATURE: &str = "countersignature";
/// What a cell's key says of its audit key.
const BINDING: &str = "domicile audit key 1";
/// Days of crossings that a witness tells.
const DAYS: i64 = 30;
/// What a report of another cell may cost: it walks all its tables.
const WALK: Bounds = Bounds { time: std::time::Duration::from_mins(10), bytes: 16 * 1024 * 1024 };

/// A question for what a cell sees. What it says of itself is compared.
#[derive(Debug, Serialize, Deserialize)]
pub struct Look {
    /// The clock of who asks, in milliseconds since the epoch.
    pub now_ts: i64,
}

/// A report that is to be countersigned.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Its number in the chain.
    pub number: i64,
    /// The hash of the document before it.
    pub previous: Option<String>,
    /// The SHA-256 of its file.
    pub hash: String,
    /// The key that signed it.
    pub audit_key: String,
    /// That cell's word for its audit key.
    pub binding: String,
    /// Whether it found no row that must not be there.
    pub passed: bool,
}

/// A question that says nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Nothing {}

/// What was countersigned last.
#[derive(Debug, Serialize, Deserialize)]
pub struct Last {
    /// The report.
    pub report: Option<Witnessed>,
}

/// A signed document of a cell, with that cell's word for the key that signed it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// The document.
    pub document: Value,
    /// The word.
    pub binding: String,
}

/// What witnesses are made of.
pub struct WitnessParts {
    /// The database.
    pub store: Store,
    /// Signed documents.
    pub documents: Arc<Documents>,
    /// What crossed a border.
    pub ledger: Arc<Ledger>,
    /// Where users are.
    pub localities: Arc<Localities>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way to other cells; none where there are none.
    pub link: Option<Arc<InnerLink>>,
}

/// Asks other cells to be witnesses, and is theirs.
pub struct Witness {
    parts: WitnessParts,
    /// One report at a time is countersigned.
    signing: tokio::sync::Mutex<()>,
}

impl Witness {
    /// Of its parts.
    pub fn new(parts: WitnessParts) -> Self {
        Self { parts, signing: tokio::sync::Mutex::default() }
    }

    fn cells(&self) -> Result<&Cells> {
        self.parts.localities.cells().ok_or_else(|| not_found("This server is no cell of a deployment."))
    }

    fn link(&self) -> Result<&InnerLink> {
        self.parts.link.as_deref().ok_or_else(|| not_found("This server is no cell of a deployment."))
    }

    /// The other cells.
    pub fn others(&self) -> Vec<CellName> {
        self.parts.localities.cells().map(|cells| cells.own.others().cloned().collect()).unwrap_or_default()
    }

    /// This cell's word for its audit key.
    pub fn binding(&self) -> Result<String> {
        let key = self.parts.documents.public_key()?;
        Ok(self.cells()?.own.key().sign_text(BINDING, key.as_bytes()))
    }

    // What this cell does for others ---------------------------------------------------------------------------------

    /// What this cell sees of another one, signed.
    pub async fn observe(&self, cell: &CellName, look: &Look) -> Result<Bound> {
        let cells = self.cells()?;
        let (document, now_ms) = (cells.own.document(), self.parts.clock.now_ms());
        let (name, asked) = (Destination::Cell(cell.clone()).to_string(), cell.as_str().to_owned());
        let read = self.parts.store.read(move |snapshot| async move {
            let told = match destinations::by_name(&snapshot, &name).await? {
                Some(num) => destinations::by_num(&snapshot, num).await?,
                None => None,
            };
            Ok::<_, Error>((told, witnessed_reports::last(&snapshot, &asked).await?))
        });
        let (told, last) = read.await?;
        let region = document.region_of(cell).map(|region| region.as_str().to_owned()).unwrap_or_default();
        let today = now_ms.div_euclid(DAY_MS);
        let crossings = self.parts.ledger.between(today - DAYS, today).await?;
        let (items, bytes) = crossings
            .iter()
            .filter(|crossing| crossing.destination == region)
            .fold((0_i64, 0_i64), |sum, one| (sum.0.saturating_add(one.items), sum.1.saturating_add(one.bytes)));
        let body = json!({
            "by": cells.own.name().as_str(), "of": cell.as_str(), "document_serial": document.serial,
            "holds_the_key_of_the_document": true,
            "clock_apart_ms": look.now_ts.saturating_sub(now_ms),
            "not_reached_since_ts": told.and_then(|told| told.failing_since_ts),
            "people_met_whose_home_it_is": cells.tickets.at_home_in(cell),
            "sent_to_its_region": { "days": DAYS, "items": items, "bytes": bytes },
            "last_report_countersigned": last,
        });
        Ok(Bound { document: self.parts.documents.sign(OBSERVATION, &body)?, binding: self.binding()? })
    }

    /// Countersigns a report of another cell, if none of that number or a later one was before.
    pub async fn countersign(&self, cell: &CellName, report: Report) -> Result<Bound> {
        let cells = self.cells()?;
        if !is_bound(cells.own.document(), cell, &report.audit_key, &report.binding) {
            return Err(forbidden(
                "The key of the report is not bound to the cell by the key that the document names.",
            ));
        }
        let _one = self.signing.lock().await;
        if let Some(last) = self.witnessed(cell).await?.report {
            let follows = report.number > last.number
                && (report.number > last.number + 1 || report.previous.as_deref() == Some(&last.hash));
            let is_same = report.number == last.number && report.hash == last.hash;
            if !follows && !is_same {
                let text = format!(
                    "Report {} does not follow report {} of this cell, which was countersigned: a document was changed or left out, or the chain was begun anew.",
                    report.number, last.number
                );
                return Err(ErrorKind::InvalidParam.with(text).into());
            }
        }
        let body = json!({
            "by": cells.own.name().as_str(), "of": cell.as_str(), "number": report.number, "previous": report.previous,
            "hash": report.hash, "audit_key": report.audit_key, "passed": report.passed,
        });
        let signed = self.parts.documents.add(COUNTERSIGNATURE, body).await?;
        let at_ts = self.parts.clock.now_ms();
        let Report { number, hash, audit_key, .. } = report;
        let mut batch = Batch::new();
        witnessed_reports::note(&mut batch, cell.as_str(), &Witnessed { number, hash, audit_key, at_ts });
        self.parts.store.write(batch).await?;
        Ok(Bound { document: signed.document, binding: self.binding()? })
    }

    /// Which report of a cell was countersigned last.
    pub async fn witnessed(&self, cell: &CellName) -> Result<Last> {
        let asked = cell.as_str().to_owned();
        let read =
            self.parts.store.read(move |snapshot| async move { witnessed_reports::last(&snapshot, &asked).await });
        Ok(Last { report: read.await? })
    }

    /// Whether a cell may be given a whole report of this one. It has counts and names places, so a region that is not trusted with the directory is
    /// not told those of another.
    pub fn may_read(&self, cell: &CellName) -> Result<()> {
        let own = &self.cells()?.own;
        let document = own.document();
        let region = document.region_of(cell).ok_or_else(|| forbidden("There is no such cell at work."))?;
        let is_trusted = document.regions.get(region).is_some_and(|policy| policy.trusted);
        if is_trusted || region == own.region() {
            return Ok(());
        }
        Err(forbidden(
            "Reports are told to cells of the same region, and of regions that the document trusts: ask from one of those.",
        ))
    }

    // What others do for this cell -----------------------------------------------------------------------------------

    /// What the other cells see of this one; of each that does not answer, why.
    pub async fn observed(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for cell in self.others() {
            let look = Look { now_ts: self.parts.clock.now_ms() };
            all.push(match self.ask::<Bound>(&cell, OBSERVE, &look, peers::ORDINARY).await {
                Ok(bound) if self.is_signed_by(&cell, &bound, OBSERVATION) => {
                    json!({ "cell": cell.as_str(), "observation": bound })
                }
                Ok(_) => {
                    json!({ "cell": cell.as_str(), "why": "what it says is not signed with a key that is bound to it" })
                }
                Err(error) => json!({ "cell": cell.as_str(), "why": error.to_string() }),
            });
        }
        all
    }

    /// Has the other cells countersign a report. What they give is kept beside it; of each that does not, why.
    pub async fn have_countersigned(&self, signed: &Signed) -> Result<Vec<Value>> {
        let (others, mut all) = (self.others(), Vec::new());
        if others.is_empty() {
            return Ok(all);
        }
        let report = Report {
            number: i64::try_from(signed.number).unwrap_or(i64::MAX),
            previous: signed.document["previous"].as_str().map(str::to_owned),
            hash: signed.hash.clone(),
            audit_key: self.parts.documents.public_key()?,
            binding: self.binding()?,
            passed: signed.document["body"]["passed"].as_bool() == Some(true),
        };
        for cell in others {
            all.push(match self.ask::<Bound>(&cell, COUNTERSIGN, &report, peers::ORDINARY).await {
                Ok(bound) if self.is_signed_by(&cell, &bound, COUNTERSIGNATURE) => {
                    let kept = serde_json::to_value(&bound).map_err(Error::internal)?;
                    self.parts.documents.keep(&file_name(signed.number, cell.as_str()), &kept)?;
                    json!({ "cell": cell.as_str(), "countersigned": true })
                }
                Ok(_) => json!({ "cell": cell.as_str(), "why": "its signature is not of a key that is bound to it" }),
                Err(error) => json!({ "cell": cell.as_str(), "why": error.to_string() }),
            });
        }
        Ok(all)
    }

    /// A new report of another cell.
    pub async fn report_of(&self, cell: &CellName) -> Result<Bound> {
        let bound: Bound = self.ask(cell, REPORT, &Nothing {}, WALK).await?;
        if self.is_signed_by(cell, &bound, audit::KIND) {
            return Ok(bound);
        }
        Err(Error::internal("its report is not signed with a key that is bound to it"))
    }

    /// What of a report's countersignatures is right; what is not is added to `wrong`. Cells that countersigned are asked whether it was the last.
    pub async fn check(&self, report: &Value, wrong: &mut Vec<String>) -> Result<Vec<Value>> {
        let (folder, cells) = (self.parts.documents.in_folder(), self.parts.localities.cells());
        let all = countersignatures(folder, cells.map(|cells| cells.own.document()), report, wrong)?;
        for cell in self.others() {
            // One that is not reached says nothing.
            let Ok(last) = self.ask::<Last>(&cell, WITNESSED, &Nothing {}, peers::ORDINARY).await else { continue };
            let Some(last) = last.report else { continue };
            let here = folder.hash_of(u64::try_from(last.number).unwrap_or_default())?;
            if here.as_deref() != Some(&last.hash) {
                wrong.push(format!(
                    "the cell {} has countersigned a document {} that is not the one in the folder: the chain was changed, or begun anew",
                    cell.as_str(),
                    last.number
                ));
            }
        }
        Ok(all)
    }

    async fn ask<A: serde::de::DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &impl Serialize,
        bounds: Bounds,
    ) -> Result<A> {
        self.link()?.ask_json_within(cell, path, body, bounds).await.map_err(Error::internal)
    }

    fn is_signed_by(&self, cell: &CellName, bound: &Bound, kind: &str) -> bool {
        let cells = self.parts.localities.cells();
        cells.is_some_and(|cells| is_signed_by(cells.own.document(), cell, bound, kind))
    }
}

/// What of the countersignatures that lie beside a report is right, by the deployment document; what is not is added to `wrong`.
pub(super) fn countersignatures(
    folder: &Folder,
    document: Option<&Deployment>,
    report: &Value,
    wrong: &mut Vec<String>,
) -> Result<Vec<Value>> {
    let number = report["number"].as_u64().unwrap_or_default();
    let hash = documents::hash(documents::canonical(report)?.as_bytes());
    let mut all = Vec::new();
    for kept in folder.kept(&format!("countersigned-{number:06}-"), ".json")? {
        let bound: Bound = serde_json::from_value(kept).map_err(Error::internal)?;
        let body = &bound.document["body"];
        let by = body["by"].as_str().and_then(CellName::parse);
        let by = document.zip(by.as_ref());
        let is_right = by.is_some_and(|(document, by)| is_signed_by(document, by, &bound, COUNTERSIGNATURE))
            && body["hash"].as_str() == Some(&hash)
            && body["number"].as_u64() == Some(number);
        let name = body["by"].as_str().unwrap_or("nobody who is known").to_owned();
        if is_right {
            all.push(json!({ "cell": name, "at_ts": bound.document["made_ts"], "number": bound.document["number"] }));
        } else {
            wrong.push(format!("the countersignature by {name} is not of this report, or not by that cell"));
        }
    }
    Ok(all)
}

/// Whether a document is of a kind, and signed with a key that is bound to a cell.
fn is_signed_by(deployment: &Deployment, cell: &CellName, bound: &Bound, kind: &str) -> bool {
    let signer = documents::signer(&bound.document);
    bound.document["kind"].as_str() == Some(kind)
        && signer.is_ok_and(|key| is_bound(deployment, cell, &key, &bound.binding))
}

/// The file of a countersignature.
fn file_name(number: u64, cell: &str) -> String {
    format!("countersigned-{number:06}-{cell}.json")
}

/// Whether a cell's key, as the document names it, says that an audit key is the cell's.
fn is_bound(document: &Deployment, cell: &CellName, audit_key: &str, binding: &str) -> bool {
    document.cells.get(cell).is_some_and(|of| of.key.verify_text(BINDING, audit_key.as_bytes(), binding))
}
