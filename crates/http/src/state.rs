//! What handlers can ask for. A handler names the one service that it calls: `State<Arc<Sessions>>`.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use domicile_app::{
    account_data::{AccountData, Filters},
    accounts::{
        Accounts, Devices, LoginTokens, Logins, OpenIdTokens, RateLimits, Registration, RegistrationTokens, Sessions,
        Standings, Uia, UserDirectory, Users,
    },
    calls::Calls,
    discovery::Discovery,
    e2ee::{CrossSigning, DehydratedDevices, DeviceKeys, DeviceLists, KeyBackup, KeySignatures, OneTimeKeys, ToDevice},
    entrance::Entrance,
    ephemeral::{PresenceNotices, Receipts, TypingNotices},
    events::send::Sender,
    evidence::{AccessLog, Audits, Erasures, Exports, Ledger, Witness},
    federation::{
        Edus, Inbound, Notary, OwnKeys, Peers, Resident, RoomEvents, RoomStates, ServerKeys, Spaces, ThirdPartyInvites,
        Transactions,
    },
    front_door::FrontDoor,
    gateway::Gateway,
    media::Media,
    moderation::Reports,
    moves::{Departures, Moves},
    probes::Probes,
    profile::Profiles,
    push::{Notifications, PushRules, Pushers},
    residency::Cuts,
    restore::{Fence, Keeper, Restorer},
    rooms::{Directory, Hierarchies, Members, PublicRooms, RoomMaker, RoomReader, Summaries, Upgrades},
    search::Search,
    standing::{Addresses, Jurisdictions, StatusPage},
    sync::{SlidingSync, Sync},
};

/// Everything the router hands out, shared: each request clones one pointer.
#[derive(Clone)]
pub struct Services(Arc<AllServices>);

impl Services {
    /// Only the binary's wiring fills it in.
    pub fn new(services: AllServices) -> Self {
        Self(Arc::new(services))
    }
}

impl Deref for Services {
    type Target = AllServices;

    fn deref(&self) -> &AllServices {
        &self.0
    }
}

/// Each service as a field, and as what a handler can ask for.
macro_rules! services {
    ($($(#[doc = $doc:literal])+ pub $field:ident: Arc<$service:ty>,)*) => {
        /// Every service, for [`Services::new`].
        pub struct AllServices {
            $($(#[doc = $doc])+ pub $field: Arc<$service>,)*
        }

        $(impl FromRef<Services> for Arc<$service> {
            fn from_ref(services: &Services) -> Self {
                Arc::clone(&services.$field)
            }
        })*
    };
}

services! {
    /// Requests of other servers.
    pub inbound: Arc<Inbound>,
    /// Who comes to another cell than their home.
    pub front_door: Arc<FrontDoor>,
    /// Other cells that are not reached.
    pub cuts: Arc<Cuts>,
    /// What speaks to other servers for all cells.
    pub gateway: Arc<Gateway>,
    /// What other servers tell of rooms and people.
    pub transactions: Arc<Transactions>,
    /// Comings and goings of other servers' people in rooms that are here.
    pub resident: Arc<Resident>,
    /// Asks other servers.
    pub peers: Arc<Peers>,
    /// Keys of other servers.
    pub server_keys: Arc<ServerKeys>,
    /// Tells them to others.
    pub notary: Arc<Notary>,
    /// The server's own keys.
    pub own_keys: Arc<OwnKeys>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Locks and suspensions.
    pub standings: Arc<Standings>,
    /// Tokens that let another device in.
    pub login_tokens: Arc<LoginTokens>,
    /// Moves people between cells.
    pub moves: Arc<Moves>,
    /// Whether this cell serves anybody.
    pub fence: Arc<Fence>,
    /// Brings a restored cell to where the others are.
    pub restorer: Arc<Restorer>,
    /// What this cell keeps for others.
    pub keeper: Arc<Keeper>,
    /// Whose requests wait or are passed on.
    pub departures: Arc<Departures>,
    /// The operator's announcements.
    pub discovery: Arc<Discovery>,
    /// Where people come in.
    pub entrance: Arc<Entrance>,
    /// Calls.
    pub calls: Arc<Calls>,
    /// Whether somebody interferes with the ways to this deployment.
    pub probes: Arc<Probes>,
    /// Who looked at whose data.
    pub access_log: Arc<AccessLog>,
    /// All that is held about somebody, for them.
    pub exports: Arc<Exports>,
    /// Removes people.
    pub erasures: Arc<Erasures>,
    /// Audits.
    pub audits: Arc<Audits>,
    /// Other cells as witnesses, and this one as theirs.
    pub witness: Arc<Witness>,
    /// What crossed a border.
    pub ledger: Arc<Ledger>,
    /// The status page.
    pub status: Arc<StatusPage>,
    /// Where else the service is reached.
    pub addresses: Arc<Addresses>,
    /// Where users live.
    pub jurisdictions: Arc<Jurisdictions>,
    /// Reports to the operator.
    pub reports: Arc<Reports>,
    /// Tokens for other services.
    pub openid_tokens: Arc<OpenIdTokens>,
    /// Finding people.
    pub user_directory: Arc<UserDirectory>,
    /// Device lists.
    pub device_lists: Arc<DeviceLists>,
    /// Device keys.
    pub device_keys: Arc<DeviceKeys>,
    /// One-time keys.
    pub one_time_keys: Arc<OneTimeKeys>,
    /// Cross-signing keys.
    pub cross_signing: Arc<CrossSigning>,
    /// Signatures over keys.
    pub key_signatures: Arc<KeySignatures>,
    /// Backups of message keys.
    pub key_backup: Arc<KeyBackup>,
    /// Dehydrated devices.
    pub dehydrated_devices: Arc<DehydratedDevices>,
    /// Inboxes of devices.
    pub to_device: Arc<ToDevice>,
    /// Makes the next events of rooms.
    pub sender: Arc<Sender>,
    /// Makes rooms.
    pub room_maker: Arc<RoomMaker>,
    /// Comings and goings.
    pub members: Arc<Members>,
    /// Reads rooms.
    pub room_reader: Arc<RoomReader>,
    /// Searches what people wrote.
    pub search: Arc<Search>,
    /// Aliases.
    pub directory: Arc<Directory>,
    /// The public directory.
    pub public_rooms: Arc<PublicRooms>,
    /// Rooms in short.
    pub summaries: Arc<Summaries>,
    /// The rooms under spaces.
    pub hierarchies: Arc<Hierarchies>,
    /// Upgrades of rooms.
    pub upgrades: Arc<Upgrades>,
    /// What is new.
    pub sync: Arc<Sync>,
    /// What is new in windows over the rooms.
    pub sliding_sync: Arc<SlidingSync>,
    /// Receipts.
    pub receipts: Arc<Receipts>,
    /// Who is online.
    pub presence: Arc<PresenceNotices>,
    /// Typing.
    pub typing: Arc<TypingNotices>,
    /// What other servers tell beside events.
    pub edus: Arc<Edus>,
    /// Accounts, from their making to their end.
    pub accounts: Arc<Accounts>,
    /// Devices.
    pub devices: Arc<Devices>,
    /// Logging in.
    pub logins: Arc<Logins>,
    /// Registration.
    pub registration: Arc<Registration>,
    /// The operator's invitations.
    pub registration_tokens: Arc<RegistrationTokens>,
    /// User-interactive authentication.
    pub uia: Arc<Uia>,
    /// Rate limits.
    pub rate_limits: Arc<RateLimits>,
    /// Account data.
    pub account_data: Arc<AccountData>,
    /// Stored filters.
    pub filters: Arc<Filters>,
    /// Profiles.
    pub profiles: Arc<Profiles>,
    /// Where users want to be notified.
    pub pushers: Arc<Pushers>,
    /// Past notifications.
    pub notifications: Arc<Notifications>,
    /// Push rules.
    pub push_rules: Arc<PushRules>,
    /// Media.
    pub media: Arc<Media>,
    /// Events of rooms for other servers.
    pub room_events: Arc<RoomEvents>,
    /// State of rooms for other servers.
    pub room_states: Arc<RoomStates>,
    /// Spaces for other servers.
    pub spaces: Arc<Spaces>,
    /// Invitations by addresses outside of Matrix.
    pub third_party_invites: Arc<ThirdPartyInvites>,
}
