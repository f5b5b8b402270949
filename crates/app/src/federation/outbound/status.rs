//! What the operator asks: who is behind, and why; and that somebody is tried now.

use domicile_core::{ids::DestinationNum, locality::Destination};
use domicile_store::{
    Batch, Snapshot, StoreError,
    table::{destinations, outgoing_edus, outgoing_events},
};

use super::Outbound;
use crate::{Result, error::not_found};

/// Destinations that are looked at in one answer.
const PAGE: i64 = 200;
/// Events that wait for one destination are counted up to here.
pub(super) const COUNTED: i64 = 10_000;

/// How far a destination is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The server's name, or `=` and the cell's.
    pub destination: String,
    /// Events that wait for it, counted up to 10,000.
    pub events: i64,
    /// Messages to devices that wait for it.
    pub messages: i64,
    /// How often in a row it was not reached.
    pub failures: i64,
    /// Since when, in milliseconds since the epoch.
    pub failing_since_ts: Option<i64>,
    /// When it is tried again; in the past, or none: it is left alone no more.
    pub retry_ts: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Behind {
    fn is_behind(&self) -> bool {
        self.events > 0 || self.messages > 0 || self.failures > 0
    }
}

async fn behind(snapshot: &Snapshot, row: destinations::Destination) -> Result<Behind, StoreError> {
    Ok(Behind {
        events: outgoing_events::count(snapshot, row.destination_num, row.position, COUNTED).await?,
        messages: outgoing_edus::count(snapshot, row.destination_num).await?,
        destination: row.destination,
        failures: row.failures,
        failing_since_ts: row.failing_since_ts,
        retry_ts: row.retry_ts,
        last_error: row.last_error,
    })
}

impl Outbound {
    /// Those of the next destinations after `after` who are behind, and where the next page begins.
    pub async fn behind(&self, after: DestinationNum) -> Result<(Vec<Behind>, Option<DestinationNum>)> {
        let read = self.parts.store.read(move |snapshot| async move {
            let page = destinations::page(&snapshot, after, PAGE).await?;
            let next = page.last().map(|row| row.destination_num);
            let mut found = Vec::new();
            for row in page {
                let behind = behind(&snapshot, row).await?;
                if behind.is_behind() {
                    found.push(behind);
                }
            }
            Ok::<_, StoreError>((found, next))
        });
        Ok(read.await?)
    }

    /// How far one destination is behind.
    pub async fn how_far(&self, destination: &Destination) -> Result<Behind> {
        let name = destination.to_string();
        let read = self.parts.store.read(move |snapshot| async move {
            let Some(destination_num) = destinations::by_name(&snapshot, &name).await? else { return Ok(None) };
            let Some(row) = destinations::by_num(&snapshot, destination_num).await? else { return Ok(None) };
            behind(&snapshot, row).await.map(Some)
        });
        let found: Result<Option<Behind>, StoreError> = read.await;
        found?.ok_or_else(|| unknown(destination))
    }

    /// Has a destination tried at once, however long it was to be left alone.
    pub async fn retry(&self, destination: &Destination) -> Result<()> {
        let name = destination.to_string();
        let read = self.parts.store.read(move |snapshot| async move { destinations::by_name(&snapshot, &name).await });
        let destination_num = read.await?.ok_or_else(|| unknown(destination))?;
        let mut batch = Batch::new();
        destinations::set_retry(&mut batch, destination_num, None);
        self.parts.store.write(batch).await?;
        self.parts.bell.awake(destination_num, true);
        Ok(())
    }
}

fn unknown(destination: &Destination) -> crate::Error {
    not_found(format!("This server has never had anything to tell {destination}."))
}
