//! What the page about signing in says, in each of its languages.

use domicile_app::standing::Language;

use super::{words_de, words_ru, words_zh};

/// The words of a language.
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) skip: &'static str,
    pub(super) languages: &'static str,
    pub(super) typed: &'static str,
    pub(super) server: &'static str,
    pub(super) ask: &'static str,
    pub(super) name: &'static str,
    pub(super) token: &'static str,
    pub(super) token_about: &'static str,
    pub(super) password: &'static str,
    pub(super) password_given: &'static str,
    pub(super) password_new: &'static str,
    pub(super) apps: &'static str,
    pub(super) apps_links: &'static str,
    pub(super) element_x: &'static str,
    pub(super) element_classic: &'static str,
    pub(super) cinny: &'static str,
    pub(super) makers: &'static str,
    pub(super) others: &'static str,
    pub(super) trouble: &'static str,
    pub(super) careful: &'static str,
    pub(super) elsewhere: &'static str,
    pub(super) account: &'static str,
    pub(super) status: &'static str,
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
}

static EN: Words = Words {
    title: "Signing in",
    about: "You were given an account here, or may make one. Any Matrix app will do; this is what you need.",
    skip: "To the content",
    languages: "Languages",
    typed: "What you type into the app",
    server: "Server (homeserver)",
    ask: "Ask whoever gave you this link.",
    name: "User name",
    token: "Registration token",
    token_about: "With it you make your account: choose “create an account” in the app.",
    password: "Password",
    password_given: "You were told it together with this link, or have chosen it yourself.",
    password_new: "You choose it when you make the account. Keep it safe: nobody can read it here.",
    apps: "Apps",
    apps_links: "These links open an app with the server filled in:",
    element_x: "Element X, on a telephone",
    element_classic: "Element Classic, on a telephone",
    cinny: "Cinny, in the browser",
    makers: "They lead to pages of those who make the apps, who learn from them which server you use, and not your name.",
    others: "In any other app choose another server (often behind “Edit”) and type the one above.",
    trouble: "If it does not work",
    careful: "Type your password into your app and into pages of this address only. Those who run the service never ask you for it.",
    elsewhere: "If the app says that the name or the password is wrong and it is not, your account may be kept at another address of this service: the one that you were told together with it. There are also",
    account: "Your account",
    status: "Status of the service",
};
