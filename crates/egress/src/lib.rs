//! The one place that opens outgoing connections.

pub mod client;
mod connect;
pub mod detour;
pub mod download;
pub mod federation;
pub mod file;
pub mod guard;
pub mod inner;
pub mod mail;
pub mod probe;
pub mod proxy;
pub mod push_gateway;
pub mod spool;
mod trust;
pub mod unix;
pub mod webhook;

pub use client::{Client, ClientError};
pub use connect::ConnectError;
pub use federation::FederationClient;
pub use guard::Guard;
pub use mail::{MailSecurity, MailSettings, Mailer};
pub use proxy::{Proxy, ProxyError, ProxyKind, ProxySettings};
pub use trust::{CaError, ClientSettings, Trust};
pub use webhook::{Webhook, WebhookError};
