//! `probe_runs`, `probe_results` and `probe_vantages`: what was seen of the ways to this deployment, and who may report what they see.

use bytes::Bytes;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// The number of the vantage that is the server itself.
pub const OWN: i64 = 0;

/// The guard that [`bind`] places: a conflict means that the vantage has another key already.
pub const KEY_GUARD: &str = "probe_vantages.public_key";

/// A row of `probe_runs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRun {
    /// The number.
    pub run_num: i64,
    /// From where.
    pub vantage_num: i64,
    /// When it began, in milliseconds since the epoch.
    pub started_ts: i64,
    /// Whether whoever made it wants it to be published.
    pub may_publish: bool,
    /// All of it, as JSON.
    pub report: String,
}

/// A row of `probe_results`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The run.
    pub run_num: i64,
    /// Its place in the run, from 0.
    pub ordinal: i64,
    /// From where.
    pub vantage_num: i64,
    /// When the run began, in milliseconds since the epoch.
    pub started_ts: i64,
    /// The target's host.
    pub host: String,
    /// Its port.
    pub port: i64,
    /// The verdict's name.
    pub verdict: String,
    /// On what it rests, as a JSON list of texts.
    pub evidence: String,
    /// Bytes a second from the target.
    pub rate: Option<i64>,
    /// Bytes a second from elsewhere.
    pub control_rate: Option<i64>,
    /// The country from which it was seen, if it was told.
    pub country: Option<String>,
}

/// A row of `probe_vantages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeVantage {
    /// The number.
    pub vantage_num: i64,
    /// What the operator calls it.
    pub name: String,
    /// The key of its reports, once there was one.
    pub public_key: Option<Bytes>,
    /// When it was invited, in milliseconds since the epoch.
    pub created_ts: i64,
}

fn result(row: &Row) -> Result<ProbeResult, StoreError> {
    Ok(ProbeResult {
        run_num: row.int(0)?,
        ordinal: row.int(1)?,
        vantage_num: row.int(2)?,
        started_ts: row.int(3)?,
        host: row.text(4)?.to_owned(),
        port: row.int(5)?,
        verdict: row.text(6)?.to_owned(),
        evidence: row.text(7)?.to_owned(),
        rate: row.opt_int(8)?,
        control_rate: row.opt_int(9)?,
        country: row.opt_text(10)?.map(str::to_owned),
    })
}

fn run(row: &Row) -> Result<ProbeRun, StoreError> {
    Ok(ProbeRun {
        run_num: row.int(0)?,
        vantage_num: row.int(1)?,
        started_ts: row.int(2)?,
        may_publish: row.flag(3)?,
        report: row.text(4)?.to_owned(),
    })
}

fn vantage(row: &Row) -> Result<ProbeVantage, StoreError> {
    Ok(ProbeVantage {
        vantage_num: row.int(0)?,
        name: row.text(1)?.to_owned(),
        public_key: row.opt_blob(2)?,
        created_ts: row.int(3)?,
    })
}

/// At most `limit` results before a run, the newest first: of all hosts, or of one.
pub async fn page(
    snapshot: &Snapshot,
    before: i64,
    host: Option<&str>,
    limit: i64,
) -> Result<Vec<ProbeResult>, StoreError> {
    let rows = match host {
        Some(host) => snapshot
            .query(
                "SELECT run_num, ordinal, vantage_num, started_ts, host, port, verdict, evidence, rate, control_rate, country
                     FROM probe_results WHERE run_num < $1 AND host = $2 ORDER BY run_num DESC, ordinal LIMIT $3",
                &params![before, host, limit],
            )
            .await?,
        None => snapshot
            .query(
                "SELECT run_num, ordinal, vantage_num, started_ts, host, port, verdict, evidence, rate, control_rate, country
                     FROM probe_results WHERE run_num < $1 ORDER BY run_num DESC, ordinal LIMIT $2",
                &params![before, limit],
            )
            .await?,
    };
    rows.iter().map(result).collect()
}

/// The newest results of a target from one vantage that have a verdict.
pub async fn of_target(
    snapshot: &Snapshot,
    vantage_num: i64,
    (host, port): (&str, i64),
    verdict: &str,
    limit: i64,
) -> Result<Vec<ProbeResult>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT run_num, ordinal, vantage_num, started_ts, host, port, verdict, evidence, rate, control_rate, country
             FROM probe_results WHERE vantage_num = $1 AND host = $2 AND port = $3 AND verdict = $4
             ORDER BY started_ts DESC LIMIT $5",
            &params![vantage_num, host, port, verdict, limit],
        )
        .await?;
    rows.iter().map(result).collect()
}

/// At most `limit` results since a time, the newest first.
pub async fn since(snapshot: &Snapshot, since_ts: i64, limit: i64) -> Result<Vec<ProbeResult>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT run_num, ordinal, vantage_num, started_ts, host, port, verdict, evidence, rate, control_rate, country
             FROM probe_results WHERE started_ts >= $1 ORDER BY started_ts DESC, run_num DESC, ordinal LIMIT $2",
            &params![since_ts, limit],
        )
        .await?;
    rows.iter().map(result).collect()
}

/// One run.
pub async fn one(snapshot: &Snapshot, run_num: i64) -> Result<Option<ProbeRun>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT run_num, vantage_num, started_ts, may_publish, report FROM probe_runs WHERE run_num = $1",
            &params![run_num],
        )
        .await?;
    row.as_ref().map(run).transpose()
}

/// The newest run from a vantage.
pub async fn newest(snapshot: &Snapshot, vantage_num: i64) -> Result<Option<ProbeRun>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT run_num, vantage_num, started_ts, may_publish, report FROM probe_runs WHERE vantage_num = $1
             ORDER BY started_ts DESC LIMIT 1",
            &params![vantage_num],
        )
        .await?;
    row.as_ref().map(run).transpose()
}

/// Adds a run with its results.
pub fn insert(batch: &mut Batch, run: ProbeRun, results: Vec<ProbeResult>) {
    batch.push(
        "INSERT INTO probe_runs (run_num, vantage_num, started_ts, may_publish, report) VALUES ($1, $2, $3, $4, $5)",
        params![run.run_num, run.vantage_num, run.started_ts, run.may_publish, run.report],
    );
    for result in results {
        batch.push(
            "INSERT INTO probe_results (run_num, ordinal, vantage_num, started_ts, host, port, verdict, evidence, rate,
             control_rate, country) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            params![
                result.run_num,
                result.ordinal,
                result.vantage_num,
                result.started_ts,
                result.host,
                result.port,
                result.verdict,
                result.evidence,
                result.rate,
                result.control_rate,
                result.country
            ],
        );
    }
}

/// Removes what is older than a time, in milliseconds since the epoch.
pub fn forget(batch: &mut Batch, before_ts: i64) {
    batch.push("DELETE FROM probe_results WHERE started_ts < $1", params![before_ts]);
    batch.push("DELETE FROM probe_runs WHERE started_ts < $1", params![before_ts]);
}

/// All vantages, the oldest first.
pub async fn vantages(snapshot: &Snapshot) -> Result<Vec<ProbeVantage>, StoreError> {
    let rows = snapshot
        .query("SELECT vantage_num, name, public_key, created_ts FROM probe_vantages ORDER BY vantage_num", &[])
        .await?;
    rows.iter().map(vantage).collect()
}

/// The vantage that was invited with a code, by the code's hash.
pub async fn invited(snapshot: &Snapshot, code_hash: &[u8]) -> Result<Option<ProbeVantage>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT vantage_num, name, public_key, created_ts FROM probe_vantages WHERE code_hash = $1",
            &params![code_hash],
        )
        .await?;
    row.as_ref().map(vantage).transpose()
}

/// Adds a vantage; a conflict if there is one of that name.
pub fn invite(batch: &mut Batch, vantage: &ProbeVantage, code_hash: &[u8]) {
    batch.push(
        "INSERT INTO probe_vantages (vantage_num, name, code_hash, created_ts) VALUES ($1, $2, $3, $4)",
        params![vantage.vantage_num, vantage.name.as_str(), code_hash, vantage.created_ts],
    );
}

/// Notes the key of a vantage's first report; a conflict ([`KEY_GUARD`]) if it has another one.
pub fn bind(batch: &mut Batch, vantage_num: i64, public_key: &[u8]) {
    batch.guard(
        KEY_GUARD,
        "UPDATE probe_vantages SET public_key = $2 WHERE vantage_num = $1 AND (public_key IS NULL OR public_key = $2)",
        params![vantage_num, public_key],
    );
}

/// Removes a vantage: its code is good no more. What it reported stays until it is old. A conflict if there is none.
pub fn dismiss(batch: &mut Batch, name: &str) {
    batch.guard("probe_vantages.name", "DELETE FROM probe_vantages WHERE name = $1", params![name]);
}
