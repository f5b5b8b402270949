//! A canary: a row that must not be here, planted on purpose, so that an audit shows that it would find one.

use domicile_core::rng;
use domicile_store::{Batch, catalogue, numbers::Sequence, table::audits};
use serde::Serialize;

use super::{Audits, tables::Findings};
use crate::{Result, evidence::marks::Marks};

/// Letters of the made-up person's name.
const NAME: usize = 12;
/// The table into which it is planted.
const TABLE: &str = "account_data";

/// What became of a canary.
#[derive(Clone, Debug, Serialize)]
pub struct Canary {
    /// The made-up person.
    pub user: String,
    /// The table.
    pub table: String,
    /// Whether the walk found the row and named the person.
    pub found: bool,
    /// Whether it is gone again.
    pub removed: bool,
}

impl Audits {
    /// Plants a canary, walks its table, and takes it away again.
    pub async fn canary(&self) -> Result<Canary> {
        let _one = self.walking.lock().await;
        // Among several cells it is somebody of the deployment whose home is in none that this cell knows of: what must not be here is theirs.
        let localities = &self.parts.localities;
        let server = if localities.cells().is_some() { localities.server_name().as_str() } else { "canary.invalid" };
        let user = format!("@canary-{}:{server}", rng::name(&*self.parts.rng, NAME).to_lowercase());
        let number = self.parts.store.number(Sequence::User).await?;
        let mut batch = Batch::new();
        audits::unplant(&mut batch);
        audits::plant(&mut batch, number, &user, self.parts.clock.now_ms());
        self.parts.store.write(batch).await?;
        let walked = self.find(&user).await;
        let mut batch = Batch::new();
        audits::unplant(&mut batch);
        self.parts.store.write(batch).await?;
        let found = walked?;
        let removed = !self.find(&user).await?;
        Ok(Canary { user, table: TABLE.to_owned(), found, removed })
    }

    async fn find(&self, user: &str) -> Result<bool> {
        let Some(table) = catalogue::table(TABLE) else { return Ok(false) };
        let walk = self.walk();
        let (mut people, _) = walk.people().await?;
        let mut findings = Findings::default();
        walk.table(table, &mut people, &Marks::default(), &mut findings).await?;
        Ok(findings.named.iter().any(|finding| finding.user.as_deref() == Some(user)))
    }
}
