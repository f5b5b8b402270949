//! Who this is and where its data lies.

use super::section::section;

section! {
    /// Who this is and where its data lies.
    Server = "server" {
        /// The part of every user's id after the colon. It cannot be changed later.
        name: String = "localhost".to_owned();
        /// The folder for the database, media and keys.
        data_dir: String = "./domicile-data".to_owned();
        /// The address that clients use, such as `https://matrix.example.org`. Empty: the first listener's.
        public_url: String = String::new();
        /// Names, masks, pages, addresses and networks at which this deployment is reached, too, such as "chat.example.net", "*.example.net" or
        /// "198.51.100.7". Registers of what is blocked are searched for them.
        also_reached_at: Vec<String> = Vec::new();
        /// How users reach those who run this server, shown in `/.well-known/matrix/support`: e-mail addresses or Matrix ids.
        support_contacts: Vec<String> = Vec::new();
        /// A page with help for users, shown there too.
        support_page: String = String::new();
    }
}
