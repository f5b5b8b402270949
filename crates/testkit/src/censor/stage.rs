//! The hosts, what runs on them, and a run of `domicile probe` among them.

use std::fmt::Write as _;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{
    deed::Deed,
    middlebox::{Censor, Places},
    servers::{self, Authority, Page, Site, Zone},
};
use crate::link::{Network, Quality};

/// What all names end with, and the target's.
const DOMAIN: &str = "example.test";
const NAME: &str = "matrix.example.test";
/// Whoever is behind the censor.
const VICTIM: &str = "probe";
/// 10 kbit/s.
const THROTTLED: u64 = 1_250;
/// Where the ministry is.
const MINISTRY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// Earlier runs that are made before somebody is held back.
const EARLIER: usize = 3;

/// What one run said.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The verdicts' names, one for each target.
    pub kinds: Vec<String>,
    /// On what they rest.
    pub evidence: Vec<Vec<String>>,
    /// How long the run took, in milliseconds.
    pub took_ms: u64,
}

/// Hosts with their programs.
pub struct Stage {
    // What runs on the hosts ends before they do.
    _programs: Vec<Runtime>,
    network: Network,
    places: Places,
    domicile: PathBuf,
    folder: tempfile::TempDir,
    targets: usize,
}

impl Stage {
    /// Sets everything up. `domicile` is the program; `targets` are the names that it is to look at, all of one host.
    pub fn new(seed: u64, domicile: &Path, targets: usize) -> Result<Self> {
        let mut network = Network::of(seed, [VICTIM, "abroad", "target", "names", "trusted", "control"])?;
        // Not in one network with the target: hosts of one name often are.
        network.add_host_at("ministry", &[MINISTRY.into()])?;
        let at = |name: &str| -> Result<Ipv4Addr> {
            match network.host(name)?.address()? {
                IpAddr::V4(address) => Ok(address),
                IpAddr::V6(address) => bail!("{name} has no address of IPv4, but {address}"),
            }
        };
        let (target, control, trusted) = (at("target")?, at("control")?, at("trusted")?);
        let (names, ministry) = (at("names")?, at("ministry")?);
        let zone: Zone = Arc::new(move |name| match name.strip_suffix(DOMAIN)?.trim_end_matches('.') {
            "control" => Some(control),
            "dns" => Some(trusted),
            // Each target has a name of its own before the common one.
            of_target if of_target.ends_with("matrix") => Some(target),
            _ => None,
        });
        let (good, bad) = (Authority::new("Domicile's test authority")?, Authority::new("The ministry's authority")?);
        let folder = tempfile::tempdir().context("making a folder")?;
        let own: Vec<String> = (0..targets).map(name_of).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let mut programs = Vec::new();
        let certificate = good.acceptor(&own, b"http/1.1")?;
        programs.push(servers::on(network.host("target")?, || async {
            servers::https(certificate, site(matrix)).await?;
            servers::http(site(|path| Page::Elsewhere(format!("https://{NAME}{path}")))).await
        })?);
        let certificate = good.acceptor(&["control.example.test"], b"http/1.1")?;
        programs.push(servers::on(network.host("control")?, || servers::https(certificate, site(elsewhere)))?);
        let known = Arc::clone(&zone);
        programs.push(servers::on(network.host("names")?, || servers::name_server(known))?);
        let certificates = [&b"dot"[..], b"h2"].map(|alpn| good.acceptor(&["dns.example.test"], alpn));
        let [over_tls, over_https] = certificates;
        let (over_tls, over_https) = (over_tls?, over_https?);
        programs.push(servers::on(network.host("trusted")?, || async {
            servers::name_server(Arc::clone(&zone)).await?;
            servers::encrypted_name_server(over_tls, over_https, zone).await
        })?);
        let certificate = bad.acceptor(&own, b"http/1.1")?;
        programs.push(servers::on(network.host("ministry")?, || async {
            servers::https(certificate, site(blocked)).await?;
            servers::http(site(blocked)).await
        })?);
        let stage = Self {
            _programs: programs,
            network,
            places: Places { target, ministry },
            domicile: domicile.to_owned(),
            folder,
            targets,
        };
        stage.write(&good.pem(), names, trusted)?;
        stage.before()?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, authority: &str, names: Ipv4Addr, trusted: Ipv4Addr) -> Result<()> {
        let write =
            |name: &str, text: String| fs::write(self.path(name), text).with_context(|| format!("writing {name}"));
        write("ca.pem", authority.to_owned())?;
        write("resolv.conf", format!("nameserver {names}\n"))?;
        let (ca, data) = (self.path("ca.pem"), self.path("data"));
        write(
            "domicile.toml",
            format!(
                "[server]\ndata_dir = \"{}\"\n\n[egress]\nallow_addresses = [\"10.76.0.0/14\"]\nca_files = [\"{}\"]\n\n[logging]\nlevel = \"error\"\n",
                data.display(),
                ca.display()
            ),
        )?;
        let mut deployment = format!(
            "[probe]\nresolvers = [\"udp://{trusted}\", \"tcp://{trusted}\", \"tls://dns.{DOMAIN}@{trusted}\", \"https://dns.{DOMAIN}@{trusted}/dns-query\"]\n\
             controls = [\"https://control.{DOMAIN}/\"]\ncontrol_download = \"https://control.{DOMAIN}/download\"\nneutral_name = \"neutral.{DOMAIN}\"\n"
        );
        for number in 0..self.targets {
            let url = format!("https://{}/_matrix/client/versions", name_of(number));
            let _ = write!(deployment, "\n[[target]]\nurl = {url:?}\ndownload = \"/download\"\n");
        }
        write("deployment.toml", deployment)
    }

    /// What is known before anything is done: how it looks from abroad, and how fast it was here.
    fn before(&self) -> Result<()> {
        let abroad = self.probe("abroad", &[])?;
        fs::write(self.path("outside.json"), abroad.to_string()).context("writing what is seen abroad")?;
        for _ in 0..EARLIER {
            self.probe(VICTIM, &["--past", &self.path("past.jsonl").to_string_lossy()])?;
        }
        Ok(())
    }

    /// Does it to whoever is behind the censor, and has the probe run so often, all at once.
    pub fn run(&self, deed: Deed, times: usize) -> Result<Vec<Seen>> {
        self.begin(deed)?;
        if deed == Deed::TargetDown {
            // From one place nobody can know whether it is blocked or down; from two, they can.
            let abroad = self.probe("abroad", &[])?;
            fs::write(self.path("outside-down.json"), abroad.to_string()).context("writing what is seen abroad")?;
        }
        let seen: Vec<Result<Seen>> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..times).map(|number| scope.spawn(move || self.once(deed, number))).collect();
            runs.into_iter().map(|run| run.join().unwrap_or_else(|_| bail!("a run panicked"))).collect()
        });
        self.end()?;
        seen.into_iter().collect()
    }

    /// Does it to whoever is behind the censor, and gives everything that one run of the probe says, as it prints it.
    pub fn report(&self, deed: Deed) -> Result<Value> {
        self.begin(deed)?;
        let said = self.answer(deed, 0);
        self.end()?;
        said
    }

    fn once(&self, deed: Deed, number: usize) -> Result<Seen> {
        let answer = self.answer(deed, number)?;
        let report = &answer["report"];
        let verdicts = report["verdicts"].as_array().context("the probe gives no verdicts")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Seen {
            kinds: verdicts.iter().map(|verdict| text(&verdict["kind"])).collect(),
            evidence: verdicts
                .iter()
                .map(|verdict| verdict["evidence"].as_array().into_iter().flatten().map(text).collect())
                .collect(),
            took_ms: report["run"]["took_ms"].as_u64().unwrap_or_default(),
        })
    }

    fn answer(&self, deed: Deed, number: usize) -> Result<Value> {
        // Each run adds to a file of its own, so that all begin from the same past.
        let past = self.path(&format!("past-{number}.jsonl"));
        fs::copy(self.path("past.jsonl"), &past).context("copying the past")?;
        let outside = self.path(if deed == Deed::TargetDown { "outside-down.json" } else { "outside.json" });
        self.probe(VICTIM, &["--past", &past.to_string_lossy(), "--outside", &outside.to_string_lossy()])
    }

    fn begin(&self, deed: Deed) -> Result<()> {
        self.network.place(Censor::new(deed, self.places, VICTIM, NAME));
        let others = ["target", "names", "trusted", "control", "ministry"];
        let quality = |delay: u64| Quality::perfect().loss(0.05).delay(Duration::from_millis(delay));
        for other in others {
            let link = self.network.link(VICTIM, other)?;
            match deed {
                Deed::BadNetwork => link.set(quality(150)),
                Deed::WorseNetwork => link.set(quality(300)),
                Deed::NetworkDown => link.cut(),
                Deed::Throttled if other == "target" => link.set_back(Quality::perfect().rate(THROTTLED)),
                Deed::TargetDown if other == "target" => link.cut(),
                _ => {}
            }
        }
        if deed == Deed::TargetDown {
            self.network.cut("abroad", "target")?;
        }
        Ok(())
    }

    fn end(&self) -> Result<()> {
        self.network.remove_middlebox();
        for other in ["target", "names", "trusted", "control", "ministry"] {
            let link = self.network.link(VICTIM, other)?;
            link.set(Quality::perfect());
            link.heal();
        }
        self.network.heal("abroad", "target")
    }

    /// The program's answer. That not all is well is no error of its.
    fn probe(&self, host: &str, more: &[&str]) -> Result<Value> {
        // The machine's name servers are those of a file, and only the program's own view of that file is changed.
        let script = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";
        let mut command: Command = self.network.host(host)?.command("sh");
        command.args(["-c", script, "sh"]).arg(self.path("resolv.conf")).arg(&self.domicile);
        command.arg("--config").arg(self.path("domicile.toml"));
        command.args(["probe", "--json", "--deployment"]).arg(self.path("deployment.toml")).args(more);
        let output = command.stdin(Stdio::null()).output().context("starting the probe")?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("the probe said no JSON, but: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// The name of a target.
fn name_of(number: usize) -> String {
    if number == 0 { NAME.to_owned() } else { format!("t{number}.{NAME}") }
}

fn site(answer: impl Fn(&str) -> Page + Send + Sync + 'static) -> Site {
    Arc::new(answer)
}

/// What does not get smaller when it is pressed matters little here, but it is what the server itself gives.
fn download() -> Page {
    Page::Text(200, "application/octet-stream", Bytes::from(vec![b'd'; 64 * 1024]))
}

fn matrix(path: &str) -> Page {
    match path {
        "/_matrix/client/versions" => {
            Page::Text(200, "application/json", Bytes::from_static(br#"{"versions":["v1.18"]}"#))
        }
        "/download" => download(),
        _ => Page::Text(404, "application/json", Bytes::from_static(br#"{"errcode":"M_UNRECOGNIZED"}"#)),
    }
}

fn elsewhere(path: &str) -> Page {
    if path == "/download" { download() } else { Page::Text(200, "text/plain", Bytes::from_static(b"hello")) }
}

fn blocked(_: &str) -> Page {
    let page = "<html><title>Not available</title><script>alert(1)</script>By order of the ministry.</html>";
    Page::Text(200, "text/html", Bytes::from_static(page.as_bytes()))
}
