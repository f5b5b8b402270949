//! A run with what follows from it.

use serde::{Deserialize, Serialize};

use super::{
    measurement::{Measurement, Run},
    outside::Outside,
    verdict::{Company, Kind, Past, Verdict, judge_among},
};

/// A run and its verdicts, one for each measurement, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What was seen.
    pub run: Run,
    /// What follows.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Judges a run. `outside` is what other places saw, of whatever targets and times; `past` gives the earlier speeds at a target.
    pub fn of(run: Run, outside: &[Outside], mut past: impl FnMut(&Measurement) -> Vec<Past>) -> Self {
        let company = Company::of(&run);
        let verdicts = run
            .measurements
            .iter()
            .map(|measurement| {
                let target = &measurement.target;
                let seen = Outside::best(outside, &target.host, target.port, run.started_ms);
                judge_among(measurement, &run.control, seen, &past(measurement), &company)
            })
            .collect();
        Self { run, verdicts }
    }

    /// Each measurement with its verdict.
    pub fn judged(&self) -> impl Iterator<Item = (&Measurement, &Verdict)> {
        self.run.measurements.iter().zip(&self.verdicts)
    }

    /// What others may know of it, to judge what they see.
    pub fn outside(&self) -> Vec<Outside> {
        self.judged().filter_map(|(measurement, verdict)| Outside::of(&self.run, measurement, verdict)).collect()
    }

    /// The earlier speeds at a target that are in these reports.
    pub fn past<'a>(reports: impl IntoIterator<Item = &'a Self>, measurement: &Measurement) -> Vec<Past> {
        let of_target = |report: &Self| {
            let (run, kept) = (&report.run, report.judged());
            let mut same = kept.filter(|(earlier, verdict)| {
                earlier.target.host == measurement.target.host
                    && earlier.target.port == measurement.target.port
                    // What is held back tells nothing of how it was before.
                    && verdict.kind == Kind::Ok
            });
            same.find_map(|(earlier, _)| Past::of(run.started_ms, earlier, &run.control))
        };
        reports.into_iter().filter_map(of_target).collect()
    }
}
