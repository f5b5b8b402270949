-- The first schema. Written once in the subset that both engines understand; `engine/dialect.rs` says which words differ:
-- BIGINT PRIMARY KEY is the row's own number on SQLite, BLOB is BYTEA and WITHOUT ROWID is nothing on PostgreSQL.
-- Every table and column has its entry in `src/catalogue/`, with its data class and its owner.

-- Operational -----------------------------------------------------------------------------------------------------
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE stream_head (id BIGINT PRIMARY KEY, position BIGINT NOT NULL);
INSERT INTO stream_head (id, position) VALUES (1, 0);
CREATE TABLE sequences (name TEXT NOT NULL PRIMARY KEY, next BIGINT NOT NULL);
-- `seed` is gone once the key is retired: nothing is signed with it any more. `waits` is 1 until the deployment document names the key.
CREATE TABLE server_keys (
    key_id TEXT NOT NULL PRIMARY KEY, public_key BLOB NOT NULL, seed BLOB, created_ts BIGINT NOT NULL, retired_ts BIGINT,
    waits BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE jobs (
    job_num BIGINT PRIMARY KEY, kind TEXT NOT NULL, subject BIGINT NOT NULL, due_ts BIGINT NOT NULL, attempts BIGINT NOT NULL
);
CREATE INDEX jobs_by_due ON jobs (due_ts);

-- Accounts --------------------------------------------------------------------------------------------------------
CREATE TABLE users (
    user_num BIGINT PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, is_local BIGINT NOT NULL, created_ts BIGINT NOT NULL,
    password_hash TEXT, deactivated_ts BIGINT, erased BIGINT NOT NULL DEFAULT 0, locked_ts BIGINT, suspended_ts BIGINT
);
CREATE TABLE devices (
    device_num BIGINT PRIMARY KEY, user_num BIGINT NOT NULL, device_id TEXT NOT NULL, created_ts BIGINT NOT NULL,
    sealed BLOB, UNIQUE (user_num, device_id)
);
CREATE TABLE access_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY, device_num BIGINT NOT NULL, expires_ts BIGINT, refresh_hash BLOB
) WITHOUT ROWID;
CREATE INDEX access_tokens_by_device ON access_tokens (device_num);
CREATE TABLE refresh_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY, device_num BIGINT NOT NULL, next_hash BLOB
) WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_device ON refresh_tokens (device_num);
-- Other cells that may have seen a device's tokens: it was used through their door, or came from there. It goes along when its owner moves.
CREATE TABLE device_doors (device_num BIGINT NOT NULL, cell TEXT NOT NULL, PRIMARY KEY (device_num, cell)) WITHOUT ROWID;
CREATE INDEX device_doors_by_cell ON device_doors (cell, device_num);
-- Tokens that were ended because such a cell is revoked, until their clients have heard why. They open nothing.
CREATE TABLE ended_tokens (token_hash BLOB NOT NULL PRIMARY KEY, ended_ts BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX ended_tokens_by_time ON ended_tokens (ended_ts);
CREATE TABLE registration_tokens (
    token TEXT NOT NULL PRIMARY KEY, uses_allowed BIGINT, uses BIGINT NOT NULL DEFAULT 0, expires_ts BIGINT, created_ts BIGINT NOT NULL
);
CREATE TABLE uia_sessions (
    session_id TEXT NOT NULL PRIMARY KEY, operation TEXT NOT NULL, user_num BIGINT NOT NULL, device_id TEXT,
    body_hash BLOB NOT NULL, completed TEXT NOT NULL, registration_token TEXT, created_ts BIGINT NOT NULL
);
CREATE INDEX uia_sessions_by_age ON uia_sessions (created_ts);
CREATE TABLE login_tokens (token_hash BLOB NOT NULL PRIMARY KEY, user_num BIGINT NOT NULL, expires_ts BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX login_tokens_by_user ON login_tokens (user_num);
CREATE TABLE openid_tokens (token_hash BLOB NOT NULL PRIMARY KEY, user_num BIGINT NOT NULL, expires_ts BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX openid_tokens_by_user ON openid_tokens (user_num, expires_ts);
CREATE TABLE profile_fields (
    user_num BIGINT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (user_num, field)
) WITHOUT ROWID;
-- Where people are found by a word of their name: small letters, of local accounts that are in use.
CREATE TABLE user_words (word TEXT NOT NULL, user_num BIGINT NOT NULL, PRIMARY KEY (word, user_num)) WITHOUT ROWID;
CREATE INDEX user_words_by_user ON user_words (user_num);
CREATE TABLE account_data (
    user_num BIGINT NOT NULL, room_num BIGINT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL, position BIGINT NOT NULL,
    PRIMARY KEY (user_num, room_num, kind)
) WITHOUT ROWID;
CREATE INDEX account_data_by_position ON account_data (user_num, position);
CREATE TABLE filters (
    user_num BIGINT NOT NULL, filter_num BIGINT NOT NULL, hash BLOB NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (user_num, filter_num)
) WITHOUT ROWID;

-- What people report to the operator: an event (with its room and sender), a room, or a user.
CREATE TABLE reports (
    report_num BIGINT PRIMARY KEY, reporter_num BIGINT, room_id TEXT, event_id BLOB, user_id TEXT, reason TEXT NOT NULL,
    created_ts BIGINT NOT NULL, resolved_ts BIGINT
);
CREATE INDEX reports_open ON reports (report_num) WHERE resolved_ts IS NULL;

-- Probes ----------------------------------------------------------------------------------------------------------
-- What was seen of the ways to this deployment: from here (vantage 0), and by those whom the operator invited to report. No address of theirs is
-- kept; their key is thrown away by them when they like. `report` is the whole run as JSON; `verdict` a name from `interference/verdict.rs`.
CREATE TABLE probe_vantages (
    vantage_num BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, code_hash BLOB NOT NULL UNIQUE, public_key BLOB, created_ts BIGINT NOT NULL
);
CREATE TABLE probe_runs (
    run_num BIGINT PRIMARY KEY, vantage_num BIGINT NOT NULL, started_ts BIGINT NOT NULL, may_publish BIGINT NOT NULL, report TEXT NOT NULL
);
CREATE INDEX probe_runs_by_vantage ON probe_runs (vantage_num, started_ts);
CREATE TABLE probe_results (
    run_num BIGINT NOT NULL, ordinal BIGINT NOT NULL, vantage_num BIGINT NOT NULL, started_ts BIGINT NOT NULL, host TEXT NOT NULL,
    port BIGINT NOT NULL, verdict TEXT NOT NULL, evidence TEXT NOT NULL, rate BIGINT, control_rate BIGINT, country TEXT,
    PRIMARY KEY (run_num, ordinal)
) WITHOUT ROWID;
CREATE INDEX probe_results_by_target ON probe_results (vantage_num, host, port, started_ts);
CREATE INDEX probe_results_by_age ON probe_results (started_ts);
-- Evidence --------------------------------------------------------------------------------------------------------
-- The inventory of backups: what was made, and when it should be deleted. `place` is where the operator says that it lies, `classes` are those of
-- the data in it; it is confirmed when the operator says that it lies there, and `gone_ts` is when it was deleted by their word.
CREATE TABLE backups (
    backup_num BIGINT PRIMARY KEY, created_ts BIGINT NOT NULL, data TEXT NOT NULL, keystore TEXT NOT NULL, byte_size BIGINT NOT NULL,
    expires_ts BIGINT, place TEXT NOT NULL, classes TEXT NOT NULL, confirmed_ts BIGINT, gone_ts BIGINT
);

-- Every look of an administrator at a person's data: a chain for each person, over what is sealed with their key.
CREATE TABLE access_log (
    user_num BIGINT NOT NULL, entry BIGINT NOT NULL, ts BIGINT NOT NULL, sealed BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (user_num, entry)
) WITHOUT ROWID;
-- The last report of each other cell that this one has countersigned: another one of the same number, or an earlier one, is never signed after it.
CREATE TABLE witnessed_reports (
    cell TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, hash TEXT NOT NULL, audit_key TEXT NOT NULL, at_ts BIGINT NOT NULL
);
-- Those who may use the console. They have no Matrix account by it. `regions` is `*` or names of regions with commas between them.
CREATE TABLE operators (
    name TEXT NOT NULL PRIMARY KEY, password_hash TEXT NOT NULL, role TEXT NOT NULL, regions TEXT NOT NULL, created_ts BIGINT NOT NULL
);
-- Exports of all that is held about a person, which a second administrator confirms.
CREATE TABLE export_requests (
    request_id TEXT NOT NULL PRIMARY KEY, user_num BIGINT NOT NULL, created_ts BIGINT NOT NULL, recipient TEXT NOT NULL, file TEXT NOT NULL,
    requested_by TEXT NOT NULL, requested_uid BIGINT, reason TEXT NOT NULL, confirmed_by TEXT, confirmed_ts BIGINT
);
CREATE INDEX export_requests_by_user ON export_requests (user_num);
-- What crossed a border, by day since the epoch: sums only.
CREATE TABLE export_ledger (
    day BIGINT NOT NULL, class TEXT NOT NULL, origin TEXT NOT NULL, destination TEXT NOT NULL, flow TEXT NOT NULL, basis TEXT NOT NULL,
    items BIGINT NOT NULL, bytes BIGINT NOT NULL, PRIMARY KEY (day, class, origin, destination, flow, basis)
) WITHOUT ROWID;

-- Standing with authorities ---------------------------------------------------------------------------------------
-- The country under whose law somebody lives, as it was told: `stated` by whoever made the account, `corrected` by the user, whose word counts.
-- `never_in`: codes of those in which the user wants nothing of theirs to be, with spaces between them.
CREATE TABLE user_jurisdictions (
    user_num BIGINT PRIMARY KEY, stated TEXT, stated_source TEXT, stated_ts BIGINT, corrected TEXT, corrected_ts BIGINT,
    never_in TEXT, never_in_ts BIGINT
);
-- Duties that the operator chose not to meet.
CREATE TABLE duty_decisions (duty TEXT NOT NULL PRIMARY KEY, who TEXT NOT NULL, why TEXT NOT NULL, decided_ts BIGINT NOT NULL);
-- A registration with an authority. `revision` is the guard of every change.
CREATE TABLE dossiers (
    code TEXT NOT NULL PRIMARY KEY, revision BIGINT NOT NULL, status TEXT NOT NULL, status_ts BIGINT NOT NULL, legal_entity TEXT,
    authority TEXT, register TEXT, number TEXT, note TEXT, filed_ts BIGINT, registered_ts BIGINT, expires_ts BIGINT, next_action TEXT,
    next_due_ts BIGINT
);
-- `address` is that of a role; `sealed` has a person's name and ways to reach them, where a person is named.
CREATE TABLE dossier_contacts (
    code TEXT NOT NULL, role TEXT NOT NULL, address TEXT NOT NULL, is_public BIGINT NOT NULL, sealed BLOB, PRIMARY KEY (code, role)
) WITHOUT ROWID;
-- The documents themselves stay where the operator keeps them: here is by what they are known again.
CREATE TABLE dossier_documents (
    code TEXT NOT NULL, sha256 BLOB NOT NULL, name TEXT NOT NULL, bytes BIGINT NOT NULL, who TEXT NOT NULL, added_ts BIGINT NOT NULL,
    PRIMARY KEY (code, sha256)
) WITHOUT ROWID;
CREATE TABLE dossier_history (
    entry_num BIGINT PRIMARY KEY, code TEXT NOT NULL, at_ts BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL
);
CREATE INDEX dossier_history_by_code ON dossier_history (code, entry_num);
-- Papers for authorities as they were written.
CREATE TABLE dossier_papers (
    paper_num BIGINT PRIMARY KEY, code TEXT NOT NULL, sha256 BLOB NOT NULL, sealed BLOB NOT NULL, made_by TEXT NOT NULL,
    made_ts BIGINT NOT NULL, reviewed_by TEXT, reviewed_ts BIGINT, sent_by TEXT, sent_ts BIGINT
);
CREATE INDEX dossier_papers_by_code ON dossier_papers (code, paper_num);
-- Demands of authorities. `sealed` has who demands what by which law, and what was decided, since it may name people.
CREATE TABLE demands (
    demand_num BIGINT PRIMARY KEY, code TEXT NOT NULL, duty TEXT, received_ts BIGINT NOT NULL, due_ts BIGINT, state TEXT NOT NULL,
    answered_ts BIGINT, sealed BLOB NOT NULL
);
CREATE INDEX demands_open ON demands (due_ts) WHERE answered_ts IS NULL;
CREATE TABLE demand_given (
    demand_num BIGINT NOT NULL, class TEXT NOT NULL, bytes BIGINT NOT NULL, PRIMARY KEY (demand_num, class)
) WITHOUT ROWID;
-- An incident from the first sign on. `sign` is what it is about, such as `access:RU`: one that is not resolved takes further signs of it.
CREATE TABLE incidents (
    incident_num BIGINT PRIMARY KEY, sign TEXT NOT NULL, code TEXT, kind TEXT NOT NULL, state TEXT NOT NULL, is_public BIGINT NOT NULL,
    began_ts BIGINT NOT NULL, resolved_ts BIGINT, revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX incidents_open ON incidents (sign) WHERE resolved_ts IS NULL;
-- `words` is what the public reads, by language; `note` is for the operator.
CREATE TABLE incident_updates (
    update_num BIGINT PRIMARY KEY, incident_num BIGINT NOT NULL, at_ts BIGINT NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL,
    words TEXT, note TEXT
);
CREATE INDEX incident_updates_by_incident ON incident_updates (incident_num, update_num);
-- Whom an update was told in their client: written when the notice stands in their room.
CREATE TABLE incident_notices (
    update_num BIGINT NOT NULL, user_num BIGINT NOT NULL, sent_ts BIGINT NOT NULL, language TEXT NOT NULL, PRIMARY KEY (update_num, user_num)
) WITHOUT ROWID;
CREATE INDEX incident_notices_by_user ON incident_notices (user_num);
-- The room in which the server tells somebody something.
CREATE TABLE notice_rooms (user_num BIGINT PRIMARY KEY, room_id TEXT NOT NULL);
CREATE INDEX notice_rooms_by_room ON notice_rooms (room_id);
-- What the operator is to know. `told_ts` is when the webhook took it, `mailed_ts` when the mail server did; one whose cause is gone is cleared.
CREATE TABLE alerts (
    subject TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, code TEXT, what TEXT NOT NULL, raised_ts BIGINT NOT NULL, told_ts BIGINT,
    mailed_ts BIGINT, cleared_ts BIGINT
);

-- Rooms and events ------------------------------------------------------------------------------------------------
-- `revision` is the guard of every write to the room: two writers cannot both go from 41 to 42. `end_num` is the event to which the next one
-- refers; where the graph has several ends, the others stand in `forward_extremities`. `is_open` tells that anybody may join or read: who is
-- in such a room can be found by everybody. `has_copy` is 0 for a room that is known here by an invite or a knock only. `whole_position` is
-- where the last members of a room came that was joined without them; -1 while they are missing, 0 where none ever were.
CREATE TABLE rooms (
    room_num BIGINT PRIMARY KEY, room_id TEXT NOT NULL UNIQUE, room_version TEXT NOT NULL, revision BIGINT NOT NULL,
    state_root BIGINT NOT NULL, last_position BIGINT NOT NULL, end_num BIGINT NOT NULL, depth BIGINT NOT NULL, totals BLOB NOT NULL,
    is_public BIGINT NOT NULL DEFAULT 0, is_open BIGINT NOT NULL DEFAULT 0, created_ts BIGINT NOT NULL,
    has_copy BIGINT NOT NULL DEFAULT 1, whole_position BIGINT NOT NULL DEFAULT 0
);
-- What the public directory shows of each room in it, kept by the writes that change it; `search` is all its text in small letters.
CREATE TABLE public_rooms (
    room_num BIGINT PRIMARY KEY, joined BIGINT NOT NULL, name TEXT, topic TEXT, canonical_alias TEXT, avatar_url TEXT,
    join_rule TEXT NOT NULL, room_type TEXT NOT NULL, world_readable BIGINT NOT NULL, guest_can_join BIGINT NOT NULL, search TEXT NOT NULL
);
CREATE INDEX public_rooms_by_size ON public_rooms (joined DESC, room_num);
CREATE TABLE forward_extremities (
    room_num BIGINT NOT NULL, event_num BIGINT NOT NULL, PRIMARY KEY (room_num, event_num)
) WITHOUT ROWID;
CREATE TABLE state_keys (key_num BIGINT PRIMARY KEY, kind TEXT NOT NULL, state_key TEXT NOT NULL, UNIQUE (kind, state_key));
CREATE TABLE state_nodes (node_num BIGINT PRIMARY KEY, data BLOB NOT NULL);
-- `event_id` is one tag byte and the 32 bytes of the hash, or the id itself (`src/event_id.rs`). `position` is null for an event that is no
-- part of the timeline (rejected, outlier), negative for history fetched later. `state_before` is a root in state_nodes: the state of the room,
-- as it was here, before the event was added. `graph_state` is the state before it by the events that it names, where that is another one.
-- `status` is 0 for what is part of the room; the bits are in `table/events.rs`.
CREATE TABLE events (
    event_num BIGINT PRIMARY KEY, room_num BIGINT NOT NULL, position BIGINT, event_id BLOB NOT NULL UNIQUE, sender_num BIGINT NOT NULL,
    origin_server_ts BIGINT NOT NULL, state_before BIGINT NOT NULL, key_num BIGINT, thread_num BIGINT, redacted_by BIGINT,
    totals BLOB, json BLOB NOT NULL, graph_state BIGINT, status BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX events_by_position ON events (room_num, position);
-- Only of events that are not redacted. `replaces_ts` is the event's own time if it is a valid edit of its parent, else null.
CREATE TABLE event_relations (
    event_num BIGINT PRIMARY KEY, room_num BIGINT NOT NULL, parent BLOB NOT NULL, position BIGINT NOT NULL, rel_type TEXT NOT NULL,
    kind TEXT NOT NULL, replaces_ts BIGINT
);
CREATE INDEX event_relations_by_parent ON event_relations (room_num, parent, rel_type, position);
CREATE INDEX event_relations_edits ON event_relations (room_num, parent, replaces_ts) WHERE replaces_ts IS NOT NULL;
CREATE TABLE threads (
    root_num BIGINT PRIMARY KEY, room_num BIGINT NOT NULL, latest_num BIGINT NOT NULL, latest_position BIGINT NOT NULL, replies BIGINT NOT NULL
);
CREATE INDEX threads_by_room ON threads (room_num, latest_position);
-- `event_num` is null once the reply is redacted: its totals still count for who has read up to it. `totals` are those of its thread.
CREATE TABLE thread_replies (
    root_num BIGINT NOT NULL, position BIGINT NOT NULL, room_num BIGINT NOT NULL, event_num BIGINT, sender_num BIGINT NOT NULL,
    totals BLOB NOT NULL, PRIMARY KEY (root_num, position)
) WITHOUT ROWID;
CREATE INDEX thread_replies_by_sender ON thread_replies (root_num, sender_num) WHERE event_num IS NOT NULL;
-- The words of events in rooms that are not encrypted (`table/search.rs`), and how far each room is in there.
CREATE WORDS TABLE event_texts;
CREATE TABLE search_cursors (room_num BIGINT PRIMARY KEY, position BIGINT NOT NULL);
-- `turned_position` is where the user last went from joined to not joined or back: a change of name moves `position` only.
CREATE TABLE memberships (
    user_num BIGINT NOT NULL, room_num BIGINT NOT NULL, membership TEXT NOT NULL, event_num BIGINT NOT NULL, position BIGINT NOT NULL,
    turned_position BIGINT NOT NULL, forgotten BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (user_num, room_num)
) WITHOUT ROWID;
CREATE INDEX memberships_by_room ON memberships (room_num, membership, user_num);
CREATE INDEX memberships_by_turn ON memberships (room_num, turned_position);
CREATE TABLE transactions (
    device_num BIGINT NOT NULL, scope BLOB NOT NULL, event_num BIGINT NOT NULL, created_day BIGINT NOT NULL, PRIMARY KEY (device_num, scope)
) WITHOUT ROWID;
CREATE TABLE aliases (alias TEXT NOT NULL PRIMARY KEY, room_num BIGINT NOT NULL, creator_num BIGINT NOT NULL);
CREATE INDEX aliases_by_room ON aliases (room_num);
-- Aliases that were removed here and are still this cell's in the directory, which could not be told yet.
CREATE TABLE freed_aliases (alias TEXT NOT NULL PRIMARY KEY, freed_ts BIGINT NOT NULL) WITHOUT ROWID;

-- Events that others name and that are not here: where history has to be fetched from. `successor_num` is the event that names it.
CREATE TABLE backward_extremities (
    room_num BIGINT NOT NULL, missing BLOB NOT NULL, successor_num BIGINT NOT NULL, PRIMARY KEY (room_num, missing, successor_num)
) WITHOUT ROWID;
-- Places in the middle of timelines before which something is missing: the event that names it. What was fetched of it later has no position;
-- it stands in `gap_events`, the newest first.
CREATE TABLE timeline_gaps (
    room_num BIGINT NOT NULL, position BIGINT NOT NULL, event_num BIGINT NOT NULL, PRIMARY KEY (room_num, position)
) WITHOUT ROWID;
CREATE TABLE gap_events (
    room_num BIGINT NOT NULL, position BIGINT NOT NULL, rank BIGINT NOT NULL, event_num BIGINT NOT NULL, PRIMARY KEY (room_num, position, rank)
) WITHOUT ROWID;
CREATE INDEX gap_events_by_event ON gap_events (event_num);
-- Events of which whoever told them left the content away: they came as a redaction would leave them. It comes with somebody who may see it.
CREATE TABLE withheld_events (room_num BIGINT NOT NULL, event_num BIGINT NOT NULL, PRIMARY KEY (room_num, event_num)) WITHOUT ROWID;
-- The events that allow a state event: numbers, packed.
CREATE TABLE auth_edges (event_num BIGINT PRIMARY KEY, room_num BIGINT NOT NULL, auths BLOB NOT NULL);
CREATE INDEX auth_edges_by_room ON auth_edges (room_num);
-- Rooms in which this server's people are and whose members are not all known yet: the state is being fetched. `state_before` is what is known
-- of the state before the join `join_num`; `servers` are those that were said to be in the room (JSON), the one that let us in first.
CREATE TABLE partial_rooms (
    room_num BIGINT PRIMARY KEY, join_num BIGINT NOT NULL, state_before BIGINT NOT NULL, servers TEXT NOT NULL, begun_ts BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0, due_ts BIGINT NOT NULL, last_error TEXT
);
-- Redactions that came before what they redact.
CREATE TABLE early_redactions (
    target BLOB NOT NULL, redaction_num BIGINT NOT NULL, room_num BIGINT NOT NULL, PRIMARY KEY (target, redaction_num)
) WITHOUT ROWID;
-- What a user who is invited to a room, or asks to come, is shown of it, where there is no copy of it here.
CREATE TABLE stripped_states (
    user_num BIGINT NOT NULL, room_num BIGINT NOT NULL, events TEXT NOT NULL, PRIMARY KEY (user_num, room_num)
) WITHOUT ROWID;

-- Reading ---------------------------------------------------------------------------------------------------------
-- `thread` is '' for the whole room, 'main' for what is in no thread, or a thread root's event id.
CREATE TABLE receipts (
    room_num BIGINT NOT NULL, user_num BIGINT NOT NULL, kind TEXT NOT NULL, thread TEXT NOT NULL, event_num BIGINT NOT NULL,
    event_position BIGINT NOT NULL, ts BIGINT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY (room_num, user_num, kind, thread)
) WITHOUT ROWID;
CREATE INDEX receipts_by_position ON receipts (position, room_num);
-- Receipts of other servers' people for events that are not here yet.
CREATE TABLE waiting_receipts (
    room_num BIGINT NOT NULL, user_num BIGINT NOT NULL, thread TEXT NOT NULL, event_id BLOB NOT NULL, ts BIGINT NOT NULL,
    received_ts BIGINT NOT NULL, PRIMARY KEY (room_num, user_num, thread, event_id)
) WITHOUT ROWID;
CREATE INDEX waiting_receipts_by_user ON waiting_receipts (user_num);
-- Where a user has read to by sending: whoever writes has read what came before. A row is written when the user's last message leaves the
-- part of the timeline that a room in memory holds; until then the timeline itself says it.
CREATE TABLE read_state (
    user_num BIGINT NOT NULL, room_num BIGINT NOT NULL, read_position BIGINT NOT NULL, PRIMARY KEY (user_num, room_num)
) WITHOUT ROWID;
-- The sparse own rows: an event whose outcome for this user is not that of their class.
CREATE TABLE own_counts (
    user_num BIGINT NOT NULL, room_num BIGINT NOT NULL, position BIGINT NOT NULL, thread_num BIGINT NOT NULL,
    notify BIGINT NOT NULL, highlight BIGINT NOT NULL, PRIMARY KEY (user_num, room_num, position)
) WITHOUT ROWID;
-- `key_hash` is a blind index of application and push key; `position` is how far the pusher has been told.
CREATE TABLE pushers (
    pusher_num BIGINT PRIMARY KEY, user_num BIGINT NOT NULL, device_num BIGINT NOT NULL, key_hash BLOB NOT NULL, sealed BLOB NOT NULL,
    position BIGINT NOT NULL, UNIQUE (user_num, key_hash)
);
CREATE INDEX pushers_by_key ON pushers (key_hash);
CREATE INDEX pushers_by_device ON pushers (device_num);
CREATE TABLE push_classes (class_num BIGINT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, rules TEXT NOT NULL);

-- End-to-end encryption's server half -----------------------------------------------------------------------------
-- `device_keys` and `cross_signing_keys` hold copies of other people's keys, too: those of `device_list_copies`.
CREATE TABLE device_keys (
    user_num BIGINT NOT NULL, device_id TEXT NOT NULL, keys TEXT NOT NULL, PRIMARY KEY (user_num, device_id)
) WITHOUT ROWID;
-- A key that was handed out leaves its id, with a negative ordinal and no key: it must not come back with a repeated upload.
CREATE TABLE one_time_keys (
    user_num BIGINT NOT NULL, device_id TEXT NOT NULL, algorithm TEXT NOT NULL, key_id TEXT NOT NULL, key_data TEXT NOT NULL,
    ordinal BIGINT NOT NULL, PRIMARY KEY (user_num, device_id, algorithm, key_id)
) WITHOUT ROWID;
CREATE INDEX one_time_keys_in_order ON one_time_keys (user_num, device_id, algorithm, ordinal);
CREATE TABLE fallback_keys (
    user_num BIGINT NOT NULL, device_id TEXT NOT NULL, algorithm TEXT NOT NULL, key_id TEXT NOT NULL, key_data TEXT NOT NULL,
    used BIGINT NOT NULL, PRIMARY KEY (user_num, device_id, algorithm)
) WITHOUT ROWID;
CREATE TABLE cross_signing_keys (
    user_num BIGINT NOT NULL, usage TEXT NOT NULL, key_data TEXT NOT NULL, PRIMARY KEY (user_num, usage)
) WITHOUT ROWID;
-- Signatures that somebody made over another's key: `signer_num` uploaded it, it is merged into the key when that is queried.
CREATE TABLE key_signatures (
    target_num BIGINT NOT NULL, target_key TEXT NOT NULL, signer_num BIGINT NOT NULL, signer_key TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (target_num, target_key, signer_num, signer_key)
) WITHOUT ROWID;
CREATE INDEX key_signatures_by_signer ON key_signatures (signer_num, signer_key);
-- The last change of each user's devices and keys. `viewer_num` is 0 for a change that everybody may see, else the one user who may (their
-- own signature over somebody's key).
CREATE TABLE device_list_changes (
    user_num BIGINT NOT NULL, viewer_num BIGINT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY (user_num, viewer_num)
) WITHOUT ROWID;
CREATE INDEX device_list_changes_by_position ON device_list_changes (position);
-- The last change of each device of local users, which other servers are told one by one; '' is for the cross-signing keys. A device that is gone
-- has its row until everybody knows. `prev_position` is the change of the same user before it, 0 if there was none.
CREATE TABLE device_changes (
    user_num BIGINT NOT NULL, device_id TEXT NOT NULL, position BIGINT NOT NULL, prev_position BIGINT NOT NULL, PRIMARY KEY (user_num, device_id)
) WITHOUT ROWID;
CREATE INDEX device_changes_by_position ON device_changes (position);
-- What is known of other people's devices, for as long as they share a room with somebody here. `stream_id` is their server's name for the
-- version, `position` is where our stream stood when it was asked for. `revision` grows with each word that changes the copy.
CREATE TABLE device_list_copies (
    user_num BIGINT PRIMARY KEY, stream_id BIGINT, position BIGINT, fetched_ts BIGINT, is_stale BIGINT NOT NULL, revision BIGINT NOT NULL,
    attempts BIGINT NOT NULL, retry_ts BIGINT NOT NULL
);
CREATE INDEX device_list_copies_stale ON device_list_copies (retry_ts) WHERE is_stale = 1;
-- The master keys of other cells' people, pinned for as long as they share a room with somebody here; `home` is the cell that was theirs then.
CREATE TABLE pinned_keys (
    user_num BIGINT PRIMARY KEY, master_key TEXT NOT NULL, home TEXT NOT NULL, since_ts BIGINT NOT NULL
);
-- Devices of such people that these have not signed. `due_ts` is when one that is new is to be signed, null once that was decided.
CREATE TABLE unsigned_devices (
    user_num BIGINT NOT NULL, device_id TEXT NOT NULL, since_ts BIGINT NOT NULL, due_ts BIGINT, PRIMARY KEY (user_num, device_id)
) WITHOUT ROWID;
CREATE INDEX unsigned_devices_due ON unsigned_devices (due_ts) WHERE due_ts IS NOT NULL;
-- What was noticed of such people. `subject` is the key, the device or the room; `due_ts` is when people are to be told, null if there is nothing
-- to tell; `told_upto` is who was told last in a round that is not over.
CREATE TABLE key_incidents (
    user_num BIGINT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, home TEXT NOT NULL, first_ts BIGINT NOT NULL, last_ts BIGINT NOT NULL,
    times BIGINT NOT NULL, due_ts BIGINT, told_ts BIGINT, told_upto BIGINT NOT NULL DEFAULT 0, told BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_num, kind, subject)
) WITHOUT ROWID;
CREATE INDEX key_incidents_due ON key_incidents (due_ts) WHERE due_ts IS NOT NULL;
-- `origin` is the server that brought the message, null for one of this server's own people; `size` are its bytes.
CREATE TABLE to_device_messages (
    device_num BIGINT NOT NULL, position BIGINT NOT NULL, part BIGINT NOT NULL, content TEXT NOT NULL, origin TEXT,
    size BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (device_num, position, part)
) WITHOUT ROWID;
-- How much of others lies in an inbox is counted without reading it.
CREATE INDEX to_device_messages_by_origin ON to_device_messages (device_num, origin, size) WHERE origin IS NOT NULL;
CREATE TABLE to_device_transactions (
    device_num BIGINT NOT NULL, scope BLOB NOT NULL, created_day BIGINT NOT NULL, PRIMARY KEY (device_num, scope)
) WITHOUT ROWID;
CREATE TABLE key_backup_versions (
    user_num BIGINT NOT NULL, version BIGINT NOT NULL, algorithm TEXT NOT NULL, auth_data TEXT NOT NULL, etag BIGINT NOT NULL,
    key_count BIGINT NOT NULL, deleted BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (user_num, version)
) WITHOUT ROWID;
CREATE TABLE key_backup_keys (
    user_num BIGINT NOT NULL, version BIGINT NOT NULL, room_id TEXT NOT NULL, session_id TEXT NOT NULL, first_message_index BIGINT NOT NULL,
    forwarded_count BIGINT NOT NULL, is_verified BIGINT NOT NULL, session_data TEXT NOT NULL, PRIMARY KEY (user_num, version, room_id, session_id)
) WITHOUT ROWID;
CREATE TABLE dehydrated_devices (
    user_num BIGINT PRIMARY KEY, device_id TEXT NOT NULL, device_num BIGINT NOT NULL, device_data TEXT NOT NULL
);

-- Media -----------------------------------------------------------------------------------------------------------
CREATE TABLE media (
    media_id TEXT NOT NULL PRIMARY KEY, user_num BIGINT NOT NULL, created_ts BIGINT NOT NULL, content_hash BLOB, byte_size BIGINT NOT NULL DEFAULT 0,
    content_type TEXT, sealed BLOB, expires_ts BIGINT
);
CREATE INDEX media_by_owner ON media (user_num);
CREATE INDEX media_by_hash ON media (content_hash);
CREATE TABLE media_thumbnails (
    media_id TEXT NOT NULL, width BIGINT NOT NULL, height BIGINT NOT NULL, method TEXT NOT NULL, animated BIGINT NOT NULL,
    content_hash BLOB NOT NULL, byte_size BIGINT NOT NULL, content_type TEXT NOT NULL, PRIMARY KEY (media_id, width, height, method, animated)
) WITHOUT ROWID;
-- Files of other servers that were fetched not long ago. They lie in a folder of their own, and `variant` says which thumbnail it is.
CREATE TABLE remote_media (
    server_name TEXT NOT NULL, media_id TEXT NOT NULL, variant TEXT NOT NULL, content_hash BLOB NOT NULL, byte_size BIGINT NOT NULL,
    content_type TEXT, sealed BLOB, fetched_ts BIGINT NOT NULL, PRIMARY KEY (server_name, media_id, variant)
) WITHOUT ROWID;
CREATE INDEX remote_media_by_time ON remote_media (fetched_ts);
CREATE INDEX remote_media_by_hash ON remote_media (content_hash);

-- Registers of what is blocked ------------------------------------------------------------------------------------
-- A register that is watched: when it was looked at and read last, whether it was whole, and the hash of what was searched for.
CREATE TABLE blocklists (
    name TEXT NOT NULL PRIMARY KEY, checked_ts BIGINT NOT NULL, due_ts BIGINT NOT NULL, read_ts BIGINT, updated_ts BIGINT,
    entries BIGINT NOT NULL, whole BIGINT NOT NULL, own_hash BLOB NOT NULL
);
-- One of its parts as it was read last, so that it need not be read again while it is the same.
CREATE TABLE blocklist_parts (
    name TEXT NOT NULL, source TEXT NOT NULL, etag TEXT, last_modified TEXT, content_hash BLOB NOT NULL, found TEXT NOT NULL,
    PRIMARY KEY (name, source)
);
-- What of ours stands in it, or near to what does.
CREATE TABLE blocklist_listings (
    name TEXT NOT NULL, listing_hash BLOB NOT NULL, listing TEXT NOT NULL, appeared_ts BIGINT NOT NULL, changed_ts BIGINT NOT NULL,
    PRIMARY KEY (name, listing_hash)
);
-- What the operator must know: something appeared, changed or disappeared (over as soon as it was told), or a register is stale, damaged or
-- out of reach (over when it is not any more).
CREATE TABLE blocklist_alerts (
    alert_num BIGINT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, own TEXT, detail TEXT NOT NULL, created_ts BIGINT NOT NULL,
    ended_ts BIGINT
);
CREATE INDEX blocklist_alerts_by_name ON blocklist_alerts (name, ended_ts);

-- Deployment ------------------------------------------------------------------------------------------------------
-- The deployment document that was taken last, so that no older one is taken after it.
CREATE TABLE deployment_document (id BIGINT PRIMARY KEY, serial BIGINT NOT NULL, document TEXT NOT NULL, taken_ts BIGINT NOT NULL);
-- Whose home is where, of people whom this cell has met: all tickets of each, as the directory signed them.
CREATE TABLE tickets (user_id TEXT NOT NULL, epoch BIGINT NOT NULL, ticket TEXT NOT NULL, PRIMARY KEY (user_id, epoch)) WITHOUT ROWID;
-- The directory, at the cells that hold it: keyed hashes of names, with the homes that each had, and the log. There are as many names as users,
-- so a name is three numbers: its hash, and the place, which is the number of the entry that said so last, times 65536, plus that of the home.
-- `homes` says what is more than one home, or one without a number.
CREATE TABLE directory_hash_keys (key_num BIGINT PRIMARY KEY, hash_key BLOB NOT NULL);
CREATE TABLE directory_homes (home_num BIGINT PRIMARY KEY, home TEXT NOT NULL UNIQUE);
CREATE NAMES TABLE directory_names;
CREATE TABLE directory_log (log_index BIGINT PRIMARY KEY, entry TEXT NOT NULL);
-- What was in directory_log before: many entries together, which end with one that is signed.
CREATE TABLE directory_packs (last_index BIGINT PRIMARY KEY, hash TEXT NOT NULL, term BIGINT NOT NULL, pack BLOB NOT NULL);
-- While the hash key is changed, one row: from whom the log with new hashes comes (nobody: it is made here), the keys that are added, up to which
-- entry it is here, and that entry's hash and term; `sign_term` is the term in which it is made.
CREATE TABLE directory_rotation (
    id BIGINT PRIMARY KEY, source TEXT NOT NULL, hash_keys BLOB NOT NULL, sign_term BIGINT NOT NULL,
    done_index BIGINT NOT NULL, done_hash TEXT NOT NULL, done_term BIGINT NOT NULL
);
-- Names that this cell has taken in the directory ahead, for newcomers who name none.
CREATE TABLE reserved_names (localpart TEXT NOT NULL PRIMARY KEY, reserved_ts BIGINT NOT NULL) WITHOUT ROWID;
-- One row: the latest term that this cell has promised to go by, and the last entry that another holder of the directory is known to have.
CREATE TABLE directory_standing (id BIGINT PRIMARY KEY, term BIGINT NOT NULL, committed BIGINT NOT NULL);
-- What is the matter with another cell that holds the directory: its log is another one (`fork`), or it is not heard from (`away`).
CREATE TABLE directory_troubles (
    cell TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, since_ts BIGINT NOT NULL, PRIMARY KEY (cell, kind)
) WITHOUT ROWID;

-- Cuts: another cell is not reached. `from_position` is up to where it had been told everything, `counted_position` up to where what waits for it is
-- counted, `there` what it said had waited there, JSON, and `devices` the devices there that are new since, until people have been told. `whole_ts` is since
-- when it is reached again.
CREATE TABLE cuts (
    cut_num BIGINT PRIMARY KEY, cell TEXT NOT NULL, since_ts BIGINT NOT NULL, declared_ts BIGINT, whole_ts BIGINT, ended_ts BIGINT,
    from_position BIGINT NOT NULL, counted_position BIGINT NOT NULL, removals BIGINT NOT NULL, bans BIGINT NOT NULL,
    sign_outs BIGINT NOT NULL, messages BIGINT NOT NULL, there TEXT, devices TEXT
);
CREATE UNIQUE INDEX cuts_open ON cuts (cell) WHERE ended_ts IS NULL;
CREATE INDEX cuts_by_end ON cuts (ended_ts);
-- Whom a cut was told in their client, and that it has ended: written when the notice stands in their room.
CREATE TABLE cut_notices (
    cut_num BIGINT NOT NULL, user_num BIGINT NOT NULL, told_ts BIGINT NOT NULL, end_told_ts BIGINT, PRIMARY KEY (cut_num, user_num)
) WITHOUT ROWID;
CREATE INDEX cut_notices_by_user ON cut_notices (user_num);

-- Gateways --------------------------------------------------------------------------------------------------------
-- What other servers told a gateway for a cell that it could not reach: sealed so that only that cell opens it, and passed on in this order.
-- With a room where it is not known yet whether that cell is in it: then it is passed on only once it is.
CREATE TABLE gateway_spool (
    spool_num BIGINT PRIMARY KEY, cell TEXT NOT NULL, room_id TEXT, sealed BLOB NOT NULL, bytes BIGINT NOT NULL, expires_ts BIGINT NOT NULL
);
CREATE INDEX gateway_spool_by_cell ON gateway_spool (cell, spool_num);
-- Which cells are in rooms that other servers are in, too, as far as a gateway has found out. `day` is the last on which it counted on it.
CREATE TABLE gateway_rooms (room_id TEXT NOT NULL, cell TEXT NOT NULL, day BIGINT NOT NULL, PRIMARY KEY (room_id, cell)) WITHOUT ROWID;

-- Restoring -------------------------------------------------------------------------------------------------------
-- What has to be done again where an older backup of this cell is restored: somebody was erased, a device is gone, a password is another one. A row
-- waits here until other cells keep it.
CREATE TABLE restore_words (position BIGINT PRIMARY KEY, user_num BIGINT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX restore_words_by_user ON restore_words (user_num);
-- Such words of other cells, which only these open. `position` is that of the last word in it, in the other cell's stream.
CREATE TABLE deposits (
    cell TEXT NOT NULL, position BIGINT NOT NULL, sealed BLOB NOT NULL, expires_ts BIGINT NOT NULL, PRIMARY KEY (cell, position)
) WITHOUT ROWID;
-- Vaults of people who have left, for a new home that loses them before it has a backup: only that cell opens them, and the files with them.
CREATE TABLE kept_vaults (
    move_id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, cell TEXT NOT NULL, made_ts BIGINT NOT NULL, sealed BLOB NOT NULL
);
CREATE INDEX kept_vaults_by_cell ON kept_vaults (cell, move_id);
CREATE TABLE kept_files (move_id TEXT NOT NULL, content_hash BLOB NOT NULL, PRIMARY KEY (move_id, content_hash)) WITHOUT ROWID;

-- Moves -----------------------------------------------------------------------------------------------------------
-- People who move from this cell to another: a row for each move, and one that is not over for each person at most. `progress` is what its steps
-- have found and done, as JSON; `state` and `due_ts` are what is done with it next, and when. `told` is the state of which the person was told last.
CREATE TABLE moves (
    move_id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, destination TEXT NOT NULL, state TEXT NOT NULL, revision BIGINT NOT NULL,
    made_by TEXT NOT NULL, reason TEXT NOT NULL, created_ts BIGINT NOT NULL, begin_ts BIGINT NOT NULL, due_ts BIGINT NOT NULL,
    attempts BIGINT NOT NULL, error TEXT, progress TEXT NOT NULL, until_ts BIGINT, ended_ts BIGINT, told TEXT
);
CREATE UNIQUE INDEX moves_open ON moves (user_id) WHERE ended_ts IS NULL;
CREATE INDEX moves_due ON moves (due_ts) WHERE ended_ts IS NULL;
CREATE INDEX moves_by_time ON moves (created_ts);
CREATE INDEX moves_stopped ON moves (due_ts) WHERE state = 'stopped';
CREATE INDEX moves_ended ON moves (ended_ts) WHERE ended_ts IS NOT NULL;
CREATE INDEX moves_untold ON moves (created_ts) WHERE (state = 'announced' AND told IS NULL) OR (state = 'stopped' AND told = 'announced');
-- People who move to this cell. `sealed` is their vault while it waits for the directory's word: sealed with the cell's key, and gone with it.
CREATE TABLE arrivals (
    user_id TEXT NOT NULL PRIMARY KEY, move_id TEXT NOT NULL, origin TEXT NOT NULL, state TEXT NOT NULL, changed_ts BIGINT NOT NULL,
    digest TEXT, sealed BLOB, receipt TEXT
);
CREATE INDEX arrivals_by_state ON arrivals (state, changed_ts);
-- Files of theirs that are here already, under their new key.
CREATE TABLE arrived_media (
    user_id TEXT NOT NULL, media_id TEXT NOT NULL, content_hash BLOB NOT NULL, PRIMARY KEY (user_id, media_id)
) WITHOUT ROWID;
-- Where the messages of an inbox stood in the cell that it came from: a client's first request here still names that place.
CREATE TABLE arrived_inboxes (
    device_num BIGINT NOT NULL, old_position BIGINT NOT NULL, position BIGINT NOT NULL, PRIMARY KEY (device_num, old_position)
) WITHOUT ROWID;
-- Moves of all who live under one law, which a second administrator confirms. `wanted` is where to and how, JSON.
CREATE TABLE group_moves (
    group_id TEXT NOT NULL PRIMARY KEY, jurisdiction TEXT NOT NULL, wanted TEXT NOT NULL, created_ts BIGINT NOT NULL,
    requested_by TEXT NOT NULL, requested_uid BIGINT, reason TEXT NOT NULL, confirmed_by TEXT, confirmed_ts BIGINT
);
-- Up to where the clients of somebody who came had been shown their rooms where they came from: up to `head` of that cell's stream, and with what the
-- rooms ended there, JSON.
CREATE TABLE arrived_frontiers (user_num BIGINT PRIMARY KEY, head BIGINT NOT NULL, rooms TEXT NOT NULL);
-- Tokens of people who have left, by the hash of their hash: requests with them are passed on until the old address ends.
CREATE TABLE departed_tokens (token_hash BLOB NOT NULL PRIMARY KEY, destination TEXT NOT NULL, until_ts BIGINT NOT NULL) WITHOUT ROWID;

-- Federation ------------------------------------------------------------------------------------------------------
-- A destination is another server (its name) or another cell (`=` and its name). Everything that concerns it up to `position` has been sent.
CREATE TABLE destinations (
    destination_num BIGINT PRIMARY KEY, destination TEXT NOT NULL UNIQUE, position BIGINT NOT NULL, failures BIGINT NOT NULL DEFAULT 0,
    failing_since_ts BIGINT, retry_ts BIGINT, last_error TEXT
);
-- The rooms of a destination, with its joined members. It is told what was added after `since_position` and, where it has no members any more,
-- up to `until_position`.
CREATE TABLE destination_rooms (
    room_num BIGINT NOT NULL, destination_num BIGINT NOT NULL, joined BIGINT NOT NULL, since_position BIGINT NOT NULL, until_position BIGINT,
    PRIMARY KEY (room_num, destination_num)
) WITHOUT ROWID;
CREATE INDEX destination_rooms_by_destination ON destination_rooms (destination_num, room_num);
-- Regions into which a copy of a room went, or goes, for the first time. People in the room are to be told where `due_ts` is not null.
CREATE TABLE new_regions (
    room_num BIGINT NOT NULL, region TEXT NOT NULL, noted_ts BIGINT NOT NULL, due_ts BIGINT, told_upto BIGINT NOT NULL, told BIGINT NOT NULL,
    PRIMARY KEY (room_num, region)
) WITHOUT ROWID;
CREATE INDEX new_regions_due ON new_regions (due_ts) WHERE due_ts IS NOT NULL;
-- Events that destinations are told by us: one row each, however many destinations there are.
CREATE TABLE outgoing_events (position BIGINT PRIMARY KEY, room_num BIGINT NOT NULL, event_num BIGINT NOT NULL);
CREATE INDEX outgoing_events_by_room ON outgoing_events (room_num, position);
-- What goes to one destination only, such as a message to a device: gone when it was taken. No event of a later position is told before it.
CREATE TABLE outgoing_edus (
    edu_num BIGINT PRIMARY KEY, destination_num BIGINT NOT NULL, user_num BIGINT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
    position BIGINT NOT NULL
);
CREATE INDEX outgoing_edus_by_destination ON outgoing_edus (destination_num, position, edu_num);
-- The last transaction of each origin with what was answered: it is repeated until the origin has heard.
CREATE TABLE inbound_transactions (origin TEXT NOT NULL PRIMARY KEY, txn_id TEXT NOT NULL, answer TEXT NOT NULL);
-- Events that were taken and wait for others that they name.
CREATE TABLE inbound_pdus (
    pdu_num BIGINT PRIMARY KEY, room_num BIGINT NOT NULL, origin TEXT NOT NULL, event_id BLOB NOT NULL UNIQUE, json BLOB NOT NULL,
    received_ts BIGINT NOT NULL, attempts BIGINT NOT NULL DEFAULT 0, due_ts BIGINT NOT NULL
);
CREATE INDEX inbound_pdus_by_room ON inbound_pdus (room_num, pdu_num);
-- Messages to devices that other servers brought, by the hash of their ids, so that each comes once.
CREATE TABLE inbound_messages (
    origin TEXT NOT NULL, message_hash BLOB NOT NULL, created_day BIGINT NOT NULL, PRIMARY KEY (origin, message_hash)
) WITHOUT ROWID;
-- Keys of other servers, those too that they use no more. `expired_ts` is null for a key in use.
CREATE TABLE remote_keys (
    server_name TEXT NOT NULL, key_id TEXT NOT NULL, public_key BLOB NOT NULL, valid_until_ts BIGINT NOT NULL, expired_ts BIGINT,
    fetched_ts BIGINT NOT NULL, PRIMARY KEY (server_name, key_id)
) WITHOUT ROWID;
-- Each server's last list of its keys as it signed it, for those who ask us for it.
CREATE TABLE remote_key_lists (
    server_name TEXT NOT NULL PRIMARY KEY, list TEXT NOT NULL, valid_until_ts BIGINT NOT NULL, fetched_ts BIGINT NOT NULL
);
CREATE INDEX remote_key_lists_by_age ON remote_key_lists (fetched_ts);
