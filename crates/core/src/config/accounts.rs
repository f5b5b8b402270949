//! Who may make an account, and how passwords are kept.

use super::{section::section, value::choice};

/// The words with which an operator opens registration to everybody.
pub(super) const OPEN_ACKNOWLEDGEMENT: &str = "yes, I know that anybody can make accounts";

choice! {
    /// Who may make an account.
    RegistrationMode {
        /// Nobody but the operator.
        Closed = "closed",
        /// Who has a registration token.
        Token = "token",
        /// Everybody.
        Open = "open",
    }
}

section! {
    /// Who may make an account.
    Registration = "registration" {
        /// `closed`: only `domicile user add`; `token`: whoever has a token from `domicile token add`; `open`: everybody.
        mode: RegistrationMode = RegistrationMode::Token;
        /// What you must write here before `mode = "open"` is accepted: "yes, I know that anybody can make accounts"
        open_to_everybody: String = String::new();
        /// The address of the terms that whoever registers must accept. Empty: none.
        terms_url: String = String::new();
        /// The version of the terms; raise it when they change.
        terms_version: String = "1".to_owned();
        /// The name of the terms as people see it.
        terms_name: String = "Terms of service".to_owned();
        /// Whether people choose their names also where `profiles = "withheld"` holds for the cell's region. Otherwise they get random ones there, since the
        /// Matrix id stands in every copy of a room.
        chosen_names: bool = false;
        /// Life of an access token that the client can refresh.
        access_token_life: super::Duration = super::Duration(3_600_000);
    }
}

section! {
    /// What accounts may do.
    Accounts = "accounts" {
        /// The Matrix ids of those who may lock and suspend other people's accounts in their client.
        administrators: Vec<String> = Vec::new();
        /// Whether somebody who is signed in can let another device in with a token (for instance in a QR code). Whoever sees the token is in.
        login_tokens: bool = false;
    }
}

section! {
    /// The cost of a password's hash (argon2id).
    Passwords = "passwords" {
        /// Memory for one hash.
        memory: super::ByteSize = super::ByteSize(19 << 20);
        /// Passes over it.
        iterations: u32 = 2;
        /// Hashes at once.
        at_once: u32 = 2;
    }
}
