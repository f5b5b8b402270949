//! Tells people in their clients what was noticed of the keys, devices and joins of people of other cells with whom they share rooms: one message for all
//! that was noticed since the last look, and of one kind with one person at most one a day. Nobody is told in which cell somebody has their home.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::ids::UserNum;
use tokio_util::sync::CancellationToken;

use super::{Language, Teller, teller::in_one_message};
use crate::{
    Result,
    e2ee::key_incidents::{Entered, KeyIncidentKind, KeyIncidents, Untold},
};

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(20);
/// What kind of server notice it is.
const NOTICE_TYPE: &str = "org.domicile.keys";

/// Tells people of incidents with keys.
pub struct KeyNotices {
    incidents: Arc<KeyIncidents>,
    teller: Teller,
}

/// What is said of one incident, before it is in a language.
enum Line<'a> {
    Master(&'a str),
    Device(&'a str, &'a str),
    CameIn(&'a str, String),
    KeptOut(&'a str, String),
}

impl KeyNotices {
    /// Over the services that it uses.
    pub fn new(incidents: Arc<KeyIncidents>, teller: Teller) -> Self {
        Self { incidents, teller }
    }

    /// What is told.
    pub fn incidents(&self) -> &Arc<KeyIncidents> {
        &self.incidents
    }

    /// Notes what is to be noted by now, and tells those who have not been told. Gives how many messages were written.
    pub async fn look(&self) -> Result<usize> {
        self.incidents.look().await?;
        let untold = self.incidents.untold().await?;
        if untold.is_empty() {
            return Ok(0);
        }
        let mut lines = Vec::with_capacity(untold.len());
        let mut readers: BTreeMap<UserNum, Vec<usize>> = BTreeMap::new();
        for (index, one) in untold.iter().enumerate() {
            let entered = match one.kind {
                KeyIncidentKind::UninvitedJoin => Some(self.incidents.entered(one).await?),
                _ => None,
            };
            lines.push(Line::of(one, entered));
            for reader in self.incidents.audience(one).await?.into_iter().filter(|num| *num > one.incident.told_upto) {
                readers.entry(reader).or_default().push(index);
            }
        }
        let says = |_, concerned: &[usize], language| {
            let concerns: Vec<&Line<'_>> = concerned.iter().filter_map(|index| lines.get(*index)).collect();
            said(&concerns, language)
        };
        let untold_so_far = &untold;
        let note = |upto, more: Vec<i64>| async move {
            let reached: Vec<(&Untold, i64)> = untold_so_far.iter().zip(more).collect();
            self.incidents.note_reached(&reached, upto).await
        };
        let told = self.teller.tell_all((NOTICE_TYPE, untold.len()), &readers, says, note).await?;
        self.incidents.note_told(&untold).await?;
        Ok(told)
    }

    /// Looks from time to time, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let trouble = "incidents with keys could not be looked at";
        self.teller.look_often((PAUSE, trouble), stopping, || self.look()).await;
    }
}

impl<'a> Line<'a> {
    fn of(untold: &'a Untold, entered: Option<Entered>) -> Self {
        let who = untold.user_id.as_str();
        match (untold.kind, entered) {
            (KeyIncidentKind::UnsignedDevice, _) => Self::Device(who, &untold.incident.subject),
            (KeyIncidentKind::UninvitedJoin, Some(Entered { name, is_in: true })) => Self::CameIn(who, name),
            (KeyIncidentKind::UninvitedJoin, Some(Entered { name, .. })) => Self::KeptOut(who, name),
            _ => Self::Master(who),
        }
    }

    fn en(&self) -> String {
        match self {
            Self::Master(who) => format!(
                "The keys by which you know {who} have changed. They may have set them up anew themselves; whoever has control of the server where their account is could do it, too. Compare keys with them again before you write what only they may read."
            ),
            Self::Device(who, device) => format!(
                "{who} has a new device{} that they have not confirmed with their keys. Ask them in another way whether it is theirs.",
                named(device)
            ),
            Self::CameIn(who, room) => format!(
                "{who} has come into the room \"{room}\" although nobody had invited them. Remove them if you do not know why they are there."
            ),
            Self::KeptOut(who, room) => format!(
                "{who} tried to come into the room \"{room}\" although nobody had invited them, and was not let in."
            ),
        }
    }

    fn de(&self) -> String {
        match self {
            Self::Master(who) => format!(
                "Die Schlüssel, an denen Sie {who} erkennen, haben sich geändert. Vielleicht wurden sie von der Person selbst neu eingerichtet; wer den Server mit ihrem Konto in der Hand hat, könnte es auch gewesen sein. Vergleichen Sie die Schlüssel erneut, bevor Sie schreiben, was nur sie lesen darf."
            ),
            Self::Device(who, device) => format!(
                "{who} hat ein neues Gerät{}, das nicht mit den eigenen Schlüsseln bestätigt ist. Fragen Sie auf anderem Weg nach, ob es dieser Person gehört.",
                named(device)
            ),
            Self::CameIn(who, room) => format!(
                "{who} ist in den Raum „{room}“ gekommen, obwohl niemand eingeladen hatte. Entfernen Sie diese Person, wenn Sie nicht wissen, warum sie dort ist."
            ),
            Self::KeptOut(who, room) => format!(
                "{who} hat versucht, in den Raum „{room}“ zu kommen, obwohl niemand eingeladen hatte, und wurde nicht eingelassen."
            ),
        }
    }

    fn ru(&self) -> String {
        match self {
            Self::Master(who) => format!(
                "Ключи, по которым вы узнаёте {who}, изменились. Возможно, этот человек настроил их заново сам; но это мог сделать и тот, кто получил контроль над сервером с его учётной записью. Сверьте ключи ещё раз, прежде чем писать то, что предназначено только ему."
            ),
            Self::Device(who, device) => format!(
                "У {who} появилось новое устройство{}, не подтверждённое собственными ключами. Спросите другим способом, его ли это устройство.",
                named(device)
            ),
            Self::CameIn(who, room) => format!(
                "{who} теперь в комнате «{room}», хотя никто не приглашал. Удалите этого участника, если не знаете, почему он там."
            ),
            Self::KeptOut(who, room) => {
                format!("{who} пытается войти в комнату «{room}» без приглашения; вход не разрешён.")
            }
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Master(who) => format!(
                "用于识别 {who} 的密钥已更改。可能是对方自己重新设置的；控制其账户所在服务器的人也可能这样做。在发送只应由对方阅读的内容之前，请再次与对方核对密钥。"
            ),
            Self::Device(who, device) => {
                format!("{who} 有一台新设备{}，尚未用其密钥确认。请通过其他途径询问该设备是否属于对方。", named(device))
            }
            Self::CameIn(who, room) => {
                format!("{who} 未经任何人邀请进入了房间“{room}”。如果您不知道原因，请将其移出。")
            }
            Self::KeptOut(who, room) => format!("{who} 未经邀请试图进入房间“{room}”，未被允许进入。"),
        }
    }
}

fn named(device: &str) -> String {
    if device.is_empty() { String::new() } else { format!(" ({device})") }
}

/// What is said to one person.
fn said(lines: &[&Line<'_>], language: Language) -> String {
    let in_language = |line: &&Line<'_>| match language {
        Language::En => line.en(),
        Language::De => line.de(),
        Language::Ru => line.ru(),
        Language::Zh => line.zh(),
    };
    in_one_message(lines, in_language, |left| match language {
        Language::En => format!("And {left} more of this kind."),
        Language::De => format!("Und {left} weitere dieser Art."),
        Language::Ru => format!("И ещё таких сообщений: {left}."),
        Language::Zh => format!("此外还有 {left} 条类似情况。"),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::teller::LINES, *};

    #[test]
    fn one_message_says_all_and_ends() {
        let (master, device) = (Line::Master("@bob:example.org"), Line::Device("@bob:example.org", "ABC"));
        let both = said(&[&master, &device], Language::De);
        assert!(both.contains("haben sich geändert") && both.contains("neues Gerät (ABC), das"), "{both}");
        assert_eq!(both.matches("\n\n").count(), 1);
        let many: Vec<&Line<'_>> = std::iter::repeat_n(&device, LINES + 7).collect();
        let said = said(&many, Language::En);
        assert_eq!(said.matches("@bob").count(), LINES);
        assert!(said.ends_with("And 7 more of this kind."), "{said}");
    }

    #[test]
    fn every_language_says_who_and_where() {
        let came =
            [Line::CameIn("@bob:example.org", "Tea".to_owned()), Line::KeptOut("@bob:example.org", "Tea".to_owned())];
        for language in Language::ALL {
            for line in came.iter().chain([&Line::Master("@bob:example.org")]) {
                let text = said(&[line], language);
                assert!(text.contains("@bob:example.org"), "{text}");
                assert!(matches!(line, Line::Master(_)) || text.contains("Tea"), "{text}");
            }
        }
    }
}
