//! Rooms: their state in memory, their making, who is in them.

mod authorship;
pub mod create;
pub mod directory;
pub mod graph;
pub mod hierarchy;
pub mod live;
pub mod members;
pub mod membership;
pub mod power_levels;
pub mod public_rooms;
pub mod reader;
pub mod registry;
pub mod resolution;
mod set_state;
pub mod state_keys;
pub mod state_trees;
pub mod successions;
pub mod summary;
pub mod upgrade;
pub mod visibility;

pub use create::{CreationSettings, EncryptByDefault, Preset, RoomMaker, RoomRequest};
pub use directory::Directory;
pub use graph::Graph;
pub use hierarchy::Hierarchies;
pub use live::{Facts, Member, Room, RoomInfo, RoomView};
pub use members::Members;
pub use membership::Membership;
pub use public_rooms::PublicRooms;
pub use reader::RoomReader;
pub use registry::Rooms;
pub use resolution::Resolution;
pub use state_keys::StateKeys;
pub use state_trees::StateTrees;
pub use successions::Successions;
pub use summary::Summaries;
pub use upgrade::Upgrades;
