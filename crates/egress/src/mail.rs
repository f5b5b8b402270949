//! The operator's mail server (SMTP). It is named in the configuration and may stand on this machine or in its network, so the guard is not asked;
//! nobody else can have a mail sent anywhere.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};

use crate::Trust;

/// How long one step of a mail server may take, and how long all of it may.
const STEP: Duration = Duration::from_secs(8);
const ALL: Duration = Duration::from_secs(20);

/// How the connection is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after STARTTLS; without it nothing is sent.
    StartTls,
    /// Nothing.
    Plain,
}

/// What the operator chose.
#[derive(Clone)]
pub struct MailSettings {
    /// The mail server's name, which its certificate must have.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: MailSecurity,
    /// The user name and the password there.
    pub credentials: Option<(String, String)>,
    /// From whom mails come, such as `Domicile <domicile@example.org>`.
    pub from: String,
    /// To whom they go.
    pub to: Vec<String>,
    /// What this server calls itself.
    pub hello: String,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailSettings({}:{})", self.server, self.port)
    }
}

/// Why mails cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    /// An address that is none.
    #[error("`{0}` is no mail address: write it as domicile@example.org or \"Domicile <domicile@example.org>\"")]
    Address(String),
    /// The certificates that are trusted cannot be used.
    #[error("TLS for mail cannot be set up: {0}")]
    Tls(String),
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It took too long.
    #[error("the mail server did not answer in time")]
    Late,
    /// It said no, or could not be reached.
    #[error("the mail server did not take it: {0}")]
    Refused(String),
    /// It cannot be written.
    #[error("the mail cannot be written: {0}")]
    Unwritable(String),
}

/// Sends mails to the operator.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

fn mailbox(text: &str) -> Result<Mailbox, MailSetupError> {
    text.parse().map_err(|_| MailSetupError::Address(text.to_owned()))
}

impl MailSettings {
    /// Whether the addresses are written as addresses are.
    pub fn check(&self) -> Result<(), MailSetupError> {
        std::iter::once(&self.from).chain(&self.to).try_for_each(|address| mailbox(address).map(drop))
    }
}

impl Mailer {
    /// Over a mail server. Beside the system's certificates those of `trust` are believed.
    pub fn new(settings: MailSettings, trust: &Trust) -> Result<Self, MailSetupError> {
        let tls = || {
            let mut parameters = TlsParameters::builder(settings.server.clone());
            for certificate in trust.own_roots() {
                let certificate = Certificate::from_der(certificate.to_vec());
                let certificate = certificate.map_err(|error| MailSetupError::Tls(error.to_string()))?;
                parameters = parameters.add_root_certificate(certificate);
            }
            parameters.build().map_err(|error| MailSetupError::Tls(error.to_string()))
        };
        let tls = match settings.security {
            MailSecurity::Tls => Tls::Wrapper(tls()?),
            MailSecurity::StartTls => Tls::Required(tls()?),
            MailSecurity::Plain => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.server.clone())
            .port(settings.port)
            .tls(tls)
            .timeout(Some(STEP))
            .hello_name(ClientId::Domain(settings.hello.clone()));
        if let Some((name, password)) = settings.credentials {
            transport = transport.credentials(Credentials::new(name, password));
        }
        let to = settings.to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        Ok(Self { transport: transport.build(), from: mailbox(&settings.from)?, to })
    }

    /// Sends a mail to all whom the operator named. `id` tells it from every other one; `now_ms` is in milliseconds since the epoch.
    pub async fn send(&self, subject: &str, text: String, id: &str, now_ms: i64) -> Result<(), MailError> {
        let now = UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(now_ms).unwrap_or_default()));
        let message_id = format!("<{id}@{}>", self.from.email.domain());
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            .date(now.unwrap_or(UNIX_EPOCH))
            .message_id(Some(message_id));
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message.header(ContentType::TEXT_PLAIN).body(text);
        let message = message.map_err(|error| MailError::Unwritable(error.to_string()))?;
        match tokio::time::timeout(ALL, self.transport.send(message)).await {
            Err(_) => Err(MailError::Late),
            Ok(Err(error)) if error.is_timeout() => Err(MailError::Late),
            Ok(Err(error)) => Err(MailError::Refused(said(&error))),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

/// What a mail server said, as one line of bounded length.
fn said(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(300).collect()
}
