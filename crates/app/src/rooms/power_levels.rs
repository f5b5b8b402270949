//! The content of a power levels event, changed without losing what this server does not know of it.

use ruma::UserId;
use serde_json::{Map, Value};

/// The keys whose values are levels.
const LEVELS: [&str; 7] = ["ban", "events_default", "invite", "kick", "redact", "state_default", "users_default"];
/// The keys whose values are objects of levels.
const MAPS: [&str; 3] = ["events", "notifications", "users"];

/// A content in which every level is a number. What is none in any version is left out, so that it keeps no room from being upgraded.
#[derive(Clone, Debug)]
pub struct PowerContent(Map<String, Value>);

impl PowerContent {
    /// A content as some room has it. Room versions before 10 let levels be text, later ones refuse it.
    pub fn new(mut content: Map<String, Value>) -> Self {
        content.retain(|key, level| !LEVELS.contains(&key.as_str()) || to_number(level));
        for key in MAPS {
            match content.get_mut(key) {
                Some(Value::Object(levels)) => levels.retain(|_, level| to_number(level)),
                Some(_) => drop(content.remove(key)),
                None => {}
            }
        }
        if let Some(Value::Object(users)) = content.get_mut("users") {
            users.retain(|user_id, _| <&UserId>::try_from(user_id.as_str()).is_ok());
        }
        Self(content)
    }

    /// The content.
    pub fn into_content(self) -> Map<String, Value> {
        self.0
    }

    /// Gives a user no level of their own.
    pub fn forget_user(&mut self, user_id: &UserId) {
        if let Some(users) = self.0.get_mut("users").and_then(Value::as_object_mut) {
            users.remove(user_id.as_str());
        }
    }

    /// Gives a user at least a level.
    pub fn raise_user(&mut self, user_id: &UserId, level: i64) {
        let users = self.0.entry("users").or_insert_with(|| Value::Object(Map::new()));
        if let Some(users) = users.as_object_mut() {
            let now = users.get(user_id.as_str()).and_then(Value::as_i64).unwrap_or(i64::MIN);
            users.insert(user_id.to_string(), now.max(level).into());
        }
    }

    /// The content of a room in which ordinary members neither write nor invite any more.
    pub fn quiet(mut self) -> Map<String, Value> {
        let level = |key: &str| self.0.get(key).and_then(Value::as_i64).unwrap_or(0);
        let quiet = level("users_default").saturating_add(1).max(50);
        let (events_default, invite) = (level("events_default").max(quiet), level("invite").max(quiet));
        self.0.insert("events_default".to_owned(), events_default.into());
        self.0.insert("invite".to_owned(), invite.into());
        self.0
    }
}

/// Makes a level a number, and tells whether it is one.
fn to_number(level: &mut Value) -> bool {
    if let Some(number) = level.as_str().and_then(|text| text.trim().parse::<i64>().ok()) {
        *level = number.into();
    }
    level.is_i64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(value: &Value) -> PowerContent {
        PowerContent::new(value.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn levels_become_numbers_and_the_rest_stays() {
        let content = content(&json!({ "ban": "60", "users": { "@a:b": " 100 " }, "other": "x" })).into_content();
        assert_eq!(Value::Object(content), json!({ "ban": 60, "users": { "@a:b": 100 }, "other": "x" }));
    }

    #[test]
    fn what_is_no_level_is_left_out() {
        let odd = json!({
            "kick": "much", "users": { "nobody": 1, "@a:b": 2 }, "events": [], "notifications": { "room": "loud" },
        });
        let content = content(&odd).into_content();
        assert_eq!(Value::Object(content), json!({ "users": { "@a:b": 2 }, "notifications": {} }));
    }

    #[test]
    fn a_quiet_room_is_never_louder() {
        for (users_default, events_default, expected) in [(0, 0, 50), (75, 0, 76), (0, 90, 90)] {
            let before = json!({ "users_default": users_default, "events_default": events_default });
            let quiet = content(&before).quiet();
            assert_eq!(quiet["events_default"], expected);
        }
    }
}
