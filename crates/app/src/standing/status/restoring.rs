//! What the page says while the cell is being restored from a backup and serves nobody.

use std::collections::BTreeMap;

use super::view::{ShownIncident, ShownUpdate};
use crate::restore::State;

const WORDS: [(&str, &str); 4] = [
    (
        "en",
        "This part of the service is being restored from a backup and lets nobody in yet. Nothing is to be done. Afterwards sign in again; your rooms and keys are still there.",
    ),
    (
        "de",
        "Dieser Teil des Dienstes wird aus einer Sicherung wiederhergestellt und lässt noch niemanden herein. Zu tun ist nichts. Melden Sie sich danach neu an; Ihre Räume und Schlüssel sind noch da.",
    ),
    (
        "ru",
        "Эта часть сервиса восстанавливается из резервной копии и пока никого не впускает. Делать ничего не нужно. После этого войдите снова; ваши комнаты и ключи на месте.",
    ),
    ("zh", "服务的这一部分正在从备份恢复，暂时无法进入。您无需做任何事。恢复后请重新登录，您的房间和密钥都还在。"),
];

/// The entry for it. It stands in no book: it is gone when the cell is open.
pub(super) fn entry(state: &State) -> ShownIncident {
    let words: BTreeMap<String, String> =
        WORDS.iter().map(|(code, text)| ((*code).to_owned(), (*text).to_owned())).collect();
    let update = ShownUpdate { number: 0, at_ts: state.restored_ts, state: "confirmed".to_owned(), words };
    ShownIncident {
        number: 0,
        kind: "maintenance".to_owned(),
        code: None,
        state: "confirmed".to_owned(),
        began_ts: state.restored_ts,
        resolved_ts: None,
        updates: vec![update],
    }
}
