//! The words of the format: each key that has only a few values, with what they mean.

/// An enumeration whose values are words.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $about:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $about])+ $variant,)+
        }

        impl $name {
            /// All of them, in the order in which they are explained.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What it means, for people.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($about),+).trim_ascii(),)+
                }
            }

            /// The value of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl $crate::standing::words::Word for $name {
            const WORDS: &'static [&'static str] = &[$($word,)+];

            fn of(word: &str) -> Option<Self> {
                Self::from_word(word)
            }
        }
    };
}

/// Something that is written as one of a few words.
pub trait Word: Sized {
    /// The words.
    const WORDS: &'static [&'static str];
    /// The value of a word.
    fn of(word: &str) -> Option<Self>;
}

words! {
    /// What kind of duty it is.
    Kind {
        /// To enter a register, or to tell an authority of the service
        Registration = "registration",
        /// To publish or to file whom an authority can reach
        Contact = "contact",
        /// To name a representative in the country
        Representative = "representative",
        /// To keep data in the country
        Storage = "storage",
        /// To keep data for a time
        Retention = "retention",
        /// To meet conditions before data leaves the country
        Transfer = "transfer",
        /// To tell of a breach
        BreachNotice = "breach_notice",
        /// To answer demands within a time
        Reply = "reply",
        /// To report regularly
        Report = "report",
        /// To find out who users are
        Identification = "identification",
        /// To give access to what people write, or to keys
        Access = "access",
        /// To remove or to silence
        Moderation = "moderation",
    }
}

words! {
    /// What kind of service a deployment is.
    Service {
        /// Messages between people
        Messaging = "messaging",
        /// Voice and video calls
        Calls = "calls",
        /// Files that people share
        FileSharing = "file_sharing",
        /// Rooms that anybody may find and read
        PublicRooms = "public_rooms",
    }
}

words! {
    /// Whom a service is for.
    Audience {
        /// Anybody may make an account
        Public = "public",
        /// The members of an organisation
        Organisation = "organisation",
        /// A family or a circle of friends
        Family = "family",
    }
}

words! {
    /// How a law counts users.
    Counted {
        /// Everybody who has an account
        Registered = "registered",
        /// Those who use the service on a day
        Daily = "daily",
        /// Those who use it in a month
        Monthly = "monthly",
        /// Those whose data crosses the border in a year
        Yearly = "yearly",
    }
}

words! {
    /// Where data is to be.
    Storage {
        /// In the country and nowhere else
        CountryOnly = "country_only",
        /// In the country first; copies may be elsewhere
        CopyAbroadAllowed = "copy_abroad_allowed",
        /// Anywhere, under conditions
        Conditions = "conditions",
    }
}

words! {
    /// Whom an authority or a user is to be able to reach.
    Role {
        /// Who stands for the service in the country
        Representative = "representative",
        /// Who answers the authority
        Authority = "authority",
        /// Who answers at any hour
        AlwaysOn = "always_on",
        /// Who answers complaints of users
        Grievance = "grievance",
        /// Who answers for the service's compliance
        Compliance = "compliance",
        /// Who looks after data protection
        DataProtection = "data_protection",
        /// Who answers reports about security
        Security = "security",
        /// Who helps users
        Users = "users",
    }
}

words! {
    /// How well a statement of the catalogue is known.
    Confidence {
        /// As the text of the law, or a page that quotes it, states it
        Sourced = "sourced",
        /// As the press or a commentator states it
        SecondHand = "second_hand",
        /// Heard of, and not verified: check it before you use it
        Unverified = "unverified",
    }
}

words! {
    /// What Domicile declines by its design, always.
    Subject {
        /// The content of messages
        Content = "message_content",
        /// Keys that open messages
        Keys = "keys",
        /// Traffic data beyond what operation needs
        TrafficData = "traffic_data",
        /// Identification by telephone number
        PhoneIdentification = "phone_identification",
        /// Silencing a person on order
        Silencing = "silencing",
    }
}

words! {
    /// What the service itself can tell about a duty.
    Check {
        /// Whom to ask stands in `/.well-known/matrix/support` and on the status page
        ContactsPublished = "contacts_published",
        /// The disks stand in the jurisdiction, by the operator's word
        StoredInCountry = "stored_in_country",
        /// The dossier says `registered`, and the registration has not expired
        Registered = "registered",
        /// The dossier names everybody whom the duty asks for
        ContactsNamed = "contacts_named",
        /// The record of processing is written from the catalogue: `domicile ropa`
        ProcessingRecorded = "processing_recorded",
        /// Counts of demands are on the status page
        DemandsCounted = "demands_counted",
        /// No demand is past its time
        DemandsInTime = "demands_in_time",
    }
}

words! {
    /// Where a dossier stands.
    Status {
        /// Nothing is to be filed
        NotNeeded = "not_needed",
        /// The operator chose not to file
        ChosenNotTo = "chosen_not_to",
        /// It is being prepared
        Draft = "draft",
        /// The authority has it
        Filed = "filed",
        /// The authority has registered the service
        Registered = "registered",
        /// The authority has refused
        Refused = "refused",
        /// The registration is over
        Lapsed = "lapsed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that explains the format.
    const EXPLAINED: &str = include_str!("../../../../docs/jurisdictions.md");

    #[test]
    fn every_word_of_the_format_is_explained() {
        let words = [
            Kind::WORDS,
            Service::WORDS,
            Audience::WORDS,
            Counted::WORDS,
            Storage::WORDS,
            Role::WORDS,
            Confidence::WORDS,
            Subject::WORDS,
            Check::WORDS,
        ];
        for word in words.into_iter().flatten() {
            assert!(EXPLAINED.contains(&format!("`{word}`")), "docs/jurisdictions.md does not explain `{word}`");
        }
    }

    #[test]
    fn words_and_values_are_one_to_one() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.word()), Some(*kind));
            assert!(!kind.about().is_empty());
        }
        assert_eq!(Kind::from_word("something"), None);
        assert_eq!(Status::ALL.len(), 7);
    }
}
