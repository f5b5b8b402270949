//! Tells one person in their client what concerns them, in their language; and looks from time to time who is to be told. What is told, and who was told
//! already, is for those to know who use it: `cut_notices`, `key_notices`, `move_notices`, `region_notices`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::ids::UserNum;
use tokio_util::sync::CancellationToken;

use super::{Jurisdictions, Language, Notices};
use crate::{Error, Result, accounts::Users, residency::Cells};

/// People after whom it is noted how far the telling has come.
const NOTED_AFTER: usize = 25;

/// Lines of one message; of what is more, the number is said.
pub(super) const LINES: usize = 20;

/// One message of many lines, with what is said of how many are left out.
pub(super) fn in_one_message<L>(
    lines: &[L],
    in_language: impl Fn(&L) -> String,
    left_out: impl FnOnce(usize) -> String,
) -> String {
    let mut texts: Vec<String> = lines.iter().take(LINES).map(in_language).collect();
    let left = lines.len().saturating_sub(LINES);
    if left > 0 {
        texts.push(left_out(left));
    }
    texts.join("\n\n")
}

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

    /// Tells each of some readers what concerns them of `count` things, in the order of their numbers. `note` hears from time to time, and at the end, up to
    /// whom all have been told, and how many were told of each thing since. Gives how many messages were written.
    pub(super) async fn tell_all<F: Future<Output = Result<()>>>(
        &self,
        (notice_type, count): (&str, usize),
        readers: &BTreeMap<UserNum, Vec<usize>>,
        said: impl Fn(UserNum, &[usize], Language) -> String,
        note: impl Fn(UserNum, Vec<i64>) -> F,
    ) -> Result<usize> {
        let (mut told, mut more) = (0, vec![0; count]);
        for (number, (reader, concerned)) in (1..).zip(readers) {
            match self.tell(*reader, notice_type, |language| said(*reader, concerned, language)).await {
                Ok(()) => {
                    told += 1;
                    for index in concerned {
                        more[*index] += 1;
                    }
                }
                Err(error @ Error::Store(_)) => return Err(error),
                // One person's trouble is not everybody's.
                Err(error) => tracing::warn!(%error, notice_type, "somebody could not be told"),
            }
            if number % NOTED_AFTER == 0 || number == readers.len() {
                note(*reader, std::mem::replace(&mut more, vec![0; count])).await?;
            }
        }
        Ok(told)
    }

    /// Looks, and again after each `pause`, until the server stops; not where there are no other cells. `trouble` says what could not be done.
    pub(super) async fn look_often<F: Future<Output = Result<usize>>>(
        &self,
        often: (Duration, &str),
        stopping: CancellationToken,
        look: impl Fn() -> F,
    ) {
        self.look_when(often, stopping, look, |_| std::future::pending()).await;
    }

    /// The same, and sooner when `rung` says so.
    pub(super) async fn look_when<'t, F: Future<Output = Result<usize>>, R: Future<Output = ()>>(
        &'t self,
        (pause, trouble): (Duration, &str),
        stopping: CancellationToken,
        look: impl Fn() -> F,
        rung: impl Fn(&'t Cells) -> R,
    ) {
        let Some(cells) = self.users.localities().cells() else { return };
        loop {
            match look().await {
                Ok(_) => {}
                Err(error) if error.is_closed() => return,
                Err(error) => tracing::warn!(%error, "{trouble}"),
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = rung(cells) => {}
            }
        }
    }
}
