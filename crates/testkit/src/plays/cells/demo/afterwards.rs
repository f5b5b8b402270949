//! After a cell was stolen and revoked: whose session the thief may know signs in anew, and life goes on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::theft::OTHER;
use super::{Demo, Screen, places};
use crate::plays::federation::http::exchange;

impl Demo {
    /// Boris had his session already when he lived in the stolen cell, whose disk has what passes for its token there: it has ended with the cell.
    pub(super) fn boris_signs_in_again(mut self, screen: &mut Screen<'_>) -> Result<Self> {
        let has_ended = || -> Result<String> {
            let (cell, token) = (self.deployment.cell(OTHER)?, self.boris.token()?);
            let path = "/_matrix/client/v3/account/whoami";
            let (status, told) = exchange(cell.clients, Some(&token), "GET", path, None)?;
            let told: Value = serde_json::from_str(&told).context("understanding why a session has ended")?;
            ensure!(status == 401 && told["soft_logout"] == json!(true), "{status} {told}");
            Ok(format!("{status} {}, soft logout", told["errcode"].as_str().unwrap_or_default()))
        };
        screen.claim("Boris's session, which the thief may know from before he moved, has ended", has_ended())?;
        screen.tell("His client asks him for his password. Device and keys are the same.")?;
        self.boris = self.boris.signs_in_again(self.deployment.cell(OTHER)?)?;
        Ok(self)
    }

    /// Who is left goes on, and the audit finds what is wrong, and nothing else.
    pub(super) fn life_goes_on(&mut self, screen: &mut Screen<'_>) -> Result<()> {
        screen.claim("The room lives on: Anna and Boris talk", self.two_speak())?;
        let audit = places::audits(&self.deployment, &[OTHER])?;
        for audit in &audit {
            screen.claim("The audit passes", places::passed(audit))?;
        }
        screen.claim("An audit that is shown a wrong row finds it", self.canary())
    }

    /// Anna and Boris say something each, and the other one reads it.
    fn two_speak(&mut self) -> Result<String> {
        for person in [&mut self.anna, &mut self.boris] {
            person.player.client.forget_arrivals()?;
        }
        let room = self.room.clone();
        let texts =
            ["after the theft: plain words of anna", "after the theft: plain words of boris"].map(str::to_owned);
        self.anna.player.client.send(&room, &texts[0])?;
        self.boris.reads(&room, &texts[..1])?;
        self.boris.player.client.send(&room, &texts[1])?;
        self.anna.reads(&room, &texts[1..])?;
        self.texts.extend(texts);
        let past = self.anna.player.client.history(&room, 500, Duration::ZERO)?;
        ensure!(past.unreadable.len() == 1, "{} messages of the past cannot be read", past.unreadable.len());
        Ok(String::new())
    }

    /// Plants a row that must not be there and has the audit find it.
    fn canary(&self) -> Result<String> {
        let cell = self.deployment.cell(OTHER)?;
        let listed = cell.json(&["audit", "list"])?;
        let last = listed["documents"].as_array().and_then(|all| all.last()).context("there is no audit")?;
        let report = cell.data().join("evidence").join(last["file"].as_str().context("a report has a file")?);
        let report = report.to_str().context("the report's path is no text")?;
        let verdict = cell.json(&["audit", "verify", report, "--canary"])?;
        let canary = &verdict["canary"];
        ensure!(verdict["passed"] == true && canary["found"] == true && canary["removed"] == true, "{verdict}");
        Ok(format!(
            "a canary in {}, found, named and taken away; {} rows drawn at random",
            canary["table"], verdict["drawn"]
        ))
    }
}
