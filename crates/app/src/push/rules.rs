//! Push rules as users set them: the defaults of the specification, and what they changed, kept as account data.

use std::sync::Arc;

use domicile_core::{error::ErrorKind, error::MatrixError, ids::UserNum};
use domicile_store::{
    Snapshot, Store,
    table::account_data::{self, GLOBAL},
};
use ruma::{
    RoomId, UserId,
    push::{
        Action, EventMatchConditionData, InsertPushRuleError, NewConditionalPushRule, NewPushRule, NewSimplePushRule,
        PushCondition, RemovePushRuleError, RuleKind, Ruleset,
    },
};
use serde_json::json;

use super::PushClasses;
use crate::{Error, Result, account_data::AccountData, accounts::Session, error::not_found};

/// The type under which push rules are kept.
const KIND: &str = "m.push_rules";

/// Push rules.
pub struct PushRules {
    store: Store,
    account_data: Arc<AccountData>,
    classes: Arc<PushClasses>,
}

impl PushRules {
    /// Over a store.
    pub fn new(store: Store, account_data: Arc<AccountData>, classes: Arc<PushClasses>) -> Self {
        Self { store, account_data, classes }
    }

    /// A user's rules; the defaults for who changed nothing.
    pub async fn get(&self, user_num: UserNum, user_id: &UserId) -> Result<Ruleset> {
        let user_id = user_id.to_owned();
        self.store.read(move |snapshot| async move { load(&snapshot, user_num, &user_id).await }).await
    }

    async fn change(
        &self,
        by: &Session,
        change: impl FnOnce(&mut Ruleset) -> std::result::Result<(), MatrixError>,
    ) -> Result<()> {
        let mut rules = self.get(by.user_num, &by.user_id).await?;
        change(&mut rules)?;
        let content = json!({ "global": rules }).to_string();
        self.account_data.write(by.user_num, GLOBAL, KIND, &content).await?;
        self.classes.forget_all();
        Ok(())
    }

    /// Lets the rules that a user made for a room be good for the room that took its place, too.
    pub async fn follow_room(&self, by: &Session, old: &RoomId, new: &RoomId) -> Result<()> {
        let rules = self.get(by.user_num, &by.user_id).await?;
        let mut made: Vec<NewPushRule> = Vec::new();
        if let Some(rule) = rules.room.iter().find(|rule| rule.rule_id == *old && rule.enabled)
            && !rules.room.iter().any(|rule| rule.rule_id == *new)
        {
            made.push(NewPushRule::Room(NewSimplePushRule::new(new.to_owned(), rule.actions.clone())));
        }
        for rule in rules.override_.iter().filter(|rule| rule.enabled && rule.rule_id.contains(old.as_str())) {
            let rule_id = rule.rule_id.replace(old.as_str(), new.as_str());
            if rules.override_.iter().any(|rule| rule.rule_id == rule_id) {
                continue;
            }
            let conditions = rule.conditions.iter().cloned().map(|condition| match condition {
                PushCondition::EventMatch(EventMatchConditionData { key, pattern, .. })
                    if key == "room_id" && pattern == old.as_str() =>
                {
                    PushCondition::EventMatch(EventMatchConditionData::new(key, new.to_string()))
                }
                other => other,
            });
            let rule = NewConditionalPushRule::new(rule_id, conditions.collect(), rule.actions.clone());
            made.push(NewPushRule::Override(rule));
        }
        if made.is_empty() {
            return Ok(());
        }
        self.change(by, |rules| {
            for rule in made {
                let refused = |error| ErrorKind::InvalidParam.with(format!("The rule cannot be added: {error}."));
                rules.insert(rule, None, None).map_err(refused)?;
            }
            Ok(())
        })
        .await
    }

    /// Adds or replaces a rule.
    pub async fn set(
        &self,
        by: &Session,
        rule: NewPushRule,
        after: Option<String>,
        before: Option<String>,
    ) -> Result<()> {
        self.change(by, |rules| {
            rules.insert(rule, after.as_deref(), before.as_deref()).map_err(|error| {
                let kind = match error {
                    InsertPushRuleError::UnknownRuleId => ErrorKind::NotFound,
                    _ => ErrorKind::InvalidParam,
                };
                kind.with(format!("The rule cannot be added: {error}."))
            })
        })
        .await
    }

    /// Removes a rule of the user's own.
    pub async fn remove(&self, by: &Session, kind: RuleKind, rule_id: &str) -> Result<()> {
        self.change(by, |rules| {
            rules.remove(kind, rule_id).map_err(|error| match error {
                RemovePushRuleError::ServerDefault => {
                    ErrorKind::InvalidParam.with("A default rule can only be disabled.")
                }
                _ => ErrorKind::NotFound.with(format!("There is no rule {rule_id}.")),
            })
        })
        .await
    }

    /// Switches a rule on or off.
    pub async fn set_enabled(&self, by: &Session, kind: RuleKind, rule_id: &str, enabled: bool) -> Result<()> {
        self.change(by, |rules| {
            rules
                .set_enabled(kind, rule_id, enabled)
                .map_err(|_| ErrorKind::NotFound.with(format!("There is no rule {rule_id}.")))
        })
        .await
    }

    /// Replaces what a rule does.
    pub async fn set_actions(&self, by: &Session, kind: RuleKind, rule_id: &str, actions: Vec<Action>) -> Result<()> {
        self.change(by, |rules| {
            rules
                .set_actions(kind, rule_id, actions)
                .map_err(|_| ErrorKind::NotFound.with(format!("There is no rule {rule_id}.")))
        })
        .await
    }
}

/// No rule of that kind and name.
pub fn unknown_rule(rule_id: &str) -> Error {
    not_found(format!("There is no rule {rule_id}."))
}

/// A user's rules within a read.
pub async fn load(snapshot: &Snapshot, user_num: UserNum, user_id: &UserId) -> Result<Ruleset> {
    Ok(load_own(snapshot, user_num, user_id).await?.0)
}

/// A user's rules within a read, and whether they ever changed them.
pub async fn load_own(snapshot: &Snapshot, user_num: UserNum, user_id: &UserId) -> Result<(Ruleset, bool)> {
    #[derive(serde::Deserialize)]
    struct Content {
        global: Ruleset,
    }
    let stored = account_data::get(snapshot, user_num, GLOBAL, KIND).await?;
    let changed = stored.is_some();
    let stored = stored.and_then(|content| serde_json::from_str::<Content>(&content).ok());
    let mut rules = stored.map_or_else(|| Ruleset::server_default(user_id), |content| content.global);
    // Defaults that the specification added since the user stored theirs.
    rules.update_with_server_default(Ruleset::server_default(user_id));
    Ok((rules, changed))
}
