//! What passes: typing and presence, which are never on disk, and receipts.

pub mod presence;
pub mod receipts;
pub mod typing;
pub mod waiting_receipts;

pub use presence::{Presence, PresenceNotices};
pub use receipts::{ReceiptKind, Receipts};
pub use typing::{Typing, TypingNotices};
pub use waiting_receipts::WaitingReceipts;
