//! Making papers. The authority's is kept as it was written; a second person reviews it before it is marked as sent, and none is made that would
//! rest on evidence out of date.

use domicile_core::error::ErrorKind;
use domicile_residency::standing::{evaluate::Triggered, words::Kind};
use domicile_store::{Batch, numbers::Sequence, table::dossiers as rows};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Dossiers, Paper, content, hex};
use crate::{
    Error, Result,
    error::not_found,
    standing::{duties::Section, evidence::stale, line},
};

const SEALED: &str = "dossier_papers.sealed";

/// Whom a paper is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The operator's own people: everything.
    Internal,
    /// The authority: what its form asks, and nothing else.
    Authority,
    /// Everybody.
    Public,
}

/// What is known of a paper for an authority. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaperRecord {
    /// Its number.
    pub paper: i64,
    /// The jurisdiction's code.
    pub code: String,
    /// SHA-256 of what it says, in hexadecimal digits.
    pub sha256: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_ts: i64,
    /// Who looked at it besides.
    pub reviewed_by: Option<String>,
    /// When.
    pub reviewed_ts: Option<i64>,
    /// Who sent it.
    pub sent_by: Option<String>,
    /// When.
    pub sent_ts: Option<i64>,
}

pub(super) fn record(row: rows::Paper) -> PaperRecord {
    let ((reviewed_by, reviewed_ts), (sent_by, sent_ts)) = (row.reviewed.unzip(), row.sent.unzip());
    PaperRecord {
        paper: row.paper_num,
        code: row.code,
        sha256: hex(&row.sha256),
        made_by: row.made_by,
        made_ts: row.made_ts,
        reviewed_by,
        reviewed_ts,
        sent_by,
        sent_ts,
    }
}

impl Dossiers {
    /// A paper of a dossier. The authority's is kept, with who made it.
    pub async fn write(&self, code: &str, audience: Audience, who: &str) -> Result<(Paper, Option<PaperRecord>)> {
        let code = self.begun(code).await?;
        let whole = self.get(&code).await?;
        let table = self.parts.duties.table(true).await?;
        let missing = || not_found(format!("The catalogue has no jurisdiction {code} any more."));
        let section = table.jurisdictions.iter().find(|section| section.code == code).ok_or_else(missing)?;
        let ground = content::Ground {
            whole: &whole,
            section,
            settings: self.parts.duties.settings(),
            names: &self.parts.names,
            now_ms: self.parts.clock.now_ms(),
        };
        match audience {
            Audience::Internal => Ok((content::internal(&ground), None)),
            Audience::Public => Ok((content::public(&ground), None)),
            Audience::Authority => {
                let who = line("The name of who makes the paper", who)?;
                self.check_evidence(section).await?;
                let paper = content::authority(&ground)?;
                let record = self.keep(&code, &paper, who).await?;
                Ok((paper, Some(record)))
            }
        }
    }

    /// A paper that says where data is rests on the audit, and on the ledger: both have to be of these days.
    async fn check_evidence(&self, section: &Section) -> Result<()> {
        let says_where =
            |line: &&crate::standing::duties::Line| line.kind == Kind::Storage && line.triggered == Triggered::Yes;
        let Some(storage) = section.duties.iter().find(says_where) else { return Ok(()) };
        let (ages, now_ms) = (self.parts.evidence.ages().await?, self.parts.clock.now_ms());
        let stale = stale("audit", ages.audit_ts, now_ms, "domicile audit")
            .or_else(|| stale("ledger", ages.ledger_ts, now_ms, "domicile ledger"));
        match stale {
            None => Ok(()),
            Some(why) => {
                let what = format!("The paper would say where data is ({}), and {why}.", storage.duty);
                Err(ErrorKind::InvalidParam.with(what).into())
            }
        }
    }

    async fn keep(&self, code: &str, paper: &Paper, who: String) -> Result<PaperRecord> {
        let plain = serde_json::to_vec(paper).map_err(Error::internal)?;
        let paper_num: i64 = self.parts.store.number(Sequence::DossierPaper).await?;
        let row = rows::Paper {
            paper_num,
            code: code.to_owned(),
            sha256: Sha256::digest(&plain).to_vec().into(),
            sealed: self.parts.keystore.cell_key().seal(SEALED, &plain)?,
            made_by: who.clone(),
            made_ts: self.parts.clock.now_ms(),
            reviewed: None,
            sent: None,
        };
        let mut batch = Batch::new();
        self.note(&mut batch, code, &who, format!("made paper {paper_num} for the authority")).await?;
        rows::add_paper(&mut batch, row.clone());
        self.parts.store.write(batch).await?;
        Ok(record(row))
    }

    async fn row(&self, paper_num: i64) -> Result<rows::Paper> {
        let found =
            self.parts.store.read(move |snapshot| async move { rows::one_paper(&snapshot, paper_num).await }).await?;
        found.ok_or_else(|| not_found(format!("There is no paper {paper_num}.")))
    }

    /// A paper as it was written, and what is known of it.
    pub async fn paper(&self, paper_num: i64) -> Result<(Paper, PaperRecord)> {
        let row = self.row(paper_num).await?;
        let plain = self.parts.keystore.cell_key().open(SEALED, &row.sealed)?;
        Ok((serde_json::from_slice(&plain).map_err(Error::internal)?, record(row)))
    }

    /// Notes that a second person looked at a paper.
    pub async fn review(&self, paper_num: i64, who: &str) -> Result<PaperRecord> {
        let (row, who) = (self.row(paper_num).await?, line("The name of who reviews it", who)?);
        if row.made_by.eq_ignore_ascii_case(&who) {
            let what = format!("{who} made paper {paper_num}: somebody else has to review it.");
            return Err(ErrorKind::Forbidden.with(what).into());
        }
        if row.reviewed.is_some() {
            return Err(ErrorKind::InvalidParam.with(format!("Paper {paper_num} is reviewed already.")).into());
        }
        let mut batch = Batch::new();
        self.note(&mut batch, &row.code, &who, format!("reviewed paper {paper_num}")).await?;
        rows::review_paper(&mut batch, paper_num, &who, self.parts.clock.now_ms());
        self.write_guarded(batch, paper_num).await
    }

    /// Notes that a paper was sent. It must have been reviewed, and what it rests on must be of these days still.
    pub async fn sent(&self, paper_num: i64, who: &str) -> Result<PaperRecord> {
        let (row, who) = (self.row(paper_num).await?, line("The name of who sent it", who)?);
        if row.reviewed.is_none() {
            let what = format!(
                "Nobody but {} has looked at paper {paper_num}: `domicile dossier review {paper_num}` comes first.",
                row.made_by
            );
            return Err(ErrorKind::Forbidden.with(what).into());
        }
        if row.sent.is_some() {
            return Err(ErrorKind::InvalidParam.with(format!("Paper {paper_num} was sent already.")).into());
        }
        let table = self.parts.duties.table(true).await?;
        if let Some(section) = table.jurisdictions.iter().find(|section| section.code == row.code) {
            self.check_evidence(section).await?;
        }
        let mut batch = Batch::new();
        self.note(&mut batch, &row.code, &who, format!("sent paper {paper_num}")).await?;
        rows::send_paper(&mut batch, paper_num, &who, self.parts.clock.now_ms());
        self.write_guarded(batch, paper_num).await
    }

    async fn write_guarded(&self, batch: Batch, paper_num: i64) -> Result<PaperRecord> {
        match self.parts.store.write(batch).await {
            Ok(_) => Ok(record(self.row(paper_num).await?)),
            Err(error) if error.is_conflict() => {
                let what = format!("Somebody else did something with paper {paper_num} just now: look at it again.");
                Err(ErrorKind::InvalidParam.with(what).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
