//! Somebody with a cell's key, who asks the gateway as that cell, and Synapse as the deployment.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use axum::http::{self, Method, header};
use domicile_residency::deployment::SecretKey;
use domicile_room::event::ServerSigner;
use ruma::api::federation::authentication::{XMatrix, XMatrixSigningInput};
use ruma::{OwnedServerName, ServerName};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::super::super::http::escape;
use super::super::super::side::Side;
use super::super::{GATEWAY, STOLEN};
use crate::cluster::{Forger, Request};
use crate::plays::cells::Deployment;
use crate::server::CertificateFiles;

/// What a gateway may take for a question, in milliseconds, and its answer in bytes.
const BOUNDS: &str = "signed=true&time=10000&bytes=1000000";

pub(super) struct Thief {
    forger: Forger,
    key: SecretKey,
    runtime: Runtime,
    serial: u32,
    name: OwnedServerName,
    synapse: OwnedServerName,
    authority: PathBuf,
    /// The id of the deployment's own key, which the thief has not.
    outer_key_id: String,
}

impl Thief {
    pub(super) fn new(
        deployment: &Deployment,
        key: SecretKey,
        synapse: &Side<'_>,
        files: &CertificateFiles,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let gateway = deployment.cell(GATEWAY)?;
        let (of, status) = (gateway.secret_key()?.public(), gateway.json(&["directory", "status"])?);
        let serial = status["status"]["serial"].as_u64().and_then(|serial| u32::try_from(serial).ok());
        let server = |name: &str| <&ServerName>::try_from(name).map(ToOwned::to_owned).context("a server's name");
        let (name, synapse) = (server(deployment.name())?, server(&synapse.name)?);
        let document = deployment.document()?;
        let outer = document.split_once("[[outer_key]]").and_then(|(_, rest)| rest.split('"').nth(1));
        let forger = {
            let _inside = runtime.enter();
            Forger::new(&name, key.clone(), GATEWAY, &deployment.inner_url(GATEWAY)?, &of)
        };
        Ok(Self {
            outer_key_id: outer.context("the document names no key for other servers")?.to_owned(),
            serial: serial.context("which document holds was not told")?,
            authority: files.authority.clone(),
            forger,
            key,
            runtime,
            name,
            synapse,
        })
    }

    pub(super) fn key(&self) -> &SecretKey {
        &self.key
    }

    pub(super) fn forger(&self) -> &Forger {
        &self.forger
    }

    /// Asks the gateway as the stolen cell. No answer at all is no connection.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let request = Request { origin: STOLEN, serial: self.serial, number: None, method, path, body };
        self.runtime.block_on(self.forger.ask(request)).ok()
    }

    /// Has the gateway ask Synapse in the deployment's name.
    pub(super) fn ask_through(&self, method: &Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let through = format!(
            "/_domicile/inner/v1/gateway/ask?to={}&method={method}&path={}&{BOUNDS}",
            escape(self.synapse.as_str()),
            escape(path)
        );
        self.ask(Method::POST, &through, body)
    }

    /// A transaction of events and of what passes, through the gateway.
    pub(super) fn tell_through(&self, id: &str, pdus: &[Value], edus: &[Value]) -> Option<(u16, Value)> {
        let path = format!("/_matrix/federation/v1/send/{id}");
        self.ask_through(&Method::PUT, &path, Some(&self.transaction(pdus, edus)))
    }

    pub(super) fn transaction(&self, pdus: &[Value], edus: &[Value]) -> Value {
        json!({ "origin": self.name, "origin_server_ts": 1, "pdus": pdus, "edus": edus })
    }

    /// Asks Synapse as the deployment, with the cell's key under its own id or under that of the deployment's key. Gives the status.
    pub(super) fn ask_synapse(
        &self,
        under_its_own_id: bool,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<u16> {
        let own = self.key.public().cell_key_id();
        let id = if under_its_own_id { &own } else { &self.outer_key_id };
        let version = id.strip_prefix("ed25519:").context("a key's id")?;
        let signer = ServerSigner::from_seed(self.name.clone(), &self.key.seed(), version).context("a signer")?;
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = http::Request::builder().method(method).uri(path).body(text.clone().into_bytes());
        let request = request.context("a request")?;
        let input = XMatrixSigningInput::new(self.name.clone(), self.synapse.clone(), signer.key_pair());
        let signed = XMatrix::sign_http_request(&request, input).context("signing a request")?;
        let signed = http::HeaderValue::from(&signed);
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ]);
        curl.arg("--cacert").arg(&self.authority).args(["--request", method.as_str()]);
        curl.arg("--header").arg(format!("{}: {}", header::AUTHORIZATION, signed.to_str().context("a header")?));
        if body.is_some() {
            curl.args(["--header", "Content-Type: application/json", "--data-binary", &text]);
        }
        let output = curl.arg(format!("https://{}{path}", self.synapse)).output().context("starting curl")?;
        ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr).trim());
        let status = String::from_utf8_lossy(&output.stdout);
        status.trim().parse().with_context(|| format!("`{status}` is no status"))
    }

    /// An event as cells have it: the gateway tells it to a cell whose people are in its room.
    pub(super) fn event(&self, event_id: &str) -> Result<Value> {
        let path = format!("/_matrix/federation/v1/event/{event_id}");
        let (status, mut answer) = self.ask(Method::GET, &path, None).context("the gateway does not answer")?;
        ensure!(status == 200, "an event of a shared room is {status}: {answer}");
        Ok(answer["pdus"][0].take())
    }
}
