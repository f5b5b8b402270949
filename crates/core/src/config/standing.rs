//! The service's standing with authorities.

use super::{section::section, value::choice};

choice! {
    /// Whom the service is for.
    StandingAudience {
        /// Anybody may make an account.
        Public = "public",
        /// The members of an organisation.
        Organisation = "organisation",
        /// A family or a circle of friends.
        Family = "family",
    }
}

section! {
    /// What `domicile standing` compares with the law, and how people are told. Countries are written as their ISO 3166 codes, such as "DE".
    Standing = "standing" {
        /// The legal entity that runs the service.
        operator: String = String::new();
        /// Countries in which it has an establishment.
        established_in: Vec<String> = Vec::new();
        /// Countries in which the disks stand.
        stored_in: Vec<String> = Vec::new();
        /// Countries in which it runs critical infrastructure.
        critical_in: Vec<String> = Vec::new();
        /// What the service is, of `messaging`, `calls`, `file_sharing` and `public_rooms`.
        services: Vec<String> = ["messaging", "calls", "file_sharing"].map(str::to_owned).to_vec();
        /// Whom it is for: `public` (anybody may make an account), `organisation` (its members) or `family`.
        audience: StandingAudience = StandingAudience::Organisation;
        /// A folder with files that correct and extend the catalogue of duties; see `domicile standing lint`.
        jurisdictions: String = String::new();
        /// The name before the colon of the account that writes notices to users. It is made when it is first needed, and nobody can sign in to it.
        notices_user: String = "notices".to_owned();
        /// What it is called.
        notices_name: String = "Service notices".to_owned();
        /// An https address that is told of alerts. Empty: none.
        alert_url: String = String::new();
        /// What stands in these requests after `Authorization: Bearer`. Empty: nothing.
        @secret alert_token: String = String::new();
        /// Mail addresses that are told of alerts; see [mail].
        alert_mail: Vec<String> = Vec::new();
        /// The file with alternative addresses that `domicile addresses write` made. Empty: there are none.
        addresses: String = String::new();
        /// Countries whose users are not told of alternative addresses: publishing ways round a block is restricted in places.
        addresses_off_in: Vec<String> = Vec::new();
        /// Whether `/.well-known/domicile/addresses` and the exported status page tell everybody of them. Without it only users are told, who are
        /// signed in and whose country may be.
        addresses_public: bool = true;
    }
}
