//! Between servers: what a server under test does for others, with other servers that this program plays.

pub(super) mod branches;
pub(super) mod fan_out;
pub(super) mod ingest;
pub(super) mod remote_join;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use domicile_room::event::Pdu;
use ruma::{EventId, OwnedRoomId};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    account::{self, Account, V3, encode},
    client::Client,
    origin::Teller,
};

/// How long one transaction's events may take until they can be read.
const PATIENCE: Duration = Duration::from_mins(3);
/// It is asked whether an event is there after a tenth of the time that was waited already: asking costs the server little, and no time is wrong by
/// more than that.
const TENTH: u32 = 10;
const SHORTEST: Duration = Duration::from_millis(1);

/// Where other servers find the one under test.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Federating {
    /// The name of the server under test, `address:port`
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// A folder that `certificates` has filled
    #[arg(long)]
    pub(crate) certificates: Option<PathBuf>,
    /// A room that another server holds
    #[arg(long, default_value = "")]
    pub(crate) room: String,
    /// That server
    #[arg(long, default_value = "")]
    pub(crate) via: String,
    /// The port of the servers that made the room
    #[arg(long, default_value_t = 0)]
    pub(crate) origin_port: u16,
    /// State events of that room that are no memberships
    #[arg(long, default_value_t = 0)]
    pub(crate) state: usize,
}

impl Federating {
    fn certificates(&self) -> Result<&Path> {
        self.certificates.as_deref().context("between servers, --certificates FOLDER is needed")
    }
}

/// Somebody on the server under test, in a room that another server holds.
struct Reader {
    client: Client,
    account: Account,
    room: OwnedRoomId,
}

impl Reader {
    /// Registers and joins; gives how long the join took in milliseconds.
    async fn join(url: &str, name: &str, room: &OwnedRoomId, via: &str) -> Result<(Self, f64)> {
        let mut client = Client::new(url)?;
        let account = account::register(&mut client, name).await?;
        let mut reader = Self { client, account, room: room.clone() };
        let took = reader.enter(via).await?;
        Ok((reader, took))
    }

    async fn enter(&mut self, via: &str) -> Result<f64> {
        let (room, via) = (encode(self.room.as_str()), encode(via));
        let path = format!("{V3}/join/{room}?server_name={via}&via={via}");
        let begun = Instant::now();
        self.client.json("POST", &path, Some(&self.account.token), Some(&json!({}))).await?;
        Ok(begun.elapsed().as_secs_f64() * 1_000.0)
    }

    /// Waits until an event can be read.
    async fn sees(&mut self, event: &EventId) -> Result<()> {
        let path = format!("{V3}/rooms/{}/event/{}", encode(self.room.as_str()), encode(event.as_str()));
        let begun = Instant::now();
        while self.client.send("GET", &path, Some(&self.account.token), None).await? != 200 {
            if begun.elapsed() > PATIENCE {
                bail!("the event {event} cannot be read after {PATIENCE:?}: {}", self.client.answer());
            }
            tokio::time::sleep((begun.elapsed() / TENTH).max(SHORTEST)).await;
        }
        Ok(())
    }

    /// Tells the server a transaction's events and waits until the last of them can be read. Gives how long that took in milliseconds, and how many
    /// events were refused.
    async fn told(&mut self, teller: &mut Teller, events: &[Arc<Pdu>]) -> Result<(f64, usize)> {
        let last = events.last().context("a transaction without events")?;
        let begun = Instant::now();
        let refused = teller.tell(events).await?;
        self.sees(last.event_id()).await?;
        Ok((begun.elapsed().as_secs_f64() * 1_000.0, refused))
    }
}
