//! What passes: typing. It is never on disk.

pub mod receipts;
pub mod typing;

pub use receipts::{ReceiptKind, Receipts};
pub use typing::{Typing, TypingNotices};
