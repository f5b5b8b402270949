//! Receipts as others are told them: many in one EDU, which has room for one receipt of each user in a room.

use std::collections::{BTreeMap, HashMap};

use domicile_core::ids::{RoomNum, UserNum};
use domicile_store::{Snapshot, table::receipts::OutgoingReceipt};
use ruma::{
    MilliSecondsSinceUnixEpoch, UInt,
    api::federation::transactions::edu::{Edu, ReceiptContent, ReceiptData, ReceiptMap},
    events::receipt::{Receipt, ReceiptThread},
};
use serde_json::value::RawValue;

use crate::{Error, Result, accounts::Users, events::Events};

/// Into which EDU each receipt goes.
#[derive(Default)]
struct Places {
    /// How many of a user in a room there are already.
    taken: HashMap<(RoomNum, UserNum), usize>,
}

impl Places {
    fn next(&mut self, receipt: &OutgoingReceipt) -> usize {
        let taken = self.taken.entry((receipt.room_num, receipt.receipt.user_num)).or_default();
        *taken += 1;
        *taken - 1
    }
}

/// How many of the first receipts fit into so many EDUs.
pub(super) fn fitting(receipts: &[OutgoingReceipt], edus: usize) -> usize {
    let mut places = Places::default();
    receipts.iter().take_while(|receipt| places.next(receipt) < edus).count()
}

/// The EDUs.
pub(super) async fn edus(
    snapshot: &Snapshot,
    users: &Users,
    events: &Events,
    receipts: &[OutgoingReceipt],
) -> Result<Vec<Box<RawValue>>> {
    let mut places = Places::default();
    let mut contents: Vec<BTreeMap<_, ReceiptMap>> = Vec::new();
    for outgoing in receipts {
        let place = places.next(outgoing);
        if contents.len() <= place {
            contents.resize_with(place + 1, BTreeMap::new);
        }
        let receipt = &outgoing.receipt;
        let user_id = users.load_id(snapshot, receipt.user_num).await?;
        let room_id = events.room_info(snapshot, outgoing.room_num).await?.room_id.clone();
        let ts = UInt::try_from(receipt.ts).unwrap_or_default();
        let mut data = Receipt::new(MilliSecondsSinceUnixEpoch(ts));
        data.thread = match receipt.thread.as_str() {
            "" => ReceiptThread::Unthreaded,
            "main" => ReceiptThread::Main,
            root => ReceiptThread::Thread(root.try_into().map_err(Error::internal)?),
        };
        if let Some(content) = contents.get_mut(place) {
            let of_room = content.entry(room_id).or_insert_with(|| ReceiptMap::new(BTreeMap::new()));
            of_room.read.insert(user_id, ReceiptData::new(data, vec![receipt.event_id.clone()]));
        }
    }
    let edus = contents.into_iter().map(|content| super::edu(&Edu::Receipt(ReceiptContent::new(content))));
    edus.collect()
}

#[cfg(test)]
mod tests {
    use domicile_core::ids::Position;
    use domicile_store::table::receipts::Receipt;

    use super::*;

    #[test]
    fn a_user_has_one_receipt_of_a_room_in_each() {
        let receipt = |position: i64, room: i64, user: i64| OutgoingReceipt {
            position: Position(position),
            room_num: RoomNum(room),
            receipt: Receipt {
                user_num: UserNum(user),
                kind: "m.read".to_owned(),
                thread: String::new(),
                event_id: "$an_event:example.org".try_into().unwrap(),
                ts: 0,
            },
        };
        let receipts = [receipt(1, 1, 1), receipt(2, 1, 2), receipt(3, 2, 1), receipt(4, 1, 1), receipt(5, 1, 1)];
        assert_eq!(fitting(&receipts, 0), 0);
        assert_eq!(fitting(&receipts, 1), 3);
        assert_eq!(fitting(&receipts, 2), 4);
        assert_eq!(fitting(&receipts, 3), 5);
    }
}
