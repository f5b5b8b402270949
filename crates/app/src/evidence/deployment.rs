//! The audit of a whole deployment: the reports of all cells, each signed by its own and countersigned by others, with those that could not be had.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Audits, Signed, documents, witness::Witness};
use crate::{Error, Result};

/// The kind of document that it leaves.
pub const KIND: &str = "deployment";

/// An audit with what other cells made of it.
#[derive(Debug)]
pub struct Audited {
    /// The report.
    pub signed: Signed,
    /// The other cells: which have countersigned it, and why others have not.
    pub witnesses: Vec<Value>,
}

/// What stands of a cell in the audit of a deployment.
#[derive(Clone, Debug, Serialize)]
pub struct OfCell {
    /// The cell.
    pub cell: String,
    /// Whether its report found nothing that must not be there; nothing if it could not be had.
    pub passed: Option<bool>,
    /// The report's number in its own chain.
    pub number: Option<u64>,
    /// The SHA-256 of its file.
    pub hash: Option<String>,
    /// The key that signed it.
    pub key: Option<String>,
    /// Where it was kept beside this document.
    pub file: Option<String>,
    /// Why it could not be had.
    pub why: Option<String>,
}

impl Audits {
    /// Walks everything, signs a report, and has other cells countersign it.
    pub async fn run_witnessed(&self, witness: &Witness) -> Result<Audited> {
        let signed = self.run_observed(witness.observed().await).await?;
        let witnesses = witness.have_countersigned(&signed).await?;
        Ok(Audited { signed, witnesses })
    }

    /// Has every cell of the deployment make a report, and signs which these are. Gives that document, and all reports that could be had.
    pub async fn of_deployment(self: &Arc<Self>, witness: &Arc<Witness>) -> Result<(Signed, Vec<Value>)> {
        let own = self.run_witnessed(witness).await?.signed;
        let own_name = self.own_name();
        let mut reports = vec![own.document.clone()];
        let mut cells = vec![OfCell {
            cell: own_name,
            passed: own.document["body"]["passed"].as_bool(),
            number: Some(own.number),
            hash: Some(own.hash.clone()),
            key: own.document["signature"]["key"].as_str().map(str::to_owned),
            file: own.file.file_name().map(|name| name.to_string_lossy().into_owned()),
            why: None,
        }];
        let asked = witness.others().into_iter().map(|cell| async move {
            let report = witness.report_of(&cell).await;
            (cell, report)
        });
        for (cell, report) in futures::future::join_all(asked).await {
            let mut of_cell = OfCell {
                cell: cell.as_str().to_owned(),
                passed: None,
                number: None,
                hash: None,
                key: None,
                file: None,
                why: None,
            };
            match report {
                Err(error) => of_cell.why = Some(error.to_string()),
                Ok(bound) => {
                    let document = bound.document.clone();
                    let hash = documents::hash(documents::canonical(&document)?.as_bytes());
                    let name = format!("report-of-{}-{}.json", cell.as_str(), hash.get(..12).unwrap_or_default());
                    let kept = serde_json::to_value(&bound).map_err(Error::internal)?;
                    self.documents().keep(&name, &kept)?;
                    of_cell.passed = document["body"]["passed"].as_bool();
                    of_cell.number = document["number"].as_u64();
                    of_cell.key = document["signature"]["key"].as_str().map(str::to_owned);
                    (of_cell.hash, of_cell.file) = (Some(hash), Some(name));
                    reports.push(document);
                }
            }
            cells.push(of_cell);
        }
        let passed = cells.iter().all(|cell| cell.passed == Some(true));
        let signed = self.documents().add(KIND, json!({ "passed": passed, "cells": cells })).await?;
        Ok((signed, reports))
    }
}
