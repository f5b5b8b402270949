//! Where users and rooms are.
//!
//! `own_cell` is this cell and the document by which it works, `documents` takes newer ones, `tickets` (with `known`) says whose home is where, `forgetting` drops what of it nobody needs, `names` is the directory, `claims` takes names for
//! people and rooms of here, `allowances` bounds what other cells ask of it, `alias_names` is what the directory has of aliases, `freed_aliases` lets go of those that were removed, `directory_log` what it has on disk; `followers`, `following`,
//! `deciding`, `tending` and `directory_troubles` keep it in several cells, `directory_words` is what those say to each other, `hash_keys` and `hash_rotation` are the keys under which names are hashed. `inner_link` (with `inner_ways`) is the way to the other cells, `relay` this cell as the way between two others, `layout` the deployment as people look at
//! it, `serving` what they are served of events, `placement` where new people go, and `localities` what all others ask.
//! `new_regions` has people told before the first copy of a room goes to another region. `contacts` has seen when other cells were reached, and `cuts` follows when they are not.
//! `homes` says whether people's homes are where the rules have them, `transfers` are changes of home in the directory, `spans` are the places in
//! streams that are this cell's own, `whose` finds the cell that has something, `witness` lets live on what a cell had signed that was revoked, and
//! `restored` is what the directory does for, and as, a restored cell.

mod alias_names;
pub(crate) mod allowances;
mod asking;
mod claims;
mod contacts;
pub mod cuts;
mod deciding;
mod directory_log;
mod directory_status;
mod directory_troubles;
mod directory_words;
mod documents;
mod followers;
mod following;
mod forgetting;
mod freed_aliases;
mod hash_keys;
mod hash_rotation;
mod homes;
mod inner_link;
mod inner_ways;
mod known;
mod layout;
mod localities;
mod names;
mod new_regions;
mod own_cell;
mod placement;
mod relay;
mod reserved_names;
mod restored;
mod serving;
pub(crate) mod settling;
mod spans;
mod tending;
mod tickets;
mod transfers;
mod whose;
mod witness;

pub use alias_names::{
    ADOPT_ALIAS, AliasAdoption, AliasChange, AliasChanged, AliasHome, AliasQuestion, AliasWish, AliasesGiven,
    CHANGE_ALIAS, FIND_ALIAS, TAKE_ALIASES,
};
pub use cuts::{CUT, CutParts, CutQuestion, Cuts};
pub use directory_status::DirectoryStatus;
pub use directory_words::{BEGIN, Begin, Begun, ENTRIES, Entries, FOLLOW, Push, Reached, Wanted};
pub use documents::{CellStatus, DocumentStatus, Documents, EXCHANGE, Exchange, Source, Taken};
pub use domicile_egress::inner::Admission;
pub use domicile_residency::inner::{Proofs, SecretOf, WhoseQuestion};
pub use followers::{FollowerStatus, Followers};
pub use hash_keys::ToldKeys;
pub use hash_rotation::RotationStatus;
pub use homes::{Home, Homes, Misplaced, PlanPage};
pub use inner_link::InnerLink;
pub use inner_ways::InnerWays;
pub use layout::{CellLayout, FlowLayout, Layout, RegionLayout};
pub(crate) use localities::locality_of;
pub use localities::{Cells, Listed, Localities, Withheld};
pub use names::{LOOK_UP, Names, OWN, Question, TAKE, Told, Wish};
pub(crate) use new_regions::Announcement;
pub use new_regions::{Announced, NEW_REGION, NewRegion, NewRegions};
pub use own_cell::{DeploymentError, OwnCell, OwnCellSettings, read_document};
pub use placement::{LOAD, Load, LoadQuestion, Place, Placement};
pub use relay::{Passage, RELAY, RELAY_PROTOCOL};
pub use reserved_names::BLOCK;
pub use spans::Spans;
pub use tickets::Tickets;
pub(crate) use tickets::answers_for;
pub use transfers::TRANSFER;
pub use whose::{Has, Sought, Whose, whose};
