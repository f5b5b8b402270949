//! What the operator is to know: missing contacts, registrations that end, demands that are late, and what others of this server raise. Each stands
//! in the database until its cause is gone, is told to the webhook once and by mail once, and is counted for Prometheus.

mod mail;
mod own;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::clock::{Clock, MINUTE_MS};
use domicile_egress::{Client, Mailer, Webhook};
use domicile_store::{
    Batch, Store,
    table::{
        alerts::{self as rows},
        cuts, directory_troubles, moves,
    },
};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Demands, Dossiers, Duties, signs};
use crate::{Result, moves::State};

/// How often it is looked.
const PAUSE: Duration = Duration::from_mins(1);
/// How long a webhook or a mail server that did not take something is left alone, at most.
const LONGEST_REST_MS: i64 = 60 * MINUTE_MS;
/// Alerts that are told at once.
const AT_ONCE: usize = 100;

/// An alert. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is about: one alert for each.
    pub subject: String,
    /// What kind it is.
    pub kind: String,
    /// The jurisdiction, if it is about one.
    pub code: Option<String>,
    /// What is the matter.
    pub what: String,
    /// Since when.
    pub raised_ts: i64,
    /// When the webhook took it.
    pub told_ts: Option<i64>,
    /// When the mail server took it.
    pub mailed_ts: Option<i64>,
}

/// An alert that is to be raised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewAlert {
    /// What it is about, such as `access:RU`.
    pub subject: String,
    /// What kind it is: a word.
    pub kind: &'static str,
    /// The jurisdiction, if it is about one.
    pub code: Option<String>,
    /// What is the matter, and what to do.
    pub what: String,
}

/// What the service needs.
pub struct AlertParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the law asks.
    pub duties: Arc<Duties>,
    /// Registrations.
    pub dossiers: Arc<Dossiers>,
    /// Demands.
    pub demands: Arc<Demands>,
    /// Where alerts are told, and how it is reached.
    pub webhook: Option<(Webhook, Client)>,
    /// Sends them by mail.
    pub mailer: Option<Mailer>,
    /// The deployment's name.
    pub service: String,
}

/// Until when somebody who did not take something is left alone, and how long the next rest is; both in milliseconds.
struct Rest {
    until_ts: i64,
    next_ms: i64,
}

impl Default for Rest {
    fn default() -> Self {
        Self { until_ts: 0, next_ms: MINUTE_MS }
    }
}

impl Rest {
    /// They did not take it: a rest begins, and the next one is longer.
    fn begin(&mut self, now_ms: i64) {
        *self = Self { until_ts: now_ms + self.next_ms, next_ms: (self.next_ms * 2).min(LONGEST_REST_MS) };
    }
}

/// Keeps and tells alerts.
pub struct Alerts {
    parts: AlertParts,
    /// Open alerts by kind, as last looked at.
    counts: Mutex<BTreeMap<String, u64>>,
    webhook_rest: Mutex<Rest>,
    mail_rest: Mutex<Rest>,
    /// Something new is there to be told.
    news: Notify,
}

impl Alerts {
    /// Over a store.
    pub fn new(parts: AlertParts) -> Self {
        Self {
            parts,
            counts: Mutex::default(),
            webhook_rest: Mutex::default(),
            mail_rest: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Raises alerts. One that is raised already stays, and is told again only if it says something else.
    pub async fn raise(&self, alerts: Vec<NewAlert>) -> Result<()> {
        let mut batch = Batch::new();
        let raised_ts = self.parts.clock.now_ms();
        for NewAlert { subject, kind, code, what } in alerts {
            let kind = kind.to_owned();
            rows::raise(
                &mut batch,
                rows::Alert { subject, kind, code, what, raised_ts, told_ts: None, mailed_ts: None, cleared_ts: None },
            );
        }
        if !batch.is_empty() {
            self.parts.store.write(batch).await?;
        }
        Ok(())
    }

    /// Notes that the causes of alerts are gone.
    pub async fn clear(&self, subjects: &[String]) -> Result<()> {
        let mut batch = Batch::new();
        for subject in subjects {
            rows::clear(&mut batch, subject, self.parts.clock.now_ms());
        }
        if !batch.is_empty() {
            self.parts.store.write(batch).await?;
        }
        Ok(())
    }

    /// Those whose cause is there, the oldest first.
    pub async fn list(&self) -> Result<Vec<Alert>> {
        let found = self.parts.store.read(|snapshot| async move { rows::open(&snapshot).await }).await?;
        Ok(found
            .into_iter()
            .map(|row| Alert {
                subject: row.subject,
                kind: row.kind,
                code: row.code,
                what: row.what,
                raised_ts: row.raised_ts,
                told_ts: row.told_ts,
                mailed_ts: row.mailed_ts,
            })
            .collect())
    }

    /// Open alerts by kind, as last looked at.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().clone()
    }

    /// Looks once: raises what is to be raised, clears what is over, and counts.
    pub async fn look(&self) -> Result<()> {
        let table = self.parts.duties.table(true).await?;
        let dossiers = self.parts.dossiers.list().await?;
        let demands = self.parts.demands.open().await?;
        let mut now = own::alerts(&table, &dossiers, &demands, self.parts.clock.now_ms());
        let objected = [State::Objected.word()];
        let objected =
            self.parts.store.read(move |snapshot| async move { moves::in_states(&snapshot, &objected).await });
        now.extend(own::objections(objected.await?.len()));
        let troubles = self.parts.store.read(|snapshot| async move { directory_troubles::all(&snapshot).await });
        now.extend(troubles.await?.into_iter().map(own::directory));
        let open = self.parts.store.read(|snapshot| async move { cuts::open(&snapshot).await }).await?;
        now.extend(open.iter().filter(|cut| cut.declared_ts.is_some()).map(own::cut));
        self.settle(&own::KINDS, now).await?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for alert in self.list().await? {
            *counts.entry(alert.kind).or_default() += 1;
        }
        // A kind without alerts is told as 0, so that it can be seen to have gone.
        for kind in own::KINDS.into_iter().chain(signs::KINDS) {
            counts.entry(kind.to_owned()).or_default();
        }
        *self.counts.lock() = counts;
        Ok(())
    }

    /// Raises what is there now of some kinds, and clears what of them is not.
    pub(super) async fn settle(&self, kinds: &[&str], now: Vec<NewAlert>) -> Result<()> {
        let before = self.list().await?;
        let is_over = |alert: &&Alert| {
            kinds.contains(&alert.kind.as_str()) && !now.iter().any(|new| new.subject == alert.subject)
        };
        let over: Vec<String> = before.iter().filter(is_over).map(|alert| alert.subject.clone()).collect();
        let is_new =
            |new: &NewAlert| !before.iter().any(|alert| alert.subject == new.subject && alert.what == new.what);
        let new: Vec<NewAlert> = now.into_iter().filter(is_new).collect();
        let is_news = !new.is_empty();
        self.raise(new).await?;
        self.clear(&over).await?;
        if is_news {
            self.news.notify_one();
        }
        Ok(())
    }

    /// Tells the webhook and the mail server what they have not been told. One that does not take it is left alone for a while, and longer each
    /// time; the other hears it all the same.
    pub async fn tell(&self) -> Result<()> {
        let (by_webhook, by_mail) = tokio::join!(self.tell_webhook(), self.tell_by_mail());
        by_webhook.and(by_mail)
    }

    async fn tell_webhook(&self) -> Result<()> {
        let Some((webhook, client)) = &self.parts.webhook else { return Ok(()) };
        let now_ms = self.parts.clock.now_ms();
        if self.webhook_rest.lock().until_ts > now_ms {
            return Ok(());
        }
        let new = self.untold(|alert| alert.told_ts.is_none()).await?;
        if new.is_empty() {
            return Ok(());
        }
        if let Err(error) = webhook.tell(client, &json!({ "alerts": new })).await {
            self.webhook_rest.lock().begin(now_ms);
            tracing::warn!(%error, "the webhook for alerts did not take them: it is tried again later");
            return Ok(());
        }
        *self.webhook_rest.lock() = Rest::default();
        let mut batch = Batch::new();
        for alert in new {
            rows::told(&mut batch, &alert.subject, &alert.what, now_ms);
        }
        self.parts.store.write(batch).await?;
        Ok(())
    }

    async fn tell_by_mail(&self) -> Result<()> {
        let Some(mailer) = &self.parts.mailer else { return Ok(()) };
        let now_ms = self.parts.clock.now_ms();
        if self.mail_rest.lock().until_ts > now_ms {
            return Ok(());
        }
        let new = self.untold(|alert| alert.mailed_ts.is_none()).await?;
        if new.is_empty() {
            return Ok(());
        }
        let (subject, text) = mail::written(&self.parts.service, &new);
        if let Err(error) = mailer.send(&subject, text, &mail::id(&new, now_ms), now_ms).await {
            self.mail_rest.lock().begin(now_ms);
            tracing::warn!(%error, "alerts could not be sent by mail: it is tried again later");
            return Ok(());
        }
        *self.mail_rest.lock() = Rest::default();
        let mut batch = Batch::new();
        for alert in new {
            rows::mailed(&mut batch, &alert.subject, &alert.what, now_ms);
        }
        self.parts.store.write(batch).await?;
        Ok(())
    }

    async fn untold(&self, is_untold: impl Fn(&Alert) -> bool) -> Result<Vec<Alert>> {
        let mut new: Vec<Alert> = self.list().await?.into_iter().filter(is_untold).collect();
        new.truncate(AT_ONCE);
        Ok(new)
    }

    /// Looks and tells about once a minute and when there is something new, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        loop {
            for done in [self.look().await, self.tell().await] {
                if let Err(error) = done {
                    tracing::warn!(%error, "alerts could not be looked at");
                }
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
                () = self.news.notified() => {}
            }
        }
    }
}
