//! Jobs: work that a change left behind as a row. It takes nothing but its row, and doing it twice does no harm.

mod transactions;

use std::sync::Arc;

use domicile_core::{
    clock::{Clock, DAY_MS, MINUTE_MS},
    ids::UserNum,
};
use domicile_store::{
    Batch, Store,
    table::{jobs, memberships},
};
use serde_json::{Map, json};

use crate::{
    Result,
    accounts::{Devices, Session, Users},
    e2ee::DeviceListCopies,
    federation::outbound,
    media::Media,
    rooms::{Members, Rooms, members::MemberExtras},
};

/// Jobs that are done in one round.
const ROUND: i64 = 10;
/// How long a job that failed waits.
const PAUSE_MS: i64 = 5 * MINUTE_MS;

/// Does jobs.
pub struct Jobs {
    store: Store,
    clock: Arc<dyn Clock>,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    members: Arc<Members>,
    devices: Arc<Devices>,
    media: Arc<Media>,
    copies: Arc<DeviceListCopies>,
}

impl Jobs {
    /// Over a store.
    #[expect(clippy::too_many_arguments, reason = "each job has a service of its own")]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        users: Arc<Users>,
        rooms: Arc<Rooms>,
        members: Arc<Members>,
        devices: Arc<Devices>,
        copies: Arc<DeviceListCopies>,
        media: Arc<Media>,
    ) -> Self {
        Self { store, clock, users, rooms, members, devices, media, copies }
    }

    /// Adds the jobs that are done again and again, where they are missing.
    pub async fn begin(&self) -> Result<()> {
        let mut batch = Batch::new();
        for (kind, job_num) in jobs::STANDING {
            jobs::ensure(&mut batch, job_num, kind, self.clock.now_ms());
        }
        self.store.write(batch).await?;
        Ok(())
    }

    /// Does what is due; gives how many jobs were done. One that fails is put off.
    pub async fn run_due(&self) -> Result<usize> {
        let now_ms = self.clock.now_ms();
        let due = self.store.read(move |snapshot| async move { jobs::due(&snapshot, now_ms, ROUND).await }).await?;
        let mut done = 0;
        for job in due {
            let outcome = match job.kind.as_str() {
                jobs::FORGET_ADDRESSES => self.devices.forget_addresses().await.map(drop),
                jobs::FORGET_TRANSACTIONS => transactions::forget(&self.store, now_ms).await,
                jobs::FORGET_REMOTE_MEDIA => self.media.forget_remote().await.map(drop),
                jobs::FORGET_DEVICE_LISTS => self.copies.forget().await,
                jobs::PURGE_OUTGOING => outbound::purge(&self.store, now_ms).await,
                jobs::ERASE_FILES => self.media.erase(job.user()).await.map(drop),
                jobs::LEAVE_ALL_ROOMS => self.leave_all_rooms(job.user()).await,
                other => {
                    tracing::warn!(kind = other, "there is no such job; a newer version left it here");
                    Err(crate::Error::internal("unknown job"))
                }
            };
            let mut batch = Batch::new();
            match outcome {
                Ok(()) if jobs::STANDING.contains(&(job.kind.as_str(), job.job_num)) => {
                    jobs::repeat(&mut batch, job.job_num, now_ms + DAY_MS);
                    done += 1;
                }
                Ok(()) => {
                    jobs::remove(&mut batch, job.job_num);
                    done += 1;
                }
                Err(error) => {
                    tracing::warn!(%error, kind = job.kind, attempts = job.attempts, "a job failed and is put off");
                    jobs::postpone(&mut batch, job.job_num, now_ms + PAUSE_MS);
                }
            }
            self.store.write(batch).await?;
        }
        Ok(done)
    }

    /// The same at once, for who waits for it. The job that the end of an account leaves finds nothing to do then.
    pub async fn leave_now(&self, user_num: UserNum) -> Result<()> {
        self.leave_all_rooms(user_num).await
    }

    /// Takes a user who has deactivated their account out of every room.
    async fn leave_all_rooms(&self, user_num: UserNum) -> Result<()> {
        let user_id = self.users.id(user_num).await?;
        let session = Session::without_device(user_num, user_id);
        let rows =
            self.store.read(move |snapshot| async move { memberships::of_user(&snapshot, user_num).await }).await?;
        for row in rows.into_iter().filter(|row| matches!(row.membership.as_str(), "join" | "invite" | "knock")) {
            let room = self.rooms.by_num(row.room_num).await?;
            let content = Map::from_iter([("membership".to_owned(), json!("leave"))]);
            self.members.change(&session, &room, &session.user_id, content, MemberExtras::default()).await?;
        }
        Ok(())
    }
}
