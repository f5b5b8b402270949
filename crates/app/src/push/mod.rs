//! Push rules, the counts that follow from them, and the notifications.

mod bell;
pub mod classes;
mod delivery;
mod gateways;
mod news;
mod notification;
mod notifications;
pub(crate) mod pushers;
pub mod rules;
pub mod totals;
pub mod unread;

pub use bell::PushBell;
pub use classes::PushClasses;
pub use delivery::{Delivery, DeliveryParts};
pub use gateways::Gateways;
pub use news::NewsParts;
pub use notifications::{NotificationPage, Notifications};
pub use pushers::Pushers;
pub use rules::PushRules;
pub use totals::Totals;
