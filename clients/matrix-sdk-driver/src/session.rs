//! One client: its account, its store, and the session that outlives the process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use matrix_sdk::authentication::matrix::MatrixSession;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::encryption::{BackupDownloadStrategy, EncryptionSettings};
use matrix_sdk::ruma::api::client::account::register;
use matrix_sdk::ruma::api::client::uiaa::{AuthData, Dummy, RegistrationToken, UiaaInfo};
use matrix_sdk::store::RoomLoadSettings;
use matrix_sdk::{Client, Room, RoomState};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::inbox::Inbox;
use crate::{sync, trust};

/// How often a room or an event is looked for while it has not come yet.
pub const PAUSE: Duration = Duration::from_millis(50);

/// A client and what runs for it.
pub struct Session {
    pub client: Client,
    pub inbox: Inbox,
    folder: PathBuf,
    syncing: Option<JoinHandle<()>>,
}

impl Session {
    /// Makes a client with its database in `folder`.
    pub async fn open(homeserver: &str, folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        let client = Client::builder()
            .homeserver_url(homeserver)
            .sqlite_store(folder.join("store"), None)
            .respect_login_well_known(false)
            .request_config(RequestConfig::new().timeout(Duration::from_secs(60)).retry_limit(8))
            .with_encryption_settings(EncryptionSettings {
                auto_enable_cross_signing: false,
                backup_download_strategy: BackupDownloadStrategy::AfterDecryptionFailure,
                auto_enable_backups: false,
            })
            .build()
            .await
            .with_context(|| format!("making a client of {homeserver}"))?;
        let inbox = Inbox::default();
        inbox.listen(&client);
        trust::accept_verifications(&client);
        Ok(Self { client, inbox, folder, syncing: None })
    }

    /// Makes an account, giving the server's stages what they ask for.
    pub async fn register(&self, user: &str, password: &str, token: Option<String>) -> Result<Value> {
        let mut auth = None;
        // Each answer names the stages that are left; two are the most that a server asks for here.
        for _ in 0..4 {
            let mut request = register::v3::Request::new();
            request.username = Some(user.to_owned());
            request.password = Some(password.to_owned());
            request.initial_device_display_name = Some("matrix-sdk".to_owned());
            request.auth = auth.take();
            match self.client.matrix_auth().register(request).await {
                Ok(_) => return self.keep(),
                Err(error) => match error.as_uiaa_response() {
                    Some(info) => auth = Some(next_stage(info, token.as_deref())?),
                    None => return Err(error).with_context(|| format!("registering {user}")),
                },
            }
        }
        bail!("registering {user}: the server never was content with the stages it asked for")
    }

    pub async fn login(&self, user: &str, password: &str) -> Result<Value> {
        let auth = self.client.matrix_auth();
        let login = auth.login_username(user, password).initial_device_display_name("matrix-sdk");
        login.send().await.with_context(|| format!("logging in as {user}"))?;
        self.keep()
    }

    /// Writes the session down for a later process.
    fn keep(&self) -> Result<Value> {
        let session = self.client.matrix_auth().session().context("the server gave no session")?;
        let text = serde_json::to_string(&session).context("writing the session down")?;
        fs::write(self.folder.join("session.json"), text).context("writing the session down")?;
        Ok(json!({ "user": session.meta.user_id, "device": session.meta.device_id }))
    }

    pub async fn restore(&self) -> Result<Value> {
        let text = fs::read_to_string(self.folder.join("session.json")).context("looking for an earlier session")?;
        let session: MatrixSession = serde_json::from_str(&text).context("reading the earlier session")?;
        let about = json!({ "user": session.meta.user_id, "device": session.meta.device_id });
        let restored = self.client.matrix_auth().restore_session(session, RoomLoadSettings::default()).await;
        restored.context("taking up the earlier session")?;
        Ok(about)
    }

    pub async fn logout(&mut self) -> Result<Value> {
        self.stop_sync()?;
        self.client.logout().await.context("logging out")?;
        Ok(json!({}))
    }

    pub async fn start_sync(&mut self, sliding: bool) -> Result<Value> {
        self.stop_sync()?;
        // What is missed without it: that a key which failed to arrive is asked of the backup.
        self.client.event_cache().subscribe().context("starting the event cache")?;
        self.inbox.be_lenient(sliding);
        let first = sync::first(&self.client, sliding).await?;
        self.syncing = Some(tokio::spawn(first.forever()));
        Ok(json!({}))
    }

    #[expect(clippy::unnecessary_wraps, reason = "every command answers alike")]
    pub fn stop_sync(&mut self) -> Result<Value> {
        if let Some(task) = self.syncing.take() {
            task.abort();
        }
        Ok(json!({}))
    }

    /// A joined room, once sync has brought it.
    pub async fn room(&self, room: &str) -> Result<Room> {
        let id = matrix_sdk::ruma::RoomId::parse(room).with_context(|| format!("`{room}` is no room id"))?;
        for _ in 0..200 {
            if let Some(room) = self.client.get_room(&id).filter(|room| room.state() == RoomState::Joined) {
                return Ok(room);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("{room} did not come with /sync within ten seconds")
    }
}

/// What to answer to the first stage that is left, in a flow that this client can finish.
fn next_stage(info: &UiaaInfo, token: Option<&str>) -> Result<AuthData> {
    for flow in &info.flows {
        let left = flow.stages.iter().find(|stage| !info.completed.contains(stage));
        match left.map(AsRef::as_ref) {
            Some("m.login.dummy") => {
                let mut stage = Dummy::new();
                stage.session = info.session.clone();
                return Ok(AuthData::Dummy(stage));
            }
            Some("m.login.registration_token") => {
                if let Some(token) = token {
                    let mut stage = RegistrationToken::new(token.to_owned());
                    stage.session = info.session.clone();
                    return Ok(AuthData::RegistrationToken(stage));
                }
            }
            _ => {}
        }
    }
    bail!("no way of registering that this client knows: {:?}", info.flows)
}
