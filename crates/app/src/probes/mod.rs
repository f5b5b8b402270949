//! Whether somebody interferes with the ways to this deployment: looking from here, taking the reports of those who were invited to look from
//! elsewhere, and the history of both.

pub mod history;
pub mod vantages;

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, HOUR_MS},
    rng::Rng,
};
use domicile_egress::{Client, client::Bounds, probe::Probe};
use domicile_residency::interference::{Kind, Outside, Report, Target, Vantage};
use domicile_store::{Batch, Store, numbers::Sequence, table::probes};
use http::Uri;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{Error, Result};

/// Where a server tells what it sees.
pub const OUTSIDE_PATH: &str = "/_domicile/probe/v1/outside";
/// What asking another place may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(8), bytes: 256 * 1024 };
/// Earlier runs that speeds are compared with.
const PAST: i64 = 50;
/// How long the schedule waits at most before it looks what is old.
const ROUND_MS: i64 = HOUR_MS;

/// What the operator chose.
#[derive(Clone, Debug, Default)]
pub struct ProbeSettings {
    /// The deployment's addresses.
    pub targets: Vec<Target>,
    /// Other servers of it, whose sight is believed, as `https://…`.
    pub outside: Vec<String>,
    /// From where this server looks.
    pub vantage: Vantage,
    /// How often, in milliseconds; 0: never by itself.
    pub interval_ms: i64,
    /// How long results are kept, in milliseconds.
    pub keep_ms: i64,
    /// Whether those who were invited may report.
    pub reports: bool,
}

/// Looks, takes reports, keeps history.
pub struct Probes {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    settings: ProbeSettings,
    /// Why there is none is told to whoever asks for a run.
    probe: std::result::Result<Probe, String>,
    client: Client,
}

#[derive(Deserialize)]
struct Told {
    outside: Vec<Outside>,
}

impl Probes {
    /// Over a store.
    pub fn new(
        store: Store,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        settings: ProbeSettings,
        probe: std::result::Result<Probe, String>,
        client: Client,
    ) -> Self {
        Self { store, clock, rng, settings, probe, client }
    }

    /// Looks now, judges, and keeps what was seen; gives the run's number, too.
    pub async fn look(&self) -> Result<(i64, Report)> {
        let refused = |why: String| Error::from(domicile_core::error::ErrorKind::InvalidParam.with(why));
        let probe = self.probe.as_ref().map_err(|why| refused(why.clone()))?;
        if self.settings.targets.is_empty() {
            return Err(refused(
                "There is nothing to look at: set server.public_url, server.name or probe.targets.".to_owned(),
            ));
        }
        let run = probe.run(&self.settings.targets, self.clock.now_ms(), self.settings.vantage.clone()).await;
        let mut outside = Vec::new();
        for place in &self.settings.outside {
            match self.ask(place).await {
                Ok(told) => outside.extend(told.outside),
                Err(why) => tracing::warn!(%place, %why, "another place does not tell what it sees of this deployment"),
            }
        }
        let report = self.judge(run, &outside, probes::OWN).await?;
        for (measurement, verdict) in report.judged().filter(|(_, verdict)| verdict.kind != Kind::Ok) {
            tracing::warn!(
                target = %measurement.target.url(), verdict = verdict.kind.name(), evidence = ?verdict.evidence,
                "an address of this deployment could not be seen to work: see `domicile probe history`"
            );
        }
        let number = self.keep(report.clone(), probes::OWN, false).await?;
        Ok((number, report))
    }

    async fn ask(&self, place: &str) -> std::result::Result<Told, String> {
        let address = format!("{}{OUTSIDE_PATH}", place.trim_end_matches('/'));
        let address: Uri = address.parse().map_err(|_| "it is no address".to_owned())?;
        let answer = self.client.get(address, BOUNDS).await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("it answers with status {}", answer.status()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| error.to_string())
    }

    /// Looks again and again, and forgets what is old, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let mut next_ms = self.clock.now_ms();
        loop {
            let now_ms = self.clock.now_ms();
            if self.settings.interval_ms > 0 && next_ms <= now_ms {
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "the deployment's addresses could not be looked at");
                }
                next_ms = now_ms + self.settings.interval_ms;
            }
            if let Err(error) = self.forget().await {
                tracing::warn!(%error, "old results of probes could not be removed");
            }
            let rest_ms =
                if self.settings.interval_ms > 0 { (next_ms - self.clock.now_ms()).min(ROUND_MS) } else { ROUND_MS };
            let rest = Duration::from_millis(u64::try_from(rest_ms).unwrap_or_default().max(1_000));
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Removes what is older than it is to be kept.
    pub async fn forget(&self) -> Result<()> {
        let mut batch = Batch::new();
        batch.low_priority();
        probes::forget(&mut batch, self.clock.now_ms() - self.settings.keep_ms);
        self.store.write(batch).await?;
        Ok(())
    }

    async fn judge(
        &self,
        run: domicile_residency::interference::Run,
        outside: &[Outside],
        vantage_num: i64,
    ) -> Result<Report> {
        let mut past = Vec::new();
        for measurement in &run.measurements {
            let (host, port) = (measurement.target.host.clone(), i64::from(measurement.target.port));
            let rows = self.store.read(move |snapshot| async move {
                probes::of_target(&snapshot, vantage_num, (host.as_str(), port), Kind::Ok.name(), PAST).await
            });
            past.push(history::past(&rows.await?));
        }
        let mut past = past.into_iter();
        // One for each measurement, in their order.
        Ok(Report::of(run, outside, |_| past.next().unwrap_or_default()))
    }

    async fn keep(&self, report: Report, vantage_num: i64, may_publish: bool) -> Result<i64> {
        let run_num = self.store.number(Sequence::ProbeRun).await?;
        let (run, results) = history::rows(report, run_num, vantage_num, may_publish)?;
        let mut batch = Batch::new();
        probes::insert(&mut batch, run, results);
        self.store.write(batch).await?;
        Ok(run_num)
    }
}
