//! Whether people's homes are where the rules have them: why one is where it is, and who would have to move by a document, in force or not.

use std::sync::Arc;

use domicile_core::{calendar, error::ErrorKind, ids::UserNum, locality::CellName, region::Region};
use domicile_residency::{
    deployment::{Deployment, parse, sign},
    planner::{Finding, Person, Planner, Stays},
    standing::Catalogue,
};
use domicile_store::{
    Store,
    table::{arrivals, user_jurisdictions, users},
};
use ruma::UserId;
use serde::Serialize;

use super::OwnCell;
use crate::{
    Error, Result,
    accounts::Users,
    error::{forbidden, not_found},
    standing::Noted,
};

/// Accounts that one page of a plan looks at.
const PAGE: u16 = 1_000;

/// Where somebody's home is, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Home {
    /// Whose.
    pub user_id: String,
    /// The cell; none where the deployment is this one server.
    pub cell: Option<String>,
    /// The region; likewise.
    pub region: Option<String>,
    /// Since when, in milliseconds since the epoch; none if the home is another cell.
    pub since_ts: Option<i64>,
    /// The cell from which they moved here.
    pub came_from: Option<String>,
    /// What is noted about them; none if the home is another cell.
    pub noted: Option<Noted>,
    /// The regions in which the home should be instead.
    pub should_be_in: Vec<String>,
    /// All of it in words.
    pub text: String,
}

/// Somebody whose home is not where the rules have it.
#[derive(Clone, Debug, Serialize)]
pub struct Misplaced {
    /// The number of the account here.
    #[serde(skip)]
    pub user_num: UserNum,
    /// Who.
    pub user_id: String,
    /// The jurisdiction under whose law they live.
    pub jurisdiction: Option<String>,
    /// Those in which they want nothing of theirs to be.
    pub never_in: Vec<String>,
    /// The regions that would be right; none if somebody has to decide.
    pub should_be_in: Vec<String>,
    /// Why.
    pub why: String,
}

/// A part of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlanPage {
    /// The number of the document by which was planned.
    pub serial: u32,
    /// The region of this cell's people.
    pub region: String,
    /// Accounts that were looked at.
    pub people: u64,
    /// Of them, those whose jurisdiction the region serves.
    pub served: u64,
    /// Those whose jurisdiction no region serves.
    pub served_nowhere: u64,
    /// Those of whom no jurisdiction is noted.
    pub not_noted: u64,
    /// Those who are in the wrong place.
    pub misplaced: Vec<Misplaced>,
    /// Where the next part begins; none after the last.
    pub next: Option<i64>,
}

/// Says where homes are and should be.
pub struct Homes {
    store: Store,
    users: Arc<Users>,
    laws: Arc<Catalogue>,
}

impl Homes {
    /// Over a store. `laws` tell which countries a union is made of.
    pub fn new(store: Store, users: Arc<Users>, laws: Arc<Catalogue>) -> Self {
        Self { store, users, laws }
    }

    fn own(&self) -> Option<&OwnCell> {
        self.users.localities().cells().map(|cells| &*cells.own)
    }

    /// The account of somebody who is at home here.
    pub async fn user_num(&self, user_id: &UserId) -> Result<Option<UserNum>> {
        if self.users.is_local(user_id) { self.users.num(user_id).await } else { Ok(None) }
    }

    /// Where somebody's home is, and why.
    pub async fn explain(&self, user_id: &UserId) -> Result<Home> {
        let own = self.own();
        if let (Some(cell), Some(own)) = (self.users.localities().other_cell_of(user_id), own) {
            return Ok(elsewhere(user_id, &cell, own));
        }
        let missing = || not_found(format!("Nothing is known here of an account {user_id}."));
        let user_num = self.user_num(user_id).await?.ok_or_else(missing)?;
        let wanted = user_id.to_string();
        let read = self.store.read(move |snapshot| async move {
            let user = users::by_id(&snapshot, &wanted).await?;
            let arrival = arrivals::of_user(&snapshot, &wanted).await?;
            Ok::<_, Error>((user, arrival, user_jurisdictions::of_user(&snapshot, user_num).await?))
        });
        let (user, arrival, row) = read.await?;
        let user = user.filter(|user| user.is_local).ok_or_else(missing)?;
        let noted = Noted::from(row);
        let mut sentences = Vec::new();
        sentences.push(match own {
            Some(own) => {
                let (cell, region) = (own.name().as_str(), own.region().as_str());
                format!(
                    "{user_id} is at home in the cell {cell}, in the region {region}{}.",
                    laws(own.document(), own.region())
                )
            }
            None => format!("{user_id} is at home on this server, which is all there is of the service."),
        });
        let (since_ts, came_from) = match arrival {
            Some(arrival) => (arrival.changed_ts, Some(arrival.origin)),
            None => (user.created_ts, None),
        };
        let day = calendar::day(since_ts);
        sentences.push(match &came_from {
            Some(cell) => format!("They moved here from the cell {cell} on {day}."),
            None => format!("The account was made here on {day}."),
        });
        sentences.extend(said(&noted));
        let mut should_be_in = Vec::new();
        if let Some(own) = own {
            let planner = Planner::new(own.document(), &self.laws);
            let person =
                Person { home: own.region(), jurisdiction: noted.jurisdiction.as_deref(), never_in: &noted.never_in };
            let finding = planner.find(person);
            sentences.push(planner.explain(person, &finding));
            should_be_in = regions(&finding);
        }
        Ok(Home {
            user_id: user_id.to_string(),
            cell: own.map(|own| own.name().as_str().to_owned()),
            region: own.map(|own| own.region().as_str().to_owned()),
            since_ts: Some(since_ts),
            came_from,
            noted: Some(noted),
            should_be_in,
            text: sentences.join(" "),
        })
    }

    /// Who of the people whose home is here would be in the wrong place by a document: this cell's own, or the text of another one, which need
    /// not be signed. `after` is the last account that was looked at.
    pub async fn plan(&self, document: Option<&str>, after: UserNum) -> Result<PlanPage> {
        let own = self.own();
        let own = own.ok_or_else(|| forbidden("This server is no cell of a deployment: everybody is at home here."))?;
        let other = document.map(|text| proposed(text, own.document())).transpose()?;
        let document = other.as_ref().unwrap_or(own.document());
        let planner = Planner::new(document, &self.laws);
        let home = own.region();
        let read = self
            .store
            .read(move |snapshot| async move { user_jurisdictions::accounts(&snapshot, after, i64::from(PAGE)).await });
        let accounts = read.await?;
        let mut page = PlanPage {
            serial: document.serial,
            region: home.as_str().to_owned(),
            people: 0,
            served: 0,
            served_nowhere: 0,
            not_noted: 0,
            misplaced: Vec::new(),
            next: accounts.get(usize::from(PAGE) - 1).map(|last| last.user_num.0),
        };
        for account in accounts {
            page.people += 1;
            let person = Person { home, jurisdiction: account.noted.counts(), never_in: account.noted.never() };
            let finding = planner.find(person);
            match &finding {
                Finding::Stays(Stays::Serves) => page.served += 1,
                Finding::Stays(Stays::NobodyServes) => page.served_nowhere += 1,
                Finding::Stays(Stays::NotNoted) => page.not_noted += 1,
                Finding::Moves(..) | Finding::Stuck(..) => page.misplaced.push(Misplaced {
                    user_num: account.user_num,
                    user_id: account.user_id,
                    jurisdiction: person.jurisdiction.map(str::to_owned),
                    never_in: person.never_in.to_vec(),
                    should_be_in: regions(&finding),
                    why: planner.explain(person, &finding),
                }),
            }
        }
        Ok(page)
    }
}

/// What is known of somebody whose home is another cell.
fn elsewhere(user_id: &UserId, cell: &CellName, own: &OwnCell) -> Home {
    let region = own.document().region_of(cell);
    let place = region.map(|region| format!(", in the region {}{}", region.as_str(), laws(own.document(), region)));
    let place = place.unwrap_or_else(|| ", which is not at work".to_owned());
    Home {
        user_id: user_id.to_string(),
        cell: Some(cell.as_str().to_owned()),
        region: region.map(|region| region.as_str().to_owned()),
        since_ts: None,
        came_from: None,
        noted: None,
        should_be_in: Vec::new(),
        text: format!(
            "{user_id} is at home in the cell {}{place}. Why is known there alone: ask that cell.",
            cell.as_str()
        ),
    }
}

/// The jurisdictions of a region, in brackets.
fn laws(document: &Deployment, region: &Region) -> String {
    let laws = document.regions.get(region).map(|policy| policy.jurisdictions.join(", ")).unwrap_or_default();
    if laws.is_empty() { laws } else { format!(" ({laws})") }
}

/// What is noted, in sentences.
fn said(noted: &Noted) -> Vec<String> {
    let on = |ts: Option<i64>| ts.map(|ts| format!(" on {}", calendar::day(ts))).unwrap_or_default();
    let mut sentences = Vec::new();
    if let Some(code) = &noted.jurisdiction {
        let by = match noted.source.as_deref() {
            Some("self") => "by their own word".to_owned(),
            source => format!("as was told by {}", source.unwrap_or("nobody who is known")),
        };
        sentences.push(format!("They are noted as living under the law of {code}, {by}{}.", on(noted.noted_ts)));
    }
    if !noted.never_in.is_empty() {
        let codes = noted.never_in.join(", ");
        let day = on(noted.never_in_ts);
        sentences.push(format!("Nothing of theirs may be under the law of {codes}, by their own word{day}."));
    }
    sentences
}

fn regions(finding: &Finding) -> Vec<String> {
    match finding {
        Finding::Moves(_, regions) => regions.iter().map(|region| region.as_str().to_owned()).collect(),
        Finding::Stays(_) | Finding::Stuck(..) => Vec::new(),
    }
}

/// A document that is not in force.
fn proposed(text: &str, own: &Deployment) -> Result<Deployment> {
    let wrong = |why: String| Error::from(ErrorKind::InvalidParam.with(why));
    if text.len() > sign::BYTES {
        return Err(wrong(sign::Unsigned::TooLarge.to_string()));
    }
    let found = parse::read("the document", sign::unsigned(text));
    let found = found.map_err(|problems| wrong(format!("The document is wrong:\n{problems}")))?;
    if found.server_name == own.server_name {
        return Ok(found);
    }
    Err(wrong(format!("The document is of {}, and this server's name is {}.", found.server_name, own.server_name)))
}
