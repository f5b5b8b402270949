//! What the page says while cells do not reach each other, and afterwards. It names none of them.

use std::collections::BTreeMap;

use domicile_store::table::cuts::Cut;

use super::view::{ShownIncident, ShownUpdate};

const WORDS: [(&str, &str); 4] = [
    (
        "en",
        "Parts of this service do not reach each other. Everybody can go on; what is said between them is delivered when the connection is back. Until then removals from rooms and sign-outs of devices may not have reached the other side.",
    ),
    (
        "de",
        "Teile dieses Dienstes erreichen einander nicht. Alle können weiterschreiben; was zwischen ihnen gesagt wird, kommt an, wenn die Verbindung wieder da ist. Bis dahin sind Entfernungen aus Räumen und Abmeldungen von Geräten womöglich nicht auf der anderen Seite angekommen.",
    ),
    (
        "ru",
        "Между частями этого сервиса нет связи. Все могут продолжать; сказанное будет доставлено, когда связь восстановится. До тех пор удаления из комнат и выходы устройств могли не дойти до другой стороны.",
    ),
    (
        "zh",
        "本服务的各部分之间无法连接。所有人都可以继续使用；连接恢复后，双方之间的内容会送达。在此之前，移出房间和设备退出登录的操作可能尚未到达另一侧。",
    ),
];

const OVER: [(&str, &str); 4] = [
    ("en", "The connection is back, and what had waited has been delivered."),
    ("de", "Die Verbindung ist wieder da, und was gewartet hatte, ist zugestellt."),
    ("ru", "Связь восстановлена, всё, что ожидало, доставлено."),
    ("zh", "连接已恢复，等待中的内容已送达。"),
];

/// An entry for all cuts of which people are told, and one for each that is over. They stand in no book of incidents; their numbers are below zero.
pub(super) fn entries(open: &[Cut], past: &[Cut]) -> Vec<ShownIncident> {
    let told = open.iter().filter(|cut| cut.declared_ts.is_some()).min_by_key(|cut| cut.since_ts);
    told.into_iter().chain(past).map(entry).collect()
}

fn entry(cut: &Cut) -> ShownIncident {
    let declared_ts = cut.declared_ts.unwrap_or(cut.since_ts);
    let mut updates = vec![update(1, declared_ts, "confirmed", &WORDS)];
    if let Some(ended_ts) = cut.ended_ts {
        updates.insert(0, update(2, ended_ts, "resolved", &OVER));
    }
    ShownIncident {
        number: -cut.cut_num,
        kind: "link".to_owned(),
        code: None,
        state: if cut.ended_ts.is_some() { "resolved" } else { "confirmed" }.to_owned(),
        began_ts: cut.since_ts,
        resolved_ts: cut.ended_ts,
        updates,
    }
}

fn update(number: i64, at_ts: i64, state: &str, words: &[(&str, &str)]) -> ShownUpdate {
    let words: BTreeMap<String, String> =
        words.iter().map(|(code, text)| ((*code).to_owned(), (*text).to_owned())).collect();
    ShownUpdate { number, at_ts, state: state.to_owned(), words }
}
