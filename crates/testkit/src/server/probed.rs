//! Results of probes that were never made: what a history shows is put there.

use domicile_store::{
    Batch,
    table::probes::{self, ProbeResult, ProbeRun},
};

use super::TestServer;

/// A result of a probe.
#[derive(Clone, Debug)]
pub struct Probed<'p> {
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The address that was looked at.
    pub host: &'p str,
    /// The verdict's name.
    pub verdict: &'p str,
    /// On what it rests.
    pub evidence: &'p [&'p str],
    /// Bytes a second from it, and from elsewhere.
    pub rates: (Option<i64>, Option<i64>),
}

impl TestServer {
    /// Puts a result into the history, as a run of its own with this number.
    pub async fn probed(&self, run_num: i64, seen: Probed<'_>) {
        let started_ts = seen.at;
        let report = serde_json::json!({ "run": { "started_ms": started_ts }, "verdicts": [] }).to_string();
        let run = ProbeRun { run_num, vantage_num: probes::OWN, started_ts, may_publish: false, report };
        let result = ProbeResult {
            run_num,
            ordinal: 0,
            vantage_num: probes::OWN,
            started_ts,
            host: seen.host.to_owned(),
            port: 443,
            verdict: seen.verdict.to_owned(),
            evidence: serde_json::to_string(seen.evidence).expect("texts"),
            rate: seen.rates.0,
            control_rate: seen.rates.1,
        };
        let mut batch = Batch::new();
        probes::insert(&mut batch, run, vec![result]);
        self.store.write(batch).await.expect("a result");
    }
}
