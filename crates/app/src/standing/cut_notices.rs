//! Tells people in their clients that another cell is not reached with which they share rooms, and that it is again. Each once; whoever could not be
//! told is told later, unless it is over by then: who did not hear of it need not hear that it has ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domicile_core::{
    clock::Clock,
    ids::UserNum,
    locality::{CellName, Destination},
};
use domicile_store::{
    Batch, Store, StoreError,
    table::{
        cuts::{self, Cut},
        destinations,
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    Language, Teller,
    cut_words::{self, Over},
};
use crate::{Error, Result, residency::cuts::NewDevices};

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(10);
/// People who are told of one cut in one look.
const AT_ONCE: i64 = 100;
/// What kind of server notice it is.
const NOTICE_TYPE: &str = "org.domicile.cut";

/// Tells people of cuts.
pub struct CutNotices {
    store: Store,
    clock: Arc<dyn Clock>,
    teller: Teller,
    /// Whether the account that writes is known to be there.
    is_prepared: AtomicBool,
}

impl CutNotices {
    /// Over the services that it uses.
    pub fn new(store: Store, clock: Arc<dyn Clock>, teller: Teller) -> Self {
        Self { store, clock, teller, is_prepared: AtomicBool::new(false) }
    }

    /// Tells those who have not been told. Gives how many were.
    pub async fn look(&self) -> Result<usize> {
        self.prepare().await?;
        let open = self.store.read(|snapshot| async move { cuts::open(&snapshot).await }).await?;
        let mut told = 0;
        for cut in open.iter().filter(|cut| cut.declared_ts.is_some() && cut.whole_ts.is_none()) {
            told += self.tell_begun(cut).await?;
        }
        Ok(told + self.tell_ended().await?)
    }

    /// Sees to it that there is an account that writes before a cut keeps the directory from giving it a name.
    async fn prepare(&self) -> Result<()> {
        if self.is_prepared.load(Ordering::Relaxed) {
            return Ok(());
        }
        let shares = self.store.read(|snapshot| async move { destinations::shares_with_cells(&snapshot).await });
        if !shares.await? {
            return Ok(());
        }
        match self.teller.notices.prepare().await {
            Ok(()) => self.is_prepared.store(true, Ordering::Relaxed),
            Err(error @ Error::Store(_)) => return Err(error),
            Err(error) => tracing::info!(%error, "the account of notices cannot be made yet"),
        }
        Ok(())
    }

    async fn tell_begun(&self, cut: &Cut) -> Result<usize> {
        let Some(cell) = CellName::parse(&cut.cell) else { return Ok(0) };
        let (name, cut_num) = (Destination::Cell(cell).to_string(), cut.cut_num);
        let read = self.store.read(move |snapshot| async move {
            match destinations::by_name(&snapshot, &name).await? {
                Some(destination_num) => cuts::untold(&snapshot, cut_num, destination_num, AT_ONCE).await,
                None => Ok(Vec::new()),
            }
        });
        let mut told = 0;
        for user_num in read.await? {
            let since_ts = cut.since_ts;
            let said = |language| cut_words::begun(language, since_ts, self.clock.now_ms());
            if self.say(user_num, said).await? {
                let mut batch = Batch::new();
                cuts::note_told(&mut batch, cut_num, user_num, self.clock.now_ms());
                self.store.write(batch).await?;
                told += 1;
            }
        }
        Ok(told)
    }

    async fn tell_ended(&self) -> Result<usize> {
        let untold = self.store.read(|snapshot| async move { cuts::end_untold(&snapshot, AT_ONCE).await }).await?;
        let mut told = 0;
        for (cut_num, user_num) in &untold {
            let (cut_num, user_num) = (*cut_num, *user_num);
            let read = self.store.read(move |snapshot| async move {
                let Some(cut) = cuts::by_num(&snapshot, cut_num).await? else { return Ok(None) };
                let new = new_devices(&cut);
                let owners = new.devices.iter().map(|new| new.user_id.as_str());
                let sharing = cuts::sharing(&snapshot, user_num, owners).await?;
                Ok::<_, StoreError>(Some((cut, new, sharing)))
            });
            let Some((cut, new, sharing)) = read.await? else { continue };
            let over = Over {
                since_ts: cut.since_ts,
                whole_ts: cut.whole_ts.or(cut.ended_ts).unwrap_or(cut.since_ts),
                here: cut.counts.into(),
                there: cut.there.as_deref().and_then(|there| serde_json::from_str(there).ok()),
                devices: new.devices.iter().filter(|new| sharing.contains(&new.user_id)).collect(),
                more: new.more,
            };
            if self.say(user_num, |language| cut_words::over(language, &over, self.clock.now_ms())).await? {
                let mut batch = Batch::new();
                cuts::note_end_told(&mut batch, cut_num, user_num, self.clock.now_ms());
                self.store.write(batch).await?;
                told += 1;
            }
        }
        if !untold.is_empty() {
            let mut batch = Batch::new();
            cuts::forget_devices(&mut batch);
            self.store.write(batch).await?;
        }
        Ok(told)
    }

    /// Says something to somebody in their language. False: they could not be told now.
    async fn say(&self, user_num: UserNum, said: impl FnOnce(Language) -> String) -> Result<bool> {
        match self.teller.tell(user_num, NOTICE_TYPE, said).await {
            Ok(()) => Ok(true),
            Err(error @ Error::Store(_)) => Err(error),
            // One person's trouble is not everybody's: it is tried again with the next look.
            Err(error) => {
                tracing::warn!(%error, "somebody could not be told of a cut");
                Ok(false)
            }
        }
    }

    /// Looks from time to time, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let trouble = "cuts of which people are to be told could not be read";
        self.teller.look_often((PAUSE, trouble), stopping, || self.look()).await;
    }
}

fn new_devices(cut: &Cut) -> NewDevices {
    cut.devices.as_deref().and_then(|devices| serde_json::from_str(devices).ok()).unwrap_or_default()
}
