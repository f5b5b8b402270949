//! Reporting what was seen from a vantage: what its volunteer must know first, and the key that signs.

use std::{
    fs::OpenOptions,
    io::{BufRead, IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use domicile_app::probes::vantages::{Signed, Told};
use domicile_core::rng::{self, OsRng};
use domicile_egress::{Client, Trust, client::Bounds};
use domicile_residency::interference::{Run, Target};
use http_body_util::Full;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::{commands::say, wire::probe};

const PATH: &str = "/_domicile/probe/v1/reports";
/// What handing in a report may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_mins(1), bytes: 64 * 1024 };

/// What a volunteer must know. It stands on the screen before anything is sent anywhere.
fn warning(targets: &[Target], to: &str, key: &Path) -> String {
    let hosts: Vec<&str> = targets.iter().map(|target| target.host.as_str()).collect();
    format!(
        "Before you go on:\n\
         \n\
         This looks from your machine whether {} can be reached, and tells {to} what it saw.\n\
         \n\
         - Whoever watches this network can see that your machine asks for these names and connects to them, again and again, in an unusual way.\n\
         \x20 In some countries that alone can bring you trouble. Do not do it where you would not open the service itself.\n\
         - What is sent: times, answers of name servers, certificates, answers to requests for what everybody may read, and the country and the\n\
         \x20 network if you gave them. Name servers' answers can tell roughly where you are.\n\
         - What is not sent and not kept: your address, your name, anything about the rest of your machine. The server sees the address that the\n\
         \x20 report comes from, as any server does, and does not keep it. Where even that is too much, report from another network.\n\
         - The report is signed with a key of its own ({}). Delete that file when you like: nothing connects you with what you sent, then.\n\
         - Nothing is published, unless you add --publish.\n",
        hosts.join(", "),
        key.display()
    )
}

/// Asks the volunteer, unless they have said yes on the command line.
pub(super) fn consent(targets: &[Target], to: &str, key: &Path, given: bool) -> anyhow::Result<()> {
    if given {
        return Ok(());
    }
    let text = warning(targets, to, key);
    let mut out = std::io::stderr();
    writeln!(out, "{text}").context("cannot write")?;
    ensure!(std::io::stdin().is_terminal(), "nobody is there to answer: whoever has read the above adds --consent");
    write!(out, "Go on? Write yes: ").and_then(|()| out.flush()).context("cannot write")?;
    let mut answer = String::new();
    std::io::stdin().lock().take(64).read_line(&mut answer).context("cannot read the answer")?;
    ensure!(answer.trim().eq_ignore_ascii_case("yes"), "nothing was done");
    Ok(())
}

/// The key of a file, which is made if it is not there.
fn key(path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let about = || format!("the key {}", path.display());
    if path.exists() {
        let text = super::files::text(path, 1_024)?;
        let seed = STANDARD_NO_PAD.decode(text.trim()).with_context(about)?;
        return Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| anyhow::anyhow!("{} is damaged: delete it and ask for a new invitation", about()));
    }
    let seed: [u8; 32] = rng::bytes(&OsRng);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(about)?;
    writeln!(file, "{}", STANDARD_NO_PAD.encode(seed)).with_context(about)?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| anyhow::anyhow!("{} cannot be made", about()))
}

/// Signs a report.
pub(super) fn signed(run: Run, code: &str, publish: bool, path: &Path) -> anyhow::Result<Signed> {
    let key = key(path)?;
    let told = serde_json::to_string(&Told { code: code.to_owned(), publish, run })?;
    let signature = STANDARD_NO_PAD.encode(key.sign(told.as_bytes()));
    Ok(Signed { told, key: STANDARD_NO_PAD.encode(key.public_key()), signature })
}

/// Hands it in.
pub(super) async fn hand_in(trust: &Trust, to: &str, signed: &Signed) -> anyhow::Result<()> {
    let url = probe::https(to)?.join(PATH)?;
    let request = axum::http::Request::post(url.as_str())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(signed)?)))?;
    let answer = Client::new(trust).ask(request, BOUNDS).await.with_context(|| {
        format!("{to} could not be told; if it is blocked here, give the report to it by another way")
    })?;
    if !answer.status().is_success() {
        let told: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        bail!("{to} does not take the report: {}", told["error"].as_str().unwrap_or("it does not say why"));
    }
    say("The report was taken.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_signs_until_it_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let one = signed(Run::default(), "code", false, &path).unwrap();
        assert_eq!(one.key, signed(Run::default(), "code", false, &path).unwrap().key);
        std::fs::remove_file(&path).unwrap();
        assert_ne!(one.key, signed(Run::default(), "code", false, &path).unwrap().key);
        std::fs::write(&path, "nonsense!").unwrap();
        assert!(signed(Run::default(), "code", false, &path).is_err());
    }

    #[test]
    fn nobody_is_asked_to_go_on_without_knowing_what_is_done() {
        let target = Target { host: "m.example".to_owned(), ..Target::default() };
        let text = warning(&[target], "https://eu.example", Path::new("vantage.key"));
        for told in ["m.example", "https://eu.example", "vantage.key", "trouble", "--publish"] {
            assert!(text.contains(told), "{told}");
        }
    }
}
