//! A request over a unix socket on this machine: how the command line asks the running server.

use std::{io, path::Path};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// Nobody listens on the socket.
    #[error("nobody listens on the socket: {0}")]
    Nobody(io::Error),
    /// The connection broke.
    #[error("the connection to the running server broke: {0}")]
    Broken(hyper::Error),
}

/// Asks and gives the answer's status and body.
pub async fn ask(socket: &Path, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), UnixError> {
    let stream = UnixStream::connect(socket).await.map_err(UnixError::Nobody)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(UnixError::Broken)?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let answer = answer.await.map_err(UnixError::Broken);
    driver.abort();
    answer
}
