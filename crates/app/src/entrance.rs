//! Where people come in: the address that they are told together with their account, what they type into an app, and the link to a page that says all
//! of it. In a deployment it is the name that their region has for this.

use std::sync::Arc;

use domicile_core::percent;

use crate::residency::{Cells, Localities};

/// The page that says how to sign in.
pub const PATH: &str = "/sign-in";
/// Names of other regions that are told at most.
const TOLD: usize = 12;
/// Bytes that stand for themselves in a query.
const PLAIN: &[u8] = b"-._~@:";

/// Who is told how to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invited<'i> {
    /// Somebody who has an account: what stands before the colon of their Matrix id.
    Account(&'i str),
    /// Somebody who may make one with this registration token.
    Token(&'i str),
}

/// Knows where people come in.
pub struct Entrance {
    /// Where clients find this server, if that is configured.
    homeserver: Option<String>,
    localities: Arc<Localities>,
}

impl Entrance {
    /// Of a server, or of a cell of a deployment, whose document counts before `homeserver`.
    pub fn new(homeserver: Option<String>, localities: Arc<Localities>) -> Self {
        Self { homeserver, localities }
    }

    /// The address, such as `https://north.chat.example.org`: without a slash at its end. None where nobody has said it. A token is good at the cell
    /// that gave it, so whoever has one goes there where the region has other cells, too.
    pub fn address(&self, invited: Option<Invited<'_>>) -> Option<String> {
        let address = match self.localities.cells() {
            Some(cells) if matches!(invited, Some(Invited::Token(_))) && is_one_of_several(cells) => of_cell(cells),
            Some(cells) => provider(cells).map(|name| format!("https://{name}")).or_else(|| of_cell(cells)),
            None => self.homeserver.clone(),
        };
        address.map(|address| address.trim_end_matches('/').to_owned())
    }

    /// What people type into an app as their server: a name where that says all, else the whole address.
    pub fn typed(&self, invited: Option<Invited<'_>>) -> Option<String> {
        let address = self.address(invited)?;
        let name = address.strip_prefix("https://").filter(|name| !name.contains('/')).map(str::to_owned);
        Some(name.unwrap_or(address))
    }

    /// The link for somebody who was given an account or a token.
    pub fn link(&self, invited: Invited<'_>) -> Option<String> {
        let (key, value) = match invited {
            Invited::Account(name) => ("name", name),
            Invited::Token(token) => ("token", token),
        };
        Some(format!("{}{PATH}?{key}={}", self.address(Some(invited))?, percent::encoded(value, PLAIN)))
    }

    /// The names under which people of other regions sign in; the same for everybody, so that nobody learns from them whose account is where. None if
    /// they are too many to be of use.
    pub fn elsewhere(&self) -> Vec<String> {
        let Some(cells) = self.localities.cells() else { return Vec::new() };
        let others = cells.own.document().regions.iter().filter(|(region, _)| *region != cells.own.region());
        let names: Vec<String> = others.filter_map(|(_, policy)| policy.provider.clone()).collect();
        if names.len() > TOLD { Vec::new() } else { names }
    }
}

/// The name under which people of this cell's region sign in.
fn provider(cells: &Cells) -> Option<&str> {
    cells.own.document().regions.get(cells.own.region())?.provider.as_deref()
}

/// Where clients find this cell.
fn of_cell(cells: &Cells) -> Option<String> {
    Some(cells.own.document().cells.get(cells.own.name())?.client_url.to_string())
}

fn is_one_of_several(cells: &Cells) -> bool {
    cells.own.document().cells.values().filter(|cell| cell.region == *cells.own.region()).count() > 1
}
