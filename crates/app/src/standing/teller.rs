//! Tells one person in their client what concerns them, in their language; and looks from time to time who is to be told. What is told, and who was told
//! already, is for those to know who use it: `cut_notices`, `key_notices`, `move_notices`.

use std::{sync::Arc, time::Duration};

use domicile_core::ids::UserNum;
use tokio_util::sync::CancellationToken;

use super::{Jurisdictions, Language, Notices};
use crate::{Result, accounts::Users};

/// Tells people what has to do with other cells.
#[derive(Clone)]
pub struct Teller {
    pub(super) notices: Arc<Notices>,
    pub(super) users: Arc<Users>,
    jurisdictions: Arc<Jurisdictions>,
}

impl Teller {
    /// By the account of notices; people's languages follow from what they chose and where they live.
    pub fn new(notices: Arc<Notices>, users: Arc<Users>, jurisdictions: Arc<Jurisdictions>) -> Self {
        Self { notices, users, jurisdictions }
    }

    /// Tells somebody something.
    pub(super) async fn tell(
        &self,
        user_num: UserNum,
        notice_type: &str,
        said: impl FnOnce(Language) -> String,
    ) -> Result<()> {
        let user_id = self.users.id(user_num).await?;
        let lives_in = self.jurisdictions.of(&user_id).await?.jurisdiction;
        let language = self.notices.language(user_num, lives_in.as_deref()).await?;
        self.notices.say((user_num, &user_id), notice_type, &said(language)).await
    }

    /// Looks, and again after each `pause`, until the server stops; not where there are no other cells. `trouble` says what could not be done.
    pub(super) async fn look_often<F: Future<Output = Result<usize>>>(
        &self,
        (pause, trouble): (Duration, &str),
        stopping: CancellationToken,
        look: impl Fn() -> F,
    ) {
        if self.users.localities().cells().is_none() {
            return;
        }
        loop {
            match look().await {
                Ok(_) => {}
                Err(error) if error.is_closed() => return,
                Err(error) => tracing::warn!(%error, "{trouble}"),
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
