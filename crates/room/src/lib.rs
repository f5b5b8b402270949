//! Rooms as values: events, authorisation, state, visibility and push rules, without I/O.
