//! What is known of an operation of the Server-Server API: who answers it, and where its answer has events.

use super::OPERATIONS;

/// Who answers for the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The gateway itself.
    Gateway,
    /// A cell in the room that the path names.
    Room,
    /// The home of the user whom path or query names.
    User,
    /// The homes of all users of the body.
    Users,
    /// The home of whom an invite is for.
    Invited,
    /// The first cell that knows.
    Any,
    /// The cell that has the alias, by the directory.
    Alias,
    /// The home of whom a token is.
    Token,
    /// All cells, page by page.
    Pages,
    /// The cells that each event and each EDU concerns.
    Transaction,
}

/// Where an answer has events, whose signatures are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nowhere.
    None,
    /// Under these keys, one event or a list of them each.
    Lists(&'static [&'static str]),
    /// The same in the second of two parts, as the first version of some operations has it.
    Pair(&'static [&'static str]),
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The method.
    pub method: &'static str,
    /// The path, with names in braces.
    pub path: &'static str,
    /// What the specification calls it.
    pub name: &'static str,
    /// Who answers.
    pub route: Route,
    /// Where the answer has events.
    pub told: Told,
    /// Which cell is asked, for people.
    pub(super) asked: &'static str,
    /// How answers become one.
    pub(super) joined: &'static str,
    /// What happens where a cell is not reached.
    pub(super) failing: &'static str,
}

/// How large an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As most are.
    Ordinary,
    /// The keys of many people.
    Keys,
    /// The state or the history of a room.
    Room,
    /// A file, of which nobody on the way needs more than a piece at a time.
    File,
}

impl Operation {
    /// How large its answer may be.
    pub fn size(&self) -> Size {
        match self.name {
            "getRoomState"
            | "getRoomStateIds"
            | "getEventAuth"
            | "backfillRoom"
            | "getMissingPreviousEvents"
            | "sendJoinV2"
            | "sendJoinV1" => Size::Room,
            "queryUserEncryptionKeys" | "claimUserEncryptionKeys" => Size::Keys,
            "getContent" | "getContentThumbnail" => Size::File,
            _ => Size::Ordinary,
        }
    }

    /// Whether anybody may ask for it, and not only other servers with their signature.
    pub fn is_open(&self) -> bool {
        self.route == Route::Token
    }
}

impl Route {
    fn word(self) -> &'static str {
        match self {
            Self::Gateway => "none",
            Self::Room => "room",
            Self::User => "user",
            Self::Users => "users",
            Self::Invited => "invited user",
            Self::Any => "any",
            Self::Alias => "alias",
            Self::Token => "token",
            Self::Pages => "pages",
            Self::Transaction => "room, user",
        }
    }
}

/// The table as text.
pub fn table() -> String {
    let head = [
        "| operation | | by | asked | answers become one | where a cell is not reached |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let rows = OPERATIONS.iter().map(|Operation { method, path, name, route, asked, joined, failing, .. }| {
        format!("| `{method} {path}` | {name} | {} | {asked} | {joined} | {failing} |", route.word())
    });
    head.into_iter().chain(rows).collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_docs_is_this_one() {
        let page = include_str!("../../../../docs/inner-routing.md");
        for line in table().lines() {
            assert!(page.lines().any(|found| found == line), "docs/inner-routing.md lacks the line\n{line}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, OPERATIONS.len(), "docs/inner-routing.md has rows that are no operations");
    }

    #[test]
    fn each_size_is_one_of_operations_that_there_are() {
        let count = |size| OPERATIONS.iter().filter(|operation| operation.size() == size).count();
        assert_eq!((count(Size::Room), count(Size::Keys), count(Size::File)), (7, 2, 2));
        let open: Vec<&str> = OPERATIONS.iter().filter(|operation| operation.is_open()).map(|one| one.name).collect();
        assert_eq!(open, ["exchangeOpenIdToken"]);
    }

    #[test]
    fn each_operation_of_the_coverage_page_is_routed() {
        let page = include_str!("../../../../docs/federation-coverage.md");
        let mut count = 0;
        for line in page.lines().filter_map(|line| line.strip_prefix("| `")) {
            let (operation, _) = line.split_once('`').unwrap();
            assert!(
                OPERATIONS.iter().any(|row| format!("{} {}", row.method, row.path) == operation),
                "{operation} has no route"
            );
            count += 1;
        }
        assert_eq!(count, 36);
    }
}
