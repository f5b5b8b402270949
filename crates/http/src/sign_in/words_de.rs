//! The page about signing in, in German.

use super::words::Words;

pub(super) static DE: Words = Words {
    title: "Anmelden",
    about: "Man hat Ihnen hier ein Konto gegeben, oder Sie können eines anlegen. Jede Matrix-App ist recht; das brauchen Sie dafür.",
    skip: "Zum Inhalt",
    languages: "Sprachen",
    typed: "Was Sie in die App eingeben",
    server: "Server (Homeserver)",
    ask: "Fragen Sie, wer Ihnen diesen Link gegeben hat.",
    name: "Benutzername",
    token: "Registrierungs-Token",
    token_about: "Damit legen Sie Ihr Konto an: Wählen Sie in der App „Konto erstellen“.",
    password: "Passwort",
    password_given: "Sie haben es mit diesem Link bekommen oder selbst gewählt.",
    password_new: "Sie wählen es, wenn Sie das Konto anlegen. Heben Sie es gut auf: Hier kann es niemand lesen.",
    apps: "Apps",
    apps_links: "Diese Links öffnen eine App, in der der Server schon eingetragen ist:",
    element_x: "Element X, auf dem Telefon",
    element_classic: "Element Classic, auf dem Telefon",
    cinny: "Cinny, im Browser",
    makers: "Sie führen auf Seiten derer, die die Apps machen; diese erfahren daraus, welchen Server Sie nutzen, und nicht Ihren Namen.",
    others: "Wählen Sie in jeder anderen App einen anderen Server (oft hinter „Bearbeiten“) und geben Sie den obigen ein.",
    trouble: "Wenn es nicht geht",
    careful: "Geben Sie Ihr Passwort nur in Ihrer App und auf Seiten dieser Adresse ein. Die Betreiber fragen Sie nie danach.",
    elsewhere: "Sagt die App, Name oder Passwort sei falsch, und es stimmt nicht, dann liegt Ihr Konto vielleicht bei einer anderen Adresse dieses Dienstes: bei der, die man Ihnen damit genannt hat. Es gibt auch",
    account: "Ihr Konto",
    status: "Zustand des Dienstes",
};
