//! A Matrix client of one connection: HTTP/1.1 with keep-alive, written by hand so that measuring costs little.

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Bytes both ways, over TLS or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection to a server.
pub(crate) struct Client {
    address: String,
    secure: Option<TlsConnector>,
    stream: Option<BufReader<Box<dyn Stream>>>,
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Client {
    /// A client of `http://host:port`. It connects with its first request.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").context("only http:// is measured")?;
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { address, secure: None, stream: None, request: Vec::new(), body: Vec::new() })
    }

    /// A client of another server, `address:port`, as servers are: over TLS.
    pub(crate) fn secure(server_name: &str, connector: TlsConnector) -> Self {
        let address = server_name.to_owned();
        Self { address, secure: Some(connector), stream: None, request: Vec::new(), body: Vec::new() }
    }

    /// The body of the last answer, as JSON; null where it is none.
    pub(crate) fn answer(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A request and its answer's JSON; a status that is no success is an error.
    pub(crate) async fn json(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let body = body.map(Value::to_string);
        let status = self.send(method, path, token, body.as_deref().map(str::as_bytes)).await?;
        let answer = self.answer();
        if status != 200 {
            bail!("{method} {path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// A request of a client; gives the status.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<u16> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        self.send_as(method, path, authorization.as_deref(), body).await
    }

    /// A request with any `Authorization`; gives the status.
    pub(crate) async fn send_as(
        &mut self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<u16> {
        match self.try_send(method, path, authorization, body).await {
            Ok(status) => Ok(status),
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    async fn try_send(
        &mut self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<u16> {
        self.request.clear();
        let length = body.map_or(0, <[u8]>::len);
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n", self.address);
        self.request.extend_from_slice(head.as_bytes());
        if let Some(authorization) = authorization {
            self.request.extend_from_slice(format!("Authorization: {authorization}\r\n").as_bytes());
        }
        self.request.extend_from_slice(b"Content-Type: application/json\r\n\r\n");
        self.request.extend_from_slice(body.unwrap_or_default());
        if self.stream.is_none() {
            let stream =
                TcpStream::connect(&self.address).await.with_context(|| format!("connecting to {}", self.address))?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match &self.secure {
                Some(connector) => {
                    let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
                    let name = ServerName::try_from(host.to_owned()).context("a name for TLS")?;
                    Box::new(connector.connect(name, stream).await.context("agreeing on TLS")?)
                }
                None => Box::new(stream),
            };
            self.stream = Some(BufReader::with_capacity(64 * 1024, stream));
        }
        let Some(stream) = &mut self.stream else { bail!("there is no connection") };
        stream.get_mut().write_all(&self.request).await?;
        stream.get_mut().flush().await?;
        let (status, close) = read(stream, &mut self.body).await?;
        if close {
            self.stream = None;
        }
        Ok(status)
    }
}

/// Reads an answer: its status, and whether the server closes the connection.
async fn read(stream: &mut BufReader<Box<dyn Stream>>, body: &mut Vec<u8>) -> Result<(u16, bool)> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status: u16 = line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP answer")?;
    let (mut length, mut chunked, mut close) = (0_usize, false, false);
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => close = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    body.clear();
    if !chunked {
        body.resize(length, 0);
        stream.read_exact(body).await?;
        return Ok((status, close));
    }
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim(), 16).context("a chunk without a size")?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..]).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        if size == 0 {
            return Ok((status, close));
        }
    }
}
