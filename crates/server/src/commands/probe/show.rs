//! A report for people.

use domicile_residency::interference::{Kind, Report, Role, measurement::Measurement, ooni};

use crate::commands::say;

pub(super) fn report(report: &Report, silent: &[String]) -> anyhow::Result<()> {
    let run = &report.run;
    let place =
        [&run.vantage.country, &run.vantage.network].into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
    let place = if place.is_empty() { String::new() } else { format!(" from {place}") };
    say(&format!(
        "Seen{place} on {} (UTC), in {:.1} s",
        ooni::timestamp(run.started_ms),
        f64::from(run.took_ms) / 1_000.0
    ))?;
    for (measurement, verdict) in report.judged() {
        say("")?;
        say(&format!(
            "{}  {}{}",
            mark(verdict.kind),
            plain(&measurement.target.url()),
            purpose(measurement.target.role)
        ))?;
        say(&format!("      {}", meaning(verdict.kind)))?;
        for said in &verdict.evidence {
            say(&format!("      - {}", plain(said)))?;
        }
        if let Some(speed) = speed(measurement) {
            say(&format!("      - {speed}"))?;
        }
    }
    for place in silent {
        say(&format!("\nAnother place could not be asked: {}", plain(place)))?;
    }
    say("")
}

fn mark(kind: Kind) -> &'static str {
    match kind {
        Kind::Ok => "ok  ",
        Kind::Inconclusive => "?   ",
        _ => "BAD ",
    }
}

fn purpose(role: Role) -> &'static str {
    match role {
        Role::Client => "  (clients)",
        Role::Federation => "  (other servers)",
        Role::Name => "  (the name itself)",
        Role::Other => "",
    }
}

/// What a kind means to somebody who never heard of it.
fn meaning(kind: Kind) -> String {
    let told = match kind {
        Kind::Ok => "it works",
        Kind::DnsTampering => "the name system gives a false answer here",
        Kind::AddressBlocked => "its address is blocked here",
        Kind::SniReset => "connections are torn down here when its name is seen in them",
        Kind::SniDropped => "connections fall silent here when its name is seen in them",
        Kind::TlsMitm => "somebody else answers in its place, with a certificate of their own",
        Kind::BlockPage => "somebody else's page is shown here in its place",
        Kind::Throttled => "it is held back here",
        Kind::Down => "it works nowhere",
        Kind::NetworkDown => "nothing works here: this network is down",
        Kind::Inconclusive => "it cannot be said whether it is interfered with",
    };
    format!("{}: {told}", kind.name())
}

fn speed(measurement: &Measurement) -> Option<String> {
    let rate = measurement.downloads.iter().filter_map(domicile_residency::interference::Download::rate).max()?;
    Some(format!("it gave up to {} KiB a second", rate / 1_024))
}

/// What partly comes from strangers, without what could move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
