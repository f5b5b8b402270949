//! Asking for something over a connection, in the clear or encrypted, and noting what comes in bounds.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use domicile_residency::interference::{
    Failure,
    measurement::{HEADERS, HttpRequest, PAGE, Target},
};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};

use super::{certificate::hex, lap::Lap};

/// How long an answer may take.
const TIME: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const READ: usize = 64 * 1024;
/// Characters of a header's name and value, and of a title.
const TEXT: usize = 512;

/// What is asked, and of whom.
pub(super) struct Question<'a> {
    pub(super) target: &'a Target,
    pub(super) url: String,
    pub(super) path: &'a str,
    pub(super) address: SocketAddr,
    /// Whether the certificate is good for the target's name.
    pub(super) secure: bool,
}

/// Asks.
pub(super) async fn ask<S>(lap: Lap, stream: S, question: Question<'_>) -> HttpRequest
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let began = Instant::now();
    let mut noted = HttpRequest {
        url: question.url.clone(),
        address: Some(question.address),
        secure: question.secure,
        ..HttpRequest::default()
    };
    match timeout(TIME, answer(stream, &question, &mut noted)).await {
        Ok(Ok(body)) => read(&mut noted, &body, question.target),
        Ok(Err(failure)) => noted.failure = Some(failure),
        Err(_) => noted.failure = Some(Failure::Timeout),
    }
    noted.when = lap.span(began);
    noted
}

async fn answer<S>(stream: S, question: &Question<'_>, noted: &mut HttpRequest) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let response = begin(stream, &question.target.host, question.target.port, question.path).await?;
    noted.status = Some(response.status().as_u16());
    noted.headers = headers(&response);
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Some(data) = frame.map_err(|error| of_hyper(&error))?.into_data().ok() else { continue };
        let room = READ - all.len();
        all.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            noted.truncated = true;
            break;
        }
    }
    Ok(all)
}

/// Sends a request over a connection of its own, and gives the head of the answer.
pub(super) async fn begin<S>(stream: S, host: &str, port: u16, path: &str) -> Result<Response<Incoming>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(100)
        .max_buf_size(READ)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| of_hyper(&error))?;
    // It ends with the answer's body, or when that is dropped.
    tokio::spawn(connection);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let host = if matches!(port, 80 | 443) { host } else { format!("{host}:{port}") };
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "Domicile")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(Failure::other)?;
    sender.send_request(request).await.map_err(|error| of_hyper(&error))
}

/// A failure of a connection that speaks HTTP.
pub(super) fn of_hyper(error: &hyper::Error) -> Failure {
    use std::error::Error;
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref() {
            return super::failure::of_io(error);
        }
        source = inner.source();
    }
    if error.is_incomplete_message() { Failure::Eof } else { Failure::other(error) }
}

fn headers(response: &Response<Incoming>) -> Vec<(String, String)> {
    let short = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(TEXT).collect::<String>();
    let all = response.headers().iter().take(HEADERS);
    all.map(|(name, value)| (short(name.as_str()), short(&String::from_utf8_lossy(value.as_bytes())))).collect()
}

fn read(noted: &mut HttpRequest, body: &[u8], target: &Target) {
    noted.length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    noted.sha256 = hex(&Sha256::digest(body));
    noted.title = title(body);
    let status = noted.status.unwrap_or_default();
    noted.expected = match &target.expects {
        Some(key) => {
            status == 200
                && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)
                    .is_ok_and(|object| object.contains_key(key))
        }
        None => status < 500 && status != domicile_residency::interference::page::UNAVAILABLE_FOR_LEGAL_REASONS,
    };
    // What is as it should be needs no proof.
    if !noted.expected || noted.is_plain() {
        noted.body = String::from_utf8_lossy(&body[..body.len().min(PAGE)]).into_owned();
    }
}

/// The title of a page.
fn title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    let after = lower.find("<title")? + "<title".len();
    let start = after + lower.get(after..)?.find('>')? + 1;
    let length = lower.get(start..)?.find("</title")?;
    let title: String = text.get(start..start + length)?.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(title.chars().filter(|letter| !letter.is_control()).take(TEXT).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_in_any_text() {
        assert_eq!(title(b"<HTML><Title lang=x>\n Not \xff here</TITLE>").as_deref(), Some("Not \u{fffd} here"));
        for none in [&b""[..], b"<title", b"<title>", b"<title>x", b"\xff\xfe", "ẞ<title>".as_bytes()] {
            assert_eq!(title(none), None, "{none:?}");
        }
    }
}
