//! How fast something comes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use domicile_residency::interference::{
    Failure,
    measurement::{Download, READS, Sni},
};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::{
    Probe, http,
    lap::{Lap, ms},
    tcp, tls,
};

/// Bytes that are fetched.
const BYTES: u64 = 64 * 1024;
/// How long that may take.
const TIME: Duration = Duration::from_millis(2_500);
/// Whatever is whole and smaller than this says nothing about speed.
const LEAST: u64 = 16 * 1024;

/// What is fetched, and from where.
pub(super) struct From<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) path: &'a str,
    pub(super) address: SocketAddr,
}

/// Fetches, on a connection of its own. Connecting is not counted.
pub(super) async fn download(probe: &Probe, lap: Lap, from: From<'_>) -> Download {
    let began = Instant::now();
    let host = if from.host.contains(':') { format!("[{}]", from.host) } else { from.host.to_owned() };
    let url = format!("https://{host}:{}{}", from.port, from.path);
    let mut noted = Download { url, address: Some(from.address), ..Download::default() };
    let (connected, stream) = tcp::connect(&probe.guard, lap, from.address).await;
    let Some(stream) = stream else {
        (noted.failure, noted.when) = (connected.failure, lap.span(began));
        return noted;
    };
    let (shaken, stream) =
        tls::handshake(probe, lap, (stream, Arc::default()), (from.address, from.host, Sni::Real)).await;
    if shaken.answered && shaken.failure == Some(Failure::Timeout) {
        // So slow that not even this came to an end.
        noted.when = lap.span(began);
        return noted;
    }
    let Some(stream) = stream.filter(|_| shaken.is_good()) else {
        (noted.failure, noted.when) = (shaken.failure.or(shaken.invalid), lap.span(began));
        return noted;
    };
    let asked = Instant::now();
    noted.failure = fetch(stream, &from, asked, &mut noted).await.err();
    noted.when = lap.span(asked);
    if noted.failure.is_none() && noted.whole && noted.bytes < LEAST {
        noted.failure = Some(Failure::other("too little to tell a speed from"));
    }
    noted
}

async fn fetch(stream: tls::Encrypted, from: &From<'_>, asked: Instant, noted: &mut Download) -> Result<(), Failure> {
    let until = asked + TIME;
    let Ok(response) = timeout_at(until, http::begin(stream, from.host, from.port, from.path)).await else {
        return Ok(());
    };
    let response = response?;
    if !response.status().is_success() {
        return Err(Failure::other(format_args!("status {}", response.status().as_u16())));
    }
    let mut body = response.into_body();
    while noted.bytes < BYTES {
        let Ok(frame) = timeout_at(until, body.frame()).await else { return Ok(()) };
        let Some(frame) = frame else {
            noted.whole = true;
            return Ok(());
        };
        let Ok(data) = frame.map_err(|error| http::of_hyper(&error))?.into_data() else { continue };
        noted.bytes += u64::try_from(data.len()).unwrap_or_default();
        if noted.reads.len() < READS {
            noted.reads.push((ms(asked.elapsed()), u32::try_from(data.len()).unwrap_or(u32::MAX)));
        }
    }
    noted.whole = true;
    Ok(())
}
