//! Kinds of errors as Matrix names them. The layer `http` maps a kind to a status; no other layer knows of statuses.

use std::borrow::Cow;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $status:literal;)*) => {
        /// What went wrong, by Matrix's standard error codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// The `errcode`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// The usual HTTP status of the kind.
            pub fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }
        }
    };
}

kinds! {
    /// Not allowed.
    Forbidden = "M_FORBIDDEN", 403;
    /// The access token is not known (any more).
    UnknownToken = "M_UNKNOWN_TOKEN", 401;
    /// The access token is known, but has expired or was replaced: refresh, or log in again with the same device.
    SoftLogout = "M_UNKNOWN_TOKEN", 401;
    /// The access token is not known, and may have been good before the server was restored from a backup: log in again with the same device.
    ForgottenToken = "M_UNKNOWN_TOKEN", 401;
    /// No access token was given.
    MissingToken = "M_MISSING_TOKEN", 401;
    /// Another server's request is not signed, or not rightly.
    Unauthorized = "M_UNAUTHORIZED", 401;
    /// The user is locked.
    UserLocked = "M_USER_LOCKED", 401;
    /// The user is suspended, and may do little but read and leave.
    UserSuspended = "M_USER_SUSPENDED", 403;
    /// JSON, but not of the expected shape.
    BadJson = "M_BAD_JSON", 400;
    /// Not JSON.
    NotJson = "M_NOT_JSON", 400;
    /// Nothing was found.
    NotFound = "M_NOT_FOUND", 404;
    /// No such endpoint.
    Unrecognized = "M_UNRECOGNIZED", 404;
    /// The endpoint does not know the method.
    UnrecognizedMethod = "M_UNRECOGNIZED", 405;
    /// Too many requests.
    LimitExceeded = "M_LIMIT_EXCEEDED", 429;
    /// The server failed.
    Unknown = "M_UNKNOWN", 500;
    /// The request makes no sense in the present state, and Matrix has no better word for it.
    BadRequest = "M_UNKNOWN", 400;
    /// The server is stopping, or an overload keeps it from answering.
    Unavailable = "M_UNKNOWN", 503;
    /// There is no room left on the disk.
    DiskFull = "ORG.DOMICILE.DISK_FULL", 507;
    /// The credentials were right, but a login is refused.
    UserDeactivated = "M_USER_DEACTIVATED", 403;
    /// The user name is taken.
    UserInUse = "M_USER_IN_USE", 400;
    /// The user name cannot be one.
    InvalidUsername = "M_INVALID_USERNAME", 400;
    /// The user name belongs to an application service.
    Exclusive = "M_EXCLUSIVE", 400;
    /// The password is too weak.
    WeakPassword = "M_WEAK_PASSWORD", 400;
    /// The alias is taken.
    RoomInUse = "M_ROOM_IN_USE", 409;
    /// The state that a room was to begin with is not allowed.
    InvalidRoomState = "M_INVALID_ROOM_STATE", 400;
    /// The server does not know this room version.
    UnsupportedRoomVersion = "M_UNSUPPORTED_ROOM_VERSION", 400;
    /// The other side does not know the room's version.
    IncompatibleRoomVersion = "M_INCOMPATIBLE_ROOM_VERSION", 400;
    /// A parameter is wrong.
    InvalidParam = "M_INVALID_PARAM", 400;
    /// A parameter is missing.
    MissingParam = "M_MISSING_PARAM", 400;
    /// The request or its event is too large.
    TooLarge = "M_TOO_LARGE", 413;
    /// The alias is not what it should be.
    BadAlias = "M_BAD_ALIAS", 400;
    /// A refresh, or a key backup, was made against a version that is not current.
    WrongRoomKeysVersion = "M_WRONG_ROOM_KEYS_VERSION", 403;
    /// Media that is still awaited.
    NotYetUploaded = "M_NOT_YET_UPLOADED", 504;
    /// Media that was uploaded already.
    CannotOverwriteMedia = "M_CANNOT_OVERWRITE_MEDIA", 409;
    /// The event has become part of another state already.
    DuplicateAnnotation = "M_DUPLICATE_ANNOTATION", 400;
    /// A profile would grow beyond its bound.
    ProfileTooLarge = "M_PROFILE_TOO_LARGE", 400;
    /// A profile field's name is too long.
    KeyTooLarge = "M_KEY_TOO_LARGE", 400;
    /// The user cannot leave a server notices room.
    CannotLeaveServerNoticeRoom = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", 403;
    /// The sliding connection's position is not known; begin again.
    UnknownPos = "M_UNKNOWN_POS", 400;
    /// Nothing here proves that the sender of a join may join.
    UnableToAuthoriseJoin = "M_UNABLE_TO_AUTHORISE_JOIN", 400;
    /// The invite is refused because the other does not want it.
    InviteBlocked = "M_INVITE_BLOCKED", 403;
    /// The event's signature or a key's is wrong.
    InvalidSignature = "M_INVALID_SIGNATURE", 400;
    /// A guest may not do this.
    GuestAccessForbidden = "M_GUEST_ACCESS_FORBIDDEN", 403;
    /// The captcha or terms are not accepted.
    ConsentNotGiven = "M_CONSENT_NOT_GIVEN", 403;
    /// A third-party identifier is not known.
    ThreepidDenied = "M_THREEPID_DENIED", 403;
    /// Another server is not reachable.
    BadGateway = "M_UNKNOWN", 502;
    /// A part of the deployment does not answer its gateway. This is no 5xx: by such a one, other servers leave all of a server alone for a while.
    PartAway = "M_UNKNOWN", 424;
    /// A file of another server is too large to be passed on.
    RemoteTooLarge = "M_TOO_LARGE", 502;
    /// A threepid operation that this deployment does not do.
    ThreepidMediumNotSupported = "M_THREEPID_MEDIUM_NOT_SUPPORTED", 400;
}

/// A kind and what a person is told: what happened, to what, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MatrixError {
    /// The kind.
    pub kind: ErrorKind,
    /// The text of `error`.
    pub message: Cow<'static, str>,
    /// With [`ErrorKind::LimitExceeded`]: milliseconds to wait.
    pub retry_after_ms: Option<u64>,
    /// With [`ErrorKind::WrongRoomKeysVersion`]: the version that is current.
    pub current_version: Option<String>,
    /// With [`ErrorKind::IncompatibleRoomVersion`]: the room's version.
    pub room_version: Option<String>,
}

impl MatrixError {
    /// An error of `kind` that tells `message`.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), retry_after_ms: None, current_version: None, room_version: None }
    }

    /// Too many requests: come again in `retry_after_ms` milliseconds.
    pub fn limit_exceeded(retry_after_ms: u64) -> Self {
        Self {
            kind: ErrorKind::LimitExceeded,
            message: Cow::Borrowed("Too many requests: wait before the next one."),
            retry_after_ms: Some(retry_after_ms),
            current_version: None,
            room_version: None,
        }
    }
}

impl ErrorKind {
    /// An error of this kind that tells `message`.
    pub fn with(self, message: impl Into<Cow<'static, str>>) -> MatrixError {
        MatrixError::new(self, message)
    }

    /// An error of this kind about a room of a version that the other side does not know.
    pub fn for_room_version(self, version: &str) -> MatrixError {
        let mut error = self.with(format!("The room's version is {version}, which the other side does not know."));
        error.room_version = Some(version.to_owned());
        error
    }
}
