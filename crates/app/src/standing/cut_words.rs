//! What people are told of a cut, in each language. Pure: it names neither cells nor regions, since nobody is to learn in which of them somebody is.

use std::fmt::Write as _;

use domicile_core::{calendar::minute, clock::MINUTE_MS};

use super::Language;
use crate::residency::cuts::{NewDevice, Waited};

/// New devices that one person is shown.
const SHOWN: usize = 20;

/// A cut that is over, as one person is told of it. Times are in milliseconds since the epoch.
pub(super) struct Over<'o> {
    /// Since when it was cut.
    pub(super) since_ts: i64,
    /// Since when it is whole.
    pub(super) whole_ts: i64,
    /// What had waited here.
    pub(super) here: Waited,
    /// What had waited there, if that is known.
    pub(super) there: Option<Waited>,
    /// New devices there of people with whom the person shares a room.
    pub(super) devices: Vec<&'o NewDevice>,
    /// Whether there may be more of them.
    pub(super) more: bool,
}

/// A time in UTC, and how long that was before the message, whose own time every client shows as its reader's clock has it.
fn when(language: Language, at_ts: i64, now_ms: i64) -> String {
    let minutes = now_ms.saturating_sub(at_ts).max(0) / MINUTE_MS;
    let (hours, days) = (minutes / 60, minutes / 60 / 24);
    let [min, hour, day] = match language {
        Language::En => ["min", "h", "days"],
        Language::De => ["Min.", "Std.", "Tage"],
        Language::Ru => ["мин", "ч", "дн."],
        Language::Zh => ["分钟", "小时", "天"],
    };
    let long = match (days, hours) {
        (2.., _) => format!("{days} {day}"),
        (_, 2..) => format!("{hours} {hour}"),
        _ => format!("{minutes} {min}"),
    };
    let at = minute(at_ts);
    match language {
        Language::En => format!("{at} UTC ({long} before this message)"),
        Language::De => format!("{at} UTC ({long} vor dieser Nachricht)"),
        Language::Ru => format!("{at} UTC (за {long} до этого сообщения)"),
        Language::Zh => format!("{at} UTC（此消息之前 {long}）"),
    }
}

/// That another part of the service is not reached, and what that means.
pub(super) fn begun(language: Language, since_ts: i64, now_ms: i64) -> String {
    let when = when(language, since_ts, now_ms);
    match language {
        Language::En => format!(
            "Since {when} another part of this service has not been reached. Some of those with whom you share rooms have their accounts there.\n\n\
             You can go on: what is said on either side is delivered when the connection is back. Until then removals from rooms and sign-outs of \
             devices may not have reached the other side. So somebody who was removed, or a device that was signed out, may still be able to read \
             there what is said meanwhile."
        ),
        Language::De => format!(
            "Seit {when} ist ein anderer Teil dieses Dienstes nicht erreichbar. Einige von denen, mit denen Sie Räume teilen, haben dort ihr Konto.\n\n\
             Sie können weiterschreiben: Was auf einer der beiden Seiten gesagt wird, kommt an, wenn die Verbindung wieder da ist. Bis dahin sind \
             Entfernungen aus Räumen und Abmeldungen von Geräten womöglich nicht auf der anderen Seite angekommen. Wer entfernt oder welches Gerät \
             abgemeldet wurde, kann dort also womöglich noch lesen, was inzwischen gesagt wird."
        ),
        Language::Ru => format!(
            "С {when} нет связи с другой частью этого сервиса. Там находятся учётные записи некоторых из тех, с кем у вас есть общие комнаты.\n\n\
             Вы можете продолжать: сказанное на любой из сторон будет доставлено, когда связь восстановится. До тех пор удаления из комнат и выходы \
             устройств могли не дойти до другой стороны. Поэтому удалённый участник или отключённое устройство, возможно, ещё могут читать там то, \
             что говорится в это время."
        ),
        Language::Zh => format!(
            "自 {when} 起，无法连接到本服务的另一部分。与您共享房间的一些人的账户位于那里。\n\n\
             您可以继续使用：连接恢复后，双方所说的内容都会送达。在此之前，移出房间和设备退出登录的操作可能尚未到达另一侧，\
             因此已被移出的人或已退出登录的设备可能仍能在那里读到这段时间所说的内容。"
        ),
    }
}

/// That it is over, and what had not arrived.
pub(super) fn over(language: Language, over: &Over<'_>, now_ms: i64) -> String {
    let (since, whole) = (minute(over.since_ts), when(language, over.whole_ts, now_ms));
    let mut said = match language {
        Language::En => format!(
            "The connection to the other part of this service is back since {whole}; it was cut since {since} UTC. What had waited has been delivered."
        ),
        Language::De => format!(
            "Die Verbindung zum anderen Teil dieses Dienstes ist seit {whole} wieder da; unterbrochen war sie seit {since} UTC. Was gewartet hatte, ist \
             zugestellt."
        ),
        Language::Ru => format!(
            "Связь с другой частью этого сервиса восстановлена с {whole}; её не было с {since} UTC. Всё, что ожидало, доставлено."
        ),
        Language::Zh => {
            format!("与本服务另一部分的连接自 {whole} 起已恢复；自 {since} UTC 起中断。等待中的内容已送达。")
        }
    };
    let [there, here, unknown] = match language {
        Language::En => [
            "What had not arrived there until then:",
            "What had not arrived here until then:",
            "what the other side has not told",
        ],
        Language::De => [
            "Was bis dahin dort nicht angekommen war:",
            "Was bis dahin hier nicht angekommen war:",
            "was die andere Seite nicht gesagt hat",
        ],
        Language::Ru => {
            ["Что до этого не дошло туда:", "Что до этого не дошло сюда:", "другая сторона этого не сообщила"]
        }
        Language::Zh => ["此前未到达那边的内容：", "此前未到达这边的内容：", "另一侧没有告知"],
    };
    let _ = write!(said, "\n\n{there}\n{}", waited(language, over.here));
    let theirs = over.there.map_or_else(|| unknown.to_owned(), |there| waited(language, there));
    let _ = write!(said, "\n{here}\n{theirs}");
    if !over.devices.is_empty() {
        let about = match language {
            Language::En => {
                "Devices there that are new since then. What was sent from here meanwhile may not be readable on them:"
            }
            Language::De => {
                "Geräte dort, die seither neu sind. Was inzwischen von hier gesendet wurde, ist auf ihnen womöglich nicht lesbar:"
            }
            Language::Ru => {
                "Новые с тех пор устройства на той стороне. Отправленное отсюда за это время на них может не читаться:"
            }
            Language::Zh => "此后那边新增的设备。这段时间从这里发送的内容在这些设备上可能无法读取：",
        };
        let _ = write!(said, "\n\n{about}");
        for new in over.devices.iter().take(SHOWN) {
            let _ = write!(said, "\n{} {}", new.user_id, new.device_id);
        }
        if over.more || over.devices.len() > SHOWN {
            said.push_str("\n…");
        }
    }
    said
}

/// What waited, a number for each kind.
fn waited(language: Language, waited: Waited) -> String {
    let [removals, bans, sign_outs, messages] = match language {
        Language::En => ["removals from rooms", "bans", "devices signed out", "messages and other events"],
        Language::De => {
            ["Entfernungen aus Räumen", "Verbannungen", "abgemeldete Geräte", "Nachrichten und andere Ereignisse"]
        }
        Language::Ru => {
            ["удаления из комнат", "блокировки в комнатах", "отключённые устройства", "сообщения и другие события"]
        }
        Language::Zh => ["移出房间", "封禁", "退出登录的设备", "消息和其他事件"],
    };
    let all =
        [(removals, waited.removals), (bans, waited.bans), (sign_outs, waited.sign_outs), (messages, waited.messages)];
    let said: Vec<String> = all.iter().map(|(what, count)| format!("{what}{}{count}", language.colon())).collect();
    format!("{}{}", said.join(if language == Language::Zh { "；" } else { "; " }), language.stop())
}

#[cfg(test)]
mod tests {
    use domicile_core::clock::HOUR_MS;

    use super::*;

    #[test]
    fn every_language_says_since_when_and_what_had_not_arrived() {
        let device = NewDevice { user_id: "@bob:example.org".to_owned(), device_id: "NEW".to_owned() };
        for language in Language::ALL {
            let said = begun(language, 0, 3 * HOUR_MS);
            assert!(said.contains("1970-01-01 00:00 UTC") && said.contains('3'), "{said}");
            let one = Over {
                since_ts: 0,
                whole_ts: HOUR_MS,
                here: Waited { removals: 21, bans: 22, sign_outs: 23, messages: 24 },
                there: None,
                devices: vec![&device; SHOWN + 1],
                more: false,
            };
            let said = over(language, &one, 2 * HOUR_MS);
            for part in ["1970-01-01 01:00 UTC", "21", "22", "23", "24", "@bob:example.org NEW"] {
                assert!(said.contains(part), "{part}: {said}");
            }
            assert_eq!(said.matches("NEW").count(), SHOWN, "{said}");
            assert!(said.ends_with('…'), "{said}");
            let none =
                over(language, &Over { there: Some(Waited::default()), devices: Vec::new(), ..one }, 2 * HOUR_MS);
            assert!(!none.contains("NEW") && none.contains('0'), "{none}");
        }
    }
}
