//! Connecting.

use std::{net::SocketAddr, time::Duration};

use domicile_residency::interference::{Failure, measurement::TcpConnect};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{failure::of_io, lap::Lap};
use crate::guard::Guard;

/// How long it may take: a first packet that is lost is sent again after one and after three seconds.
const TIME: Duration = Duration::from_millis(4_200);

/// Connects to one address.
pub(super) async fn connect(guard: &Guard, lap: Lap, address: SocketAddr) -> (TcpConnect, Option<TcpStream>) {
    let began = Instant::now();
    let connected = if guard.allows(address) {
        match timeout(TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(of_io(&error)),
            Err(_) => Err(Failure::Timeout),
        }
    } else {
        Err(Failure::Refused)
    };
    let (stream, failure) = match connected {
        Ok(stream) => {
            // Only a matter of speed.
            let _ = stream.set_nodelay(true);
            (Some(stream), None)
        }
        Err(failure) => (None, Some(failure)),
    };
    (TcpConnect { address, failure, when: lap.span(began) }, stream)
}
