//! Results of probes that were never made: what a history shows is put there.

use domicile_residency::interference::{Kind, Measurement, Report, Run, Target, Verdict};
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
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == seen.verdict).expect("a verdict");
        let target = Target { host: seen.host.to_owned(), port: 443, path: "/".to_owned(), ..Target::default() };
        let run = Run {
            started_ms: started_ts,
            measurements: vec![Measurement { target, ..Measurement::default() }],
            ..Run::default()
        };
        let evidence = seen.evidence.iter().map(|reason| (*reason).to_owned()).collect();
        let verdicts = vec![Verdict { kind, evidence }];
        let report = serde_json::to_string(&Report { run, verdicts }).expect("a report");
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
            country: None,
        };
        let mut batch = Batch::new();
        probes::insert(&mut batch, run, vec![result]);
        self.store.write(batch).await.expect("a result");
    }
}
