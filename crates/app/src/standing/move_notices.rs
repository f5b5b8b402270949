//! Tells people in their clients that their account is to move, and that such a move was stopped. Each once; whoever could not be told is told later.

use std::{sync::Arc, time::Duration};

use domicile_core::calendar::minute;
use ruma::OwnedUserId;
use tokio_util::sync::CancellationToken;

use super::{Language, Teller};
use crate::{
    Error, Result,
    moves::{Moves, Shown, State},
};

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(10);
/// People who are told in one look.
const AT_ONCE: usize = 100;
/// What kind of server notice it is.
const NOTICE_TYPE: &str = "org.domicile.move";

/// Tells people of their moves.
pub struct MoveNotices {
    moves: Arc<Moves>,
    teller: Teller,
    /// Where clients find this cell, if that is configured.
    public_url: Option<String>,
}

impl MoveNotices {
    /// Over the services that it uses.
    pub fn new(moves: Arc<Moves>, teller: Teller, public_url: Option<String>) -> Self {
        Self { moves, teller, public_url }
    }

    /// Tells those who have not been told. Gives how many were.
    pub async fn look(&self) -> Result<usize> {
        let untold = self.moves.untold(AT_ONCE).await?;
        let mut told = 0;
        for shown in untold {
            match self.tell(&shown).await {
                Ok(()) => told += 1,
                Err(error @ Error::Store(_)) => return Err(error),
                // One person's trouble is not everybody's: it is tried again with the next look.
                Err(error) => tracing::warn!(%error, "somebody could not be told of their move"),
            }
        }
        Ok(told)
    }

    async fn tell(&self, shown: &Shown) -> Result<()> {
        let user_id = OwnedUserId::try_from(shown.user_id.as_str()).map_err(Error::internal)?;
        let Some(user_num) = self.teller.users.num(&user_id).await? else { return Ok(()) };
        self.teller.tell(user_num, NOTICE_TYPE, |language| said(shown, language, &self.page())).await?;
        self.moves.note_told(&shown.move_id, &shown.state).await
    }

    /// The user's own page.
    fn page(&self) -> String {
        let cells = self.teller.users.localities().cells();
        let of_cell = || Some(cells?.own.document().cells.get(cells?.own.name())?.client_url.to_string());
        let url = of_cell().or_else(|| self.public_url.clone()).unwrap_or_default();
        format!("{}/account", url.trim_end_matches('/'))
    }

    /// Looks from time to time, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let trouble = "moves of which people are to be told could not be read";
        self.teller.look_often((PAUSE, trouble), stopping, || self.look()).await;
    }
}

/// What is said, with the operator's own words for the reason.
fn said(shown: &Shown, language: Language, page: &str) -> String {
    let region = shown.to_region.as_deref().unwrap_or(&shown.to);
    let (begins, reason) = (minute(shown.begin_ts), shown.reason.trim());
    if State::parse(&shown.state) == Some(State::Stopped) {
        return match language {
            Language::En => format!("The move of your account to the region {region} was stopped. Nothing has moved."),
            Language::De => {
                format!("Der Umzug Ihres Kontos in die Region {region} wurde gestoppt. Nichts ist umgezogen.")
            }
            Language::Ru => format!("Переезд вашей учётной записи в регион {region} остановлен. Ничего не переехало."),
            Language::Zh => format!("您的账户迁移到区域 {region} 的计划已停止。没有迁移任何内容。"),
        };
    }
    let (planned, why, object) = match language {
        Language::En => (
            format!(
                "It is planned to move your account to the region {region}, on {begins} UTC at the earliest. Your apps stay signed in."
            ),
            "Why:",
            format!(
                "Until then you can object; nothing is moved before those who run the service have decided: {page}"
            ),
        ),
        Language::De => (
            format!(
                "Es ist geplant, Ihr Konto in die Region {region} umzuziehen, frühestens am {begins} UTC. Ihre Apps bleiben angemeldet."
            ),
            "Warum:",
            format!(
                "Bis dahin können Sie widersprechen; dann wird nichts umgezogen, bevor die Betreiber entschieden haben: {page}"
            ),
        ),
        Language::Ru => (
            format!(
                "Планируется переезд вашей учётной записи в регион {region}, не раньше {begins} UTC. Приложения останутся подключены."
            ),
            "Почему:",
            format!(
                "До этого вы можете возразить; тогда ничего не переедет, пока те, кто управляет сервисом, не примут решение: {page}"
            ),
        ),
        Language::Zh => (
            format!("计划将您的账户迁移到区域 {region}，最早于 {begins} UTC。您的应用保持登录。"),
            "原因：",
            format!("在此之前您可以提出反对；在运营者作出决定前，不会迁移任何内容：{page}"),
        ),
    };
    let why = if reason.is_empty() { String::new() } else { format!("\n\n{why} {reason}") };
    format!("{planned}{why}\n\n{object}")
}
