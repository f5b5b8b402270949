//! Receiving, by `/v3/sync` or by simplified sliding sync.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use matrix_sdk::config::SyncSettings;
use matrix_sdk::ruma::api::client::filter::{FilterDefinition, RoomEventFilter, RoomFilter};
use matrix_sdk::ruma::api::client::sync::sync_events::v3::Filter;
use matrix_sdk::ruma::events::StateEventType;
use matrix_sdk::ruma::{UInt, assign};
use matrix_sdk::sliding_sync::Version;
use matrix_sdk::{Client, LoopCtrl, SlidingSync, SlidingSyncList, SlidingSyncMode};

/// So long a timeline that a play at full speed leaves no gap: what is in a gap is history, and does not arrive.
const TIMELINE: u32 = 1000;
const POLL: Duration = Duration::from_secs(20);
/// After a failure, so that a server that is down is not asked without end.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection that has had its first answer.
pub enum Connection {
    Sync(Client, SyncSettings),
    Sliding(Box<SlidingSync>),
}

/// Asks once, so that whoever waits for it knows that the client is up to date.
pub async fn first(client: &Client, sliding: bool) -> Result<Connection> {
    if sliding {
        let sync = sliding_connection(client).await?;
        pin!(sync.sync()).next().await.context("sliding sync ended at once")?.context("the first sliding sync")?;
        return Ok(Connection::Sliding(Box::new(sync)));
    }
    let timeline = assign!(RoomEventFilter::default(), { limit: Some(UInt::from(TIMELINE)) });
    let filter = assign!(FilterDefinition::default(), {
        room: assign!(RoomFilter::default(), { timeline }),
    });
    let settings = SyncSettings::new().filter(Filter::FilterDefinition(filter)).timeout(POLL);
    client.sync_once(settings.clone().timeout(Duration::ZERO)).await.context("the first sync")?;
    Ok(Connection::Sync(client.clone(), settings))
}

async fn sliding_connection(client: &Client) -> Result<SlidingSync> {
    let list = SlidingSyncList::builder("all")
        .sync_mode(SlidingSyncMode::new_selective().add_range(0..=50))
        .timeline_limit(TIMELINE)
        .required_state(vec![
            (StateEventType::RoomEncryption, String::new()),
            (StateEventType::RoomCreate, String::new()),
            (StateEventType::RoomName, String::new()),
            (StateEventType::RoomHistoryVisibility, String::new()),
            (StateEventType::RoomMember, "*".to_owned()),
        ]);
    let builder = client.sliding_sync("plays").context("naming the sliding connection")?;
    let builder = builder.version(Version::Native).with_all_extensions().poll_timeout(POLL).add_list(list);
    builder.build().await.context("making the sliding connection")
}

impl Connection {
    /// Asks again and again, through failures too: a server that was killed comes back.
    pub async fn forever(self) {
        match self {
            Self::Sync(client, settings) => {
                let outcome = client.sync_with_result_callback(settings, async |result| {
                    if result.is_err() {
                        tokio::time::sleep(PAUSE).await;
                    }
                    Ok(LoopCtrl::Continue)
                });
                if let Err(error) = outcome.await {
                    eprintln!("sync ended: {error}");
                }
            }
            Self::Sliding(sync) => loop {
                let mut answers = pin!(sync.sync());
                while let Some(answer) = answers.next().await {
                    if let Err(error) = answer {
                        eprintln!("a sliding sync failed: {error}");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            },
        }
    }
}
