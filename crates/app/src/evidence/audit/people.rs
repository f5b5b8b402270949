//! Where everybody's home is, and who is met here.

use domicile_core::{
    ids::UserNum,
    locality::{Destination, Locality},
};
use domicile_store::{
    catalogue,
    table::{arrivals, audits, users},
    walk::Subject,
};
use ruma::UserId;
use serde::Serialize;

use super::{
    People, Walk, mark,
    tables::{Finding, Findings},
};
use crate::Result;

/// People that one step looks at.
const PAGE: i64 = 5_000;
/// Keys of people that one step looks at.
const KEYS: usize = 5_000;

/// People by where their home is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Homes {
    /// Here.
    pub here: i64,
    /// In another cell of the deployment.
    pub other_cells: i64,
    /// On other servers.
    pub other_servers: i64,
}

impl Walk<'_> {
    /// Marks everybody with where their home is, and with whether they are in a room of which there is a copy here.
    pub(super) async fn people(&self) -> Result<(People, Homes)> {
        let (mut marks, mut homes, mut after) = (People::default(), Homes::default(), i64::MIN);
        loop {
            let read = self.store.read(move |snapshot| async move {
                let page = audits::people(&snapshot, after, PAGE).await?;
                let span = page.first().zip(page.last()).map(|(first, last)| (first.0, last.0));
                let met = match span {
                    Some((first, last)) => audits::met(&snapshot, first, last).await?,
                    None => Vec::new(),
                };
                Ok::<_, crate::Error>((page, met))
            });
            let (page, met) = read.await?;
            let Some(last) = page.last() else {
                self.arriving(&mut marks).await?;
                return Ok((marks, homes));
            };
            after = last.0;
            for (number, user_id) in &page {
                let mark = self.home(user_id);
                match mark {
                    mark::HERE => homes.here += 1,
                    mark::CELL => homes.other_cells += 1,
                    _ => homes.other_servers += 1,
                }
                marks.add(*number, mark);
            }
            for number in met {
                marks.add(number, mark::MET);
            }
        }
    }

    /// Marks those who are on the way here: the rooms that are brought for them, and their new key, are here before they are.
    async fn arriving(&self, marks: &mut People) -> Result<()> {
        let read = self.store.read(|snapshot| async move { arrivals::on_the_way(&snapshot).await });
        for number in read.await? {
            marks.add(number, self.coming);
        }
        Ok(())
    }

    /// The mark of somebody's home. An id that is none is nobody's here.
    fn home(&self, user_id: &str) -> u8 {
        match UserId::parse(user_id).map(|user_id| self.whereabouts.of(&user_id)) {
            Ok(Locality::Here) => mark::HERE,
            // Of the deployment, and not of this cell as far as it knows.
            Ok(Locality::Elsewhere(Destination::Cell(_)) | Locality::Unknown) => mark::CELL,
            Ok(Locality::Elsewhere(Destination::Server(_))) | Err(_) => mark::SERVER,
        }
    }

    /// Somebody's Matrix id, if they are known. Whoever came since the walk began is marked now.
    pub(super) async fn look_up(&self, people: &mut People, number: i64) -> Result<Option<String>> {
        let user_num = UserNum(number);
        let row = self.store.read(move |snapshot| async move { users::by_num(&snapshot, user_num).await }).await?;
        if let Some(row) = &row
            && !people.has(number, mark::KNOWN)
        {
            // Who came meanwhile was met meanwhile.
            people.add(number, self.home(&row.user_id) | mark::MET);
        }
        Ok(row.map(|row| row.user_id))
    }

    /// Looks at whose keys the keystore has; gives how many.
    pub(super) async fn owners_of_keys(&self, people: &mut People, findings: &mut Findings) -> Result<i64> {
        let (mut after, mut keys) = (UserNum::NOBODY.0, 0);
        loop {
            let page = self.keys.owners(after, KEYS).await?;
            let Some(last) = page.last() else { return Ok(keys) };
            after = *last;
            for number in page {
                keys += 1;
                if people.has(number, mark::HERE) {
                    continue;
                }
                let user = self.look_up(people, number).await?;
                if people.has(number, mark::COMING) {
                    findings.keys_coming += 1;
                } else if !people.has(number, mark::HERE) {
                    findings.keys += 1;
                    findings.add(Finding {
                        table: "keystore".to_owned(),
                        key: format!("user_num = {number}"),
                        user,
                        rows: 1,
                        about: "The key of somebody's own".to_owned(),
                    });
                }
            }
        }
    }

    /// Whose a finding is, in words.
    pub(super) async fn name(&self, people: &mut People, subject: Subject) -> Result<Option<String>> {
        match subject {
            Subject::User(number) => self.look_up(people, number).await,
            _ => Ok(None),
        }
    }
}

/// What a table is called in reports: the name and what a row of it is.
pub(super) fn about(table: &catalogue::Table) -> String {
    table.about.to_owned()
}
