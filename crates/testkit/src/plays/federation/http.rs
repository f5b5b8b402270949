//! A request by hand, for what matrix-sdk has no call for: HTTP/1.0, so that an answer ends with its connection.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Longer than any server lets a client wait for another server.
const PATIENCE: Duration = Duration::from_secs(70);

/// Sends a request and returns the answer's body; an error unless its status is 200.
pub(in crate::plays) fn ask(
    address: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let what = || format!("{method} {path}");
    let (status, answer) = exchange(address, token, method, path, body).with_context(what)?;
    if status != 200 {
        bail!("{method} {path}: {status} {answer}");
    }
    serde_json::from_str(&answer).with_context(|| format!("{method} {path}: answered `{answer}`"))
}

/// The status and the body of the answer.
pub(in crate::plays) fn exchange(
    address: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).context("connecting")?;
    stream.set_read_timeout(Some(PATIENCE)).context("setting a limit")?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).context("asking")?;
    stream.write_all(body.as_bytes()).context("asking")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("waiting for the answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("the answer has no status")?;
    Ok((status, body.to_owned()))
}

/// A part of a path or query as it may stand in a URL.
pub(in crate::plays) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
