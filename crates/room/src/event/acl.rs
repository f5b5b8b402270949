//! Which servers may take part in a room (client-server, *Server Access Control Lists (ACLs) for rooms*).

use std::net::Ipv4Addr;

use domicile_core::glob;
use ruma::ServerName;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::Pdu;

/// The content of an `m.room.server_acl` event, ready to be asked. Without such an event every server may take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAcl {
    allow_ip_literals: bool,
    allow: Vec<Box<str>>,
    deny: Vec<Box<str>>,
}

impl ServerAcl {
    /// What an event says. Lists that are none are empty, entries that are no text do not count.
    pub fn of(pdu: &Pdu) -> Self {
        #[derive(Default, Deserialize)]
        struct Content<'a> {
            #[serde(borrow)]
            allow_ip_literals: Option<&'a RawValue>,
            #[serde(borrow)]
            allow: Option<&'a RawValue>,
            #[serde(borrow)]
            deny: Option<&'a RawValue>,
        }
        let content: Content<'_> = pdu.content_as().unwrap_or_default();
        Self {
            allow_ip_literals: content.allow_ip_literals.is_none_or(|value| value.get() != "false"),
            allow: patterns(content.allow),
            deny: patterns(content.deny),
        }
    }

    /// Whether a server may take part. Its port does not matter, nor the case of its letters.
    pub fn allows(&self, server: &ServerName) -> bool {
        let host = server.host();
        let is_ip_literal = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        if is_ip_literal && !self.allow_ip_literals {
            return false;
        }
        let host = host.to_lowercase();
        let any = |patterns: &[Box<str>]| patterns.iter().any(|pattern| glob::matches(pattern, &host));
        !any(&self.deny) && any(&self.allow)
    }
}

fn patterns(list: Option<&RawValue>) -> Vec<Box<str>> {
    let list: Vec<Value> = list.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(|pattern| pattern.to_lowercase().into()).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ruma::{RoomVersionId, event_id};
    use serde_json::json;

    use super::*;

    fn acl(content: &Value) -> ServerAcl {
        let event = json!({
            "type": "m.room.server_acl", "state_key": "", "sender": "@a:b", "content": content, "origin_server_ts": 1,
        });
        let id = event_id!("$acl").to_owned();
        ServerAcl::of(&Pdu::parse(id, Bytes::from(event.to_string()), &RoomVersionId::V11.rules().unwrap()).unwrap())
    }

    fn allows(content: &Value, server: &str) -> bool {
        acl(content).allows(server.try_into().unwrap())
    }

    #[test]
    fn denial_comes_first_and_nobody_is_allowed_by_default() {
        let content = json!({ "allow": ["*"], "deny": ["*.evil.com", "evil.com", "bad?.org"] });
        for (server, allowed) in [
            ("example.org", true),
            ("evil.com", false),
            ("EVIL.com:8448", false),
            ("a.b.evil.com:1", false),
            ("notevil.com", true),
            ("bad1.org", false),
            ("bad.org", true),
            ("bad12.org", true),
        ] {
            assert_eq!(allows(&content, server), allowed, "{server}");
        }
        for content in [json!({}), json!({ "allow": "*" }), json!({ "allow": [7, null] }), json!({ "deny": [] })] {
            assert!(!allows(&content, "example.org"), "{content}");
        }
        assert!(allows(&json!({ "allow": [7, "EXAMPLE.*"], "deny": 3 }), "example.org"));
    }

    #[test]
    fn addresses_can_be_kept_out_altogether() {
        for (setting, allowed) in
            [(json!(false), false), (json!(true), true), (json!("false"), true), (Value::Null, true)]
        {
            let content = json!({ "allow": ["*"], "allow_ip_literals": setting });
            for server in ["192.0.2.1", "192.0.2.1:8448", "[2001:db8::1]", "[2001:db8::1]:8448"] {
                assert_eq!(allows(&content, server), allowed, "{setting} {server}");
            }
            assert!(allows(&content, "1.example.org"));
        }
        assert!(!allows(&json!({ "allow": ["*"], "deny": ["192.0.2.*"] }), "192.0.2.7:99"));
    }
}
