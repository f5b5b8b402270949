//! GET /metrics (Prometheus's text format)
//!
//! Routes are named by their patterns: no user, room or destination is ever in a metric.

use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{Method, StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use domicile_app::{
    blocklists::{Blocklists, Gauge},
    federation::{Outbound, Peers, outbound::Count},
    push::Gateways,
    residency::Cuts,
    standing::{Alerts, KeyNotices},
};
use parking_lot::Mutex;

/// Upper bounds of the histogram of latencies, in seconds.
const BOUNDS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

#[derive(Default)]
struct Route {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

/// Counts of requests.
#[derive(Default)]
pub struct Metrics {
    routes: Mutex<BTreeMap<(Verb, String, u16), Route>>,
}

/// A method that can be a key in an ordered map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Verb(String);

impl Metrics {
    /// Counts a request.
    pub fn count(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut routes = self.routes.lock();
        // Anybody can make up methods: each by its name would fill the memory.
        let method = match *method {
            Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::OPTIONS | Method::HEAD => {
                method.as_str()
            }
            _ => "other",
        };
        let key = (Verb(method.to_owned()), route.to_owned(), status.as_u16());
        let route = routes.entry(key).or_default();
        route.count += 1;
        route.seconds += seconds;
        for (bucket, bound) in route.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// Everything in Prometheus's text format.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# HELP domicile_http_request_seconds Time to answer a request, by route.\n# TYPE domicile_http_request_seconds histogram\n",
        );
        for ((method, route, status), counts) in self.routes.lock().iter() {
            let labels = format!("method=\"{}\",route=\"{route}\",status=\"{status}\"", method.0);
            for (bucket, bound) in counts.buckets.iter().zip(BOUNDS) {
                let _ = writeln!(out, "domicile_http_request_seconds_bucket{{{labels},le=\"{bound}\"}} {bucket}");
            }
            let _ = writeln!(out, "domicile_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {}", counts.count);
            let _ = writeln!(out, "domicile_http_request_seconds_sum{{{labels}}} {}", counts.seconds);
            let _ = writeln!(out, "domicile_http_request_seconds_count{{{labels}}} {}", counts.count);
        }
        process(&mut out);
        out
    }
}

/// CPU time and memory of this process, where the system tells them.
fn process(out: &mut String) {
    // Ticks of /proc are hundredths of a second on every Linux that this runs on.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    if let (Some(Ok(user)), Some(Ok(system))) =
        (fields.get(11).map(|field| field.parse::<f64>()), fields.get(12).map(|field| field.parse::<f64>()))
    {
        let _ = writeln!(
            out,
            "# HELP process_cpu_seconds_total CPU time spent.\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {}",
            (user + system) / 100.0
        );
    }
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    if let Some(Ok(pages)) = statm.split_whitespace().nth(1).map(str::parse::<u64>) {
        let _ = writeln!(
            out,
            "# HELP process_resident_memory_bytes Resident memory.\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}",
            pages * 4096
        );
    }
}

/// Requests to push gateways by outcome, in Prometheus's text format.
fn pushes(out: &mut String, gateways: &Gateways) {
    out.push_str("# HELP domicile_push_requests_total Requests to push gateways, by outcome.\n# TYPE domicile_push_requests_total counter\n");
    for (outcome, count) in gateways.counts() {
        let _ = writeln!(out, "domicile_push_requests_total{{outcome=\"{outcome}\"}} {count}");
    }
}

/// Requests to other servers by outcome, in Prometheus's text format.
fn asked(out: &mut String, peers: &Peers) {
    out.push_str("# HELP domicile_federation_requests_total Requests to other servers, by outcome.\n# TYPE domicile_federation_requests_total counter\n");
    for (outcome, count) in peers.counts() {
        let _ = writeln!(out, "domicile_federation_requests_total{{outcome=\"{outcome}\"}} {count}");
    }
}

/// Which of a count's numbers.
type Part = fn(&Count) -> u64;

/// What other servers were told by outcome, in Prometheus's text format; by server, too, if the operator wants that.
fn told(out: &mut String, outbound: &Outbound) {
    let counts = outbound.counts();
    let all = counts.by_outcome();
    let named = counts.by_destination();
    let parts: [(&str, &str, Part); 3] = [
        ("transactions", "Transactions to other servers", |count| count.transactions),
        ("pdus", "Events in transactions to other servers", |count| count.pdus),
        ("edus", "What else was in transactions to other servers", |count| count.edus),
    ];
    for (name, help, number) in parts {
        let metric = format!("domicile_federation_sent_{name}_total");
        let _ = writeln!(out, "# HELP {metric} {help}, by outcome.\n# TYPE {metric} counter");
        for (outcome, count) in &all {
            let _ = writeln!(out, "{metric}{{outcome=\"{outcome}\"}} {}", number(count));
        }
        for (destination, count) in
            named.iter().flat_map(|(name, counts)| counts.iter().map(move |count| (name, count)))
        {
            let (outcome, count) = count;
            let metric = format!("domicile_federation_destination_{name}_total");
            let _ = writeln!(out, "{metric}{{destination=\"{destination}\",outcome=\"{outcome}\"}} {}", number(count));
        }
    }
    let metric = "domicile_federation_refused_pdus_total";
    let _ = writeln!(out, "# HELP {metric} Events that other servers did not like.\n# TYPE {metric} counter");
    let _ = writeln!(out, "{metric} {}", counts.refused_pdus());
}

/// Registers of what is blocked, in Prometheus's text format.
fn blocked(out: &mut String, blocklists: &Blocklists) {
    let gauges = blocklists.gauges();
    let mut all = |name: &str, help: &str, number: &dyn Fn(&Gauge) -> Option<i64>| {
        let metric = format!("domicile_blocklist_{name}");
        let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} gauge");
        for (blocklist, gauge) in &gauges {
            if let Some(number) = number(gauge) {
                let _ = writeln!(out, "{metric}{{blocklist=\"{blocklist}\"}} {number}");
            }
        }
    };
    let count = |number: u64| i64::try_from(number).ok();
    all("listed", "Names and addresses of ours that are listed.", &|gauge| count(gauge.listed));
    all("near", "Names and addresses of ours that are near to what is listed.", &|gauge| count(gauge.near));
    all("whole", "Whether the register was whole when it was read last.", &|gauge| Some(i64::from(gauge.whole)));
    all("entries", "Entries when it was whole last.", &|gauge| Some(gauge.entries));
    all("read_timestamp_seconds", "When it was read last.", &|gauge| gauge.read_ts.map(|ts| ts / 1_000));
    let metric = "domicile_blocklist_alerts_total";
    let _ = writeln!(out, "# HELP {metric} Alerts about registers, by kind.\n# TYPE {metric} counter");
    for ((blocklist, kind), count) in blocklists.counts() {
        let _ = writeln!(out, "{metric}{{blocklist=\"{blocklist}\",kind=\"{kind}\"}} {count}");
    }
}

/// Alerts that stand, by kind, in Prometheus's text format.
fn alerts(out: &mut String, alerts: &Alerts) {
    out.push_str("# HELP domicile_alerts Alerts whose cause is there, by kind.\n# TYPE domicile_alerts gauge\n");
    for (kind, count) in alerts.counts() {
        let _ = writeln!(out, "domicile_alerts{{kind=\"{kind}\"}} {count}");
    }
}

/// What was noticed of the keys and joins of other cells' people, by kind, in Prometheus's text format.
fn keys(out: &mut String, notices: &KeyNotices) {
    out.push_str("# HELP domicile_key_incidents Incidents with keys, devices and joins of other cells' people in the last 90 days, by kind.\n# TYPE domicile_key_incidents gauge\n");
    for (kind, count) in notices.incidents().counts() {
        let _ = writeln!(out, "domicile_key_incidents{{kind=\"{kind}\"}} {count}");
    }
}

/// Other cells that are not reached, in Prometheus's text format. Which they are is in `domicile deployment status`.
fn cut_off(out: &mut String, cuts: &Cuts) {
    let gauge = cuts.gauge();
    let mut one = |name: &str, help: &str, number: i64| {
        let metric = format!("domicile_cut_{name}");
        let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} gauge\n{metric} {number}");
    };
    one("cells", "Other cells that have not been reached for so long that people are told.", gauge.cells.cast_signed());
    one("longest_seconds", "For how long the first of them has not been reached.", gauge.longest_ms / 1_000);
    let waiting = gauge.waiting;
    one("waiting_removals", "Removals and bans that wait for them.", waiting.removals + waiting.bans);
    one("waiting_sign_outs", "Devices that were signed out meanwhile.", waiting.sign_outs);
    one("waiting_messages", "Messages and other events that wait for them.", waiting.messages);
}

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// Requests to this server.
    pub metrics: Arc<Metrics>,
    /// Requests to push gateways.
    pub gateways: Arc<Gateways>,
    /// Requests to other servers.
    pub peers: Arc<Peers>,
    /// What other servers are told.
    pub outbound: Arc<Outbound>,
    /// Registers of what is blocked.
    pub blocklists: Arc<Blocklists>,
    /// What the operator is to know.
    pub alerts: Arc<Alerts>,
    /// What was noticed of the keys of others.
    pub key_notices: Arc<KeyNotices>,
    /// Other cells that are not reached.
    pub cuts: Arc<Cuts>,
}

/// The route.
pub fn routes(sources: Sources) -> Router {
    Router::new().route(
        "/metrics",
        get(move || async move {
            let mut text = sources.metrics.text();
            pushes(&mut text, &sources.gateways);
            asked(&mut text, &sources.peers);
            told(&mut text, &sources.outbound);
            blocked(&mut text, &sources.blocklists);
            alerts(&mut text, &sources.alerts);
            keys(&mut text, &sources.key_notices);
            cut_off(&mut text, &sources.cuts);
            ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route() {
        let metrics = Metrics::default();
        metrics.count(&Method::GET, "/a/{b}", StatusCode::OK, Duration::from_millis(5));
        metrics.count(&Method::GET, "/a/{b}", StatusCode::OK, Duration::from_secs(100));
        let text = metrics.text();
        assert!(text.contains("seconds_count{method=\"GET\",route=\"/a/{b}\",status=\"200\"} 2"), "{text}");
        assert!(text.contains("le=\"0.01\"} 1"), "{text}");
        for method in ["MADE", "UP"] {
            metrics.count(&method.parse().unwrap(), "/a/{b}", StatusCode::METHOD_NOT_ALLOWED, Duration::ZERO);
        }
        let text = metrics.text();
        assert!(text.contains("seconds_count{method=\"other\",route=\"/a/{b}\",status=\"405\"} 2"), "{text}");
        assert!(!text.contains("MADE"), "{text}");
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
}
