//! A border: a port that leads to a cell, and can be closed.

#![expect(clippy::expect_used, reason = "a fixture that fails ends its test")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(super) struct Border {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    open: watch::Sender<bool>,
    crossings: Arc<AtomicUsize>,
}

impl Border {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (target, leads) = watch::channel(None);
        let (open, is_open) = watch::channel(true);
        let crossings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&crossings);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if leads.borrow().is_some() && *is_open.borrow() {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(pass(stream, leads.clone(), is_open.clone()));
                }
                // The test has ended.
                if is_open.has_changed().is_err() {
                    return;
                }
            }
        });
        Self { address, target, open, crossings }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads to a cell. Connections to another one, which has stopped, break.
    pub(super) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    /// Leads nowhere: the cell has stopped, and takes its connections with it.
    pub(super) fn lead_nowhere(&self) {
        self.target.send_replace(None);
    }

    pub(super) fn crossings(&self) -> usize {
        self.crossings.load(Ordering::Relaxed)
    }

    pub(super) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

/// One connection, until the border is closed or leads elsewhere.
async fn pass(mut here: TcpStream, mut leads: watch::Receiver<Option<SocketAddr>>, mut is_open: watch::Receiver<bool>) {
    let Some(target) = *leads.borrow_and_update() else { return };
    let Ok(mut there) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
        _ = is_open.wait_for(|open| !open) => {}
        _ = leads.changed() => {}
    }
}
