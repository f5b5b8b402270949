//! What was seen, over time.

use domicile_residency::interference::{Outside, Past, Report};
use domicile_store::{
    StoreError,
    table::probes::{self, ProbeResult, ProbeRun},
};

use super::Probes;
use crate::{Error, Result, error::not_found};

/// Results of a page.
const PAGE: i64 = 500;

/// A result as the operator sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The run's number.
    pub run: i64,
    /// The name of the vantage; none for the server itself.
    pub vantage: Option<String>,
    /// When the run began, in milliseconds since the epoch.
    pub started_ts: i64,
    /// The target.
    pub host: String,
    /// Its port.
    pub port: i64,
    /// The verdict's name.
    pub verdict: String,
    /// On what it rests.
    pub evidence: Vec<String>,
    /// Bytes a second from it, and from elsewhere.
    pub rates: (Option<i64>, Option<i64>),
}

/// The rows of a run.
pub(super) fn rows(
    report: Report,
    run_num: i64,
    vantage_num: i64,
    may_publish: bool,
) -> Result<(ProbeRun, Vec<ProbeResult>)> {
    let started_ts = report.run.started_ms;
    let results = (0..).zip(report.judged()).map(|(ordinal, (measurement, verdict))| {
        let past = Past::of(started_ts, measurement, &report.run.control);
        let number = |rate: u64| i64::try_from(rate).unwrap_or(i64::MAX);
        Ok(ProbeResult {
            run_num,
            ordinal,
            vantage_num,
            started_ts,
            host: measurement.target.host.clone(),
            port: i64::from(measurement.target.port),
            verdict: verdict.kind.name().to_owned(),
            evidence: serde_json::to_string(&verdict.evidence).map_err(Error::internal)?,
            rate: past.map(|past| number(past.rate)),
            control_rate: past.map(|past| number(past.control_rate)),
            country: report.run.vantage.country.clone(),
        })
    });
    let results = results.collect::<Result<_>>()?;
    let slim = Report { run: report.run.for_history(), verdicts: report.verdicts };
    let report = serde_json::to_string(&slim).map_err(Error::internal)?;
    Ok((ProbeRun { run_num, vantage_num, started_ts, may_publish, report }, results))
}

/// Earlier speeds.
pub(super) fn past(rows: &[ProbeResult]) -> Vec<Past> {
    let one = |row: &ProbeResult| {
        let number = |rate: Option<i64>| u64::try_from(rate?).ok();
        Some(Past { at_ms: row.started_ts, rate: number(row.rate)?, control_rate: number(row.control_rate)? })
    };
    rows.iter().filter_map(one).collect()
}

impl Probes {
    /// Results before a run (the newest first), of all hosts or of one; the run to go on with, if there are more.
    pub async fn history(&self, before: Option<i64>, host: Option<String>) -> Result<(Vec<Shown>, Option<i64>)> {
        let before = before.unwrap_or(i64::MAX);
        let (rows, vantages) = self
            .store
            .read(move |snapshot| async move {
                let rows = probes::page(&snapshot, before, host.as_deref(), PAGE).await?;
                Ok::<_, StoreError>((rows, probes::vantages(&snapshot).await?))
            })
            .await?;
        let more = i64::try_from(rows.len()).unwrap_or(PAGE) == PAGE;
        // The last run may have further targets on the next page; whoever goes on gets it whole.
        let next = rows.last().filter(|_| more).map(|row| row.run_num + 1);
        let shown = rows.into_iter().map(|row| Shown {
            run: row.run_num,
            vantage: vantages
                .iter()
                .find(|vantage| vantage.vantage_num == row.vantage_num)
                .map(|vantage| vantage.name.clone())
                .or_else(|| (row.vantage_num != probes::OWN).then(|| "(dismissed)".to_owned())),
            started_ts: row.started_ts,
            host: row.host,
            port: row.port,
            verdict: row.verdict,
            evidence: serde_json::from_str(&row.evidence).unwrap_or_default(),
            rates: (row.rate, row.control_rate),
        });
        Ok((shown.collect(), next))
    }

    /// A whole run.
    pub async fn one(&self, run_num: i64) -> Result<Report> {
        let row = self.store.read(move |snapshot| async move { probes::one(&snapshot, run_num).await }).await?;
        let row = row.ok_or_else(|| not_found(format!("There is no run {run_num}.")))?;
        serde_json::from_str(&row.report).map_err(Error::internal)
    }

    /// What this server itself saw last, as others may know it.
    pub async fn outside(&self) -> Result<Vec<Outside>> {
        let row = self.store.read(|snapshot| async move { probes::newest(&snapshot, probes::OWN).await }).await?;
        let Some(row) = row else { return Ok(Vec::new()) };
        let report: Report = serde_json::from_str(&row.report).map_err(Error::internal)?;
        Ok(report.outside())
    }
}
