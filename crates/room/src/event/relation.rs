//! Relations between events: which of them count.

use serde::{Deserialize, de::IgnoredAny};

use super::Pdu;

/// Whether `edit`, which points at `original` as its replacement and is in the same room, is one (client-server, *Validity of replacement
/// events*).
pub fn is_valid_edit(original: &Pdu, edit: &Pdu) -> bool {
    original.sender() == edit.sender()
        && original.kind() == edit.kind()
        && !original.is_state()
        && !edit.is_state()
        && original.relation().is_none_or(|relation| relation.rel_type != "m.replace")
        && has_new_content(edit)
}

/// Whether an edit says what the new content is. That of an encrypted event is encrypted too.
fn has_new_content(edit: &Pdu) -> bool {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "m.new_content")]
        _new_content: IgnoredAny,
    }
    *edit.kind() == ruma::events::TimelineEventType::RoomEncrypted || edit.content_as::<Content>().is_some()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ruma::{OwnedEventId, RoomVersionId};
    use serde_json::json;

    use super::*;

    fn pdu(sender: &str, kind: &str, state_key: Option<&str>, content: &serde_json::Value) -> Pdu {
        let mut event = json!({ "sender": sender, "type": kind, "content": content, "origin_server_ts": 1 });
        if let Some(state_key) = state_key {
            event["state_key"] = state_key.into();
        }
        let id = OwnedEventId::try_from("$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk").unwrap();
        Pdu::parse(id, Bytes::from(event.to_string()), &RoomVersionId::V11.rules().unwrap()).unwrap()
    }

    #[test]
    fn only_ones_own_messages_can_be_edited() {
        let edit = json!({ "m.new_content": {}, "m.relates_to": { "rel_type": "m.replace", "event_id": "$x" } });
        let (alice, bob, message) = ("@alice:x", "@bob:x", "m.room.message");
        let original = pdu(alice, message, None, &json!({}));
        assert!(is_valid_edit(&original, &pdu(alice, message, None, &edit)));
        assert!(!is_valid_edit(&original, &pdu(bob, message, None, &edit)), "somebody else's");
        assert!(!is_valid_edit(&original, &pdu(alice, "m.sticker", None, &edit)), "another type");
        assert!(!is_valid_edit(&original, &pdu(alice, message, Some(""), &edit)), "a state event");
        assert!(
            !is_valid_edit(&pdu(alice, message, Some(""), &json!({})), &pdu(alice, message, None, &edit)),
            "of state"
        );
        assert!(!is_valid_edit(&pdu(alice, message, None, &edit), &pdu(alice, message, None, &edit)), "of an edit");
        assert!(!is_valid_edit(&original, &pdu(alice, message, None, &json!({}))), "without new content");
        let encrypted = pdu(alice, "m.room.encrypted", None, &json!({}));
        assert!(is_valid_edit(&encrypted, &encrypted), "what is encrypted is not looked into");
    }
}
