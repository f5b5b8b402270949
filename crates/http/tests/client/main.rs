//! The Client-Server API over HTTP, on a server that runs in the same process. One program, as each would carry the whole server along.

mod context;
mod directory;
mod first_contact;
mod ignored;
mod last_seen;
mod media;
mod moderation;
mod notifications;
mod old_sync;
mod older_reads;
mod people;
mod presence;
mod push;
mod pushers;
mod registration;
mod relations;
mod rooms;
mod search;
mod sessions;
mod small_things;
mod spaces;
mod sync;
mod transactions;
mod unread;
mod upgrades;
