//! What lies outside of a cluster: a port at which other servers reach it, and the way to theirs.

#![expect(clippy::expect_used, reason = "a fixture that fails ends its test")]

use std::net::SocketAddr;

use domicile_egress::{ClientSettings, Guard};
use ruma::OwnedServerName;

use crate::server::{CertificateFiles, Front, certificate};

pub(super) struct Outside {
    address: SocketAddr,
    files: CertificateFiles,
    /// Until the gateway has it.
    front: Option<Front>,
    _folder: tempfile::TempDir,
}

impl Outside {
    pub(super) async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = certificate(folder.path(), &["127.0.0.1", "localhost"]);
        let (front, address) = Front::open(&files).await;
        Self { address, files, front: Some(front), _folder: folder }
    }

    pub(super) fn name(&self) -> OwnedServerName {
        OwnedServerName::try_from(format!("127.0.0.1:{}", self.address.port())).expect("a server name")
    }

    pub(super) fn egress(&self) -> ClientSettings {
        let here = "127.0.0.0/8".parse().expect("a range");
        ClientSettings { guard: Guard::new(vec![here]), ca_files: vec![self.files.authority.clone()] }
    }

    pub(super) fn take_front(&mut self) -> Option<Front> {
        self.front.take()
    }
}
