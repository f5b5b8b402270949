//! What the user's own page says, in each of its languages. What people wrote, and what the server refuses, is shown as it is.

use domicile_app::{evidence::access_log::What, standing::Language};

use super::{words_de, words_ru, words_zh};

/// How many kinds of data are told of.
const KINDS: usize = 8;

/// The words of a language.
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) skip: &'static str,
    pub(super) languages: &'static str,
    pub(super) status: &'static str,
    pub(super) times: &'static str,
    pub(super) front: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    pub(super) session: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) refused: &'static str,
    pub(super) home: &'static str,
    pub(super) home_region: &'static str,
    pub(super) home_only: &'static str,
    pub(super) jurisdiction: &'static str,
    pub(super) by_yourself: &'static str,
    pub(super) told_by: &'static str,
    pub(super) no_jurisdiction: &'static str,
    pub(super) never_guessed: &'static str,
    pub(super) correct: &'static str,
    pub(super) code: &'static str,
    pub(super) save: &'static str,
    pub(super) devices: &'static str,
    pub(super) end_device: &'static str,
    pub(super) which_device: &'static str,
    pub(super) rooms: &'static str,
    pub(super) rooms_about: &'static str,
    pub(super) no_rooms: &'static str,
    pub(super) more_rooms: &'static str,
    pub(super) room: &'static str,
    pub(super) text_is: &'static str,
    pub(super) members: &'static str,
    pub(super) copies: &'static str,
    pub(super) encrypted: &'static str,
    pub(super) readable: &'static str,
    pub(super) here: &'static str,
    pub(super) region: &'static str,
    pub(super) looks: &'static str,
    pub(super) nobody_looked: &'static str,
    pub(super) broken: &'static str,
    pub(super) you: &'static str,
    pub(super) unreadable: &'static str,
    /// In the order of [`Words::what`].
    pub(super) whats: [&'static str; 10],
    pub(super) kept: &'static str,
    pub(super) kept_for: [(&'static str, &'static str); KINDS],
    pub(super) moves: &'static str,
    pub(super) no_move: &'static str,
    pub(super) move_planned: &'static str,
    pub(super) move_begins: &'static str,
    pub(super) move_reason: &'static str,
    pub(super) move_means: &'static str,
    pub(super) move_stopped: &'static str,
    pub(super) moving: &'static str,
    pub(super) object_about: &'static str,
    pub(super) objection: &'static str,
    pub(super) object_button: &'static str,
    pub(super) objected: &'static str,
    pub(super) objection_waits: &'static str,
    pub(super) objection_over: &'static str,
    pub(super) export: &'static str,
    pub(super) export_about: &'static str,
    pub(super) recipient: &'static str,
    pub(super) recipient_about: &'static str,
    pub(super) export_button: &'static str,
    pub(super) key_offer: &'static str,
    pub(super) key_button: &'static str,
    pub(super) own_key: &'static str,
    pub(super) key_title: &'static str,
    pub(super) key_about: &'static str,
    pub(super) key_secret: &'static str,
    pub(super) key_keep: &'static str,
    pub(super) key_opens: &'static str,
    pub(super) back: &'static str,
    pub(super) erase: &'static str,
    pub(super) erase_about: &'static str,
    pub(super) sure: &'static str,
    pub(super) erase_button: &'static str,
    pub(super) erased_title: &'static str,
    pub(super) erased: &'static str,
    pub(super) receipt: &'static str,
    pub(super) remaining: &'static str,
}

impl Words {
    /// The words of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::De => &words_de::DE,
            Language::Ru => &words_ru::RU,
            Language::Zh => &words_zh::ZH,
        }
    }

    /// What somebody looked at, or did.
    pub(super) fn what(&self, what: What) -> &'static str {
        let [devices, report, access_log, standing, standing_changed, password, requested, exported, ended, erased] =
            self.whats;
        match what {
            What::Devices => devices,
            What::Report => report,
            What::AccessLog => access_log,
            What::Standing => standing,
            What::StandingChanged => standing_changed,
            What::PasswordChanged => password,
            What::ExportRequested => requested,
            What::Exported => exported,
            What::Deactivated => ended,
            What::Erased => erased,
        }
    }
}

static EN: Words = Words {
    title: "Your account",
    about: "Where your home is and why, where copies of your rooms are, who looked at your data, and what you can do about it.",
    skip: "To the content",
    languages: "Languages",
    status: "Status of the service",
    times: "Times are in UTC.",
    front: "A Matrix server. Use it with a Matrix app; these pages are for people who have an account here, or want to know how the service is.",
    name: "User name",
    password: "Password",
    session: "This page becomes one of your devices for an hour, and you see it in every app. It has no keys: it cannot read your messages.",
    sign_in: "Sign in",
    sign_out: "Sign out",
    refused: "That did not work.",
    home: "Your home",
    home_region: "Your account, with everything that belongs to it alone, is stored in the region",
    home_only: "Your account, with everything that belongs to it alone, is stored on this server. The service has no other place.",
    jurisdiction: "You are noted as living under the law of",
    by_yourself: "by your own word",
    told_by: "as was told by:",
    no_jurisdiction: "Nobody has noted under which country's law you live. You need not say so.",
    never_guessed: "It is never guessed from your address, and your own word counts before any other.",
    correct: "Correct it",
    code: "The country's code, two letters such as DE; empty takes your word back",
    save: "Save",
    devices: "Your devices",
    end_device: "Sign a device out",
    which_device: "Which device; it loses its session, its keys and what waits for it",
    rooms: "Copies of your rooms",
    rooms_about: "A room has a copy wherever one of its members has an account. Who is there, names and topics stand in each copy; encrypted messages can be read by members' devices only.",
    no_rooms: "You are in no room.",
    more_rooms: "You are in more rooms; these are the first 300.",
    room: "Room",
    text_is: "Messages",
    members: "Members",
    copies: "Copies",
    encrypted: "encrypted",
    readable: "readable by servers",
    here: "here",
    region: "region",
    looks: "Who looked at your data",
    nobody_looked: "Nobody of those who run the service.",
    broken: "An entry is missing or was changed. Ask those who run the service why.",
    you: "You",
    unreadable: "Nobody can read any more",
    whats: [
        "looked at your list of devices",
        "read a report that you made",
        "read this list",
        "looked whether your account is locked",
        "locked or unlocked your account",
        "replaced your password",
        "asked for a copy of all your data",
        "made an encrypted copy of all your data",
        "ended your account",
        "erased your account",
    ],
    kept: "What is kept, and for how long",
    kept_for: [
        ("Your password", "never; a hash of it, until you change it"),
        ("Addresses you connected from", "7 days, sealed with a key of your own"),
        ("When a device was last used", "the day, until you sign the device out"),
        ("Keys on their way to your devices", "until the device has fetched them"),
        ("Messages", "as long as somebody who has a home here is in the room"),
        ("Files that you uploaded", "until your account is erased, sealed with a key of your own"),
        ("Who looked at your data", "as long as the account; unreadable once it is erased"),
        (
            "Backups",
            "until those who run the service delete them; what is sealed in them is unreadable once you are erased",
        ),
    ],
    moves: "Moves",
    no_move: "No move of your account to another place is planned. If one is, you read it here and in your app before it happens, and can object.",
    move_planned: "It is planned to move your account to the region",
    move_begins: "It begins at the earliest on",
    move_reason: "Why, in the words of those who run the service:",
    move_means: "Everything that belongs to your account alone moves there and is erased here; copies of your rooms are made there. Your apps stay signed in.",
    move_stopped: "A move of your account was planned. It was stopped on",
    moving: "Your account is on its way to the region",
    object_about: "You can object until it begins. Then nothing is moved before those who run the service have decided.",
    objection: "What you have to say against it, if you like; those who run the service read it",
    object_button: "Object to the move",
    objected: "You have objected.",
    objection_waits: "Nothing is moved before those who run the service have decided.",
    objection_over: "Those who run the service have decided that it goes on.",
    export: "Take your data with you",
    export_about: "Everything that is held about you, in one file that only you can open.",
    recipient: "Your public key",
    recipient_about: "It begins with age1; a program that makes one:",
    export_button: "Make the file",
    key_offer: "The file is encrypted. Only a key opens it that nobody else has: this page makes one for you and shows it once.",
    key_button: "Make a key for me",
    own_key: "I have a key of my own",
    key_title: "A key for your data",
    key_about: "It was made for you now, and is kept nowhere here. When you leave this page, nobody can show it to you again.",
    key_secret: "Your secret key",
    key_keep: "Save it in a file of its own, such as KEY.txt, and show it to nobody. Who has it can open the file; without it nobody can, you neither.",
    key_opens: "The program age (age-encryption.org) opens the file:",
    back: "Back to your account",
    erase: "Erase your account",
    erase_about: "Your account, devices, keys, files and settings are removed, and you leave all rooms. What you wrote stays with those who were there. Nobody can have your name again.",
    sure: "I know that it cannot be taken back.",
    erase_button: "Erase my account",
    erased_title: "Your account is erased",
    erased: "Rows that are gone:",
    receipt: "The operator has a signed receipt of it, document",
    remaining: "What remains, why and until when",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_everything() {
        for language in Language::ALL {
            let words = Words::of(language);
            assert!(words.whats.iter().all(|what| !what.is_empty()), "{}", language.code());
            assert!(words.kept_for.iter().all(|(what, how_long)| !what.is_empty() && !how_long.is_empty()));
            assert!(language == Language::En || words.title != EN.title);
        }
    }
}
