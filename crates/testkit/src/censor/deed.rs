//! What is done to the probe, and what it must say to that.

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    Nothing,
    /// Nothing, but the network loses one packet in twenty each way and takes 150 ms each way.
    BadNetwork,
    /// The same with 300 ms each way.
    WorseNetwork,
    /// Questions for the target's name get an answer with the ministry's address.
    ForgedAnswer,
    /// They are told that there is no such name.
    NoSuchName,
    /// Packets to the target's address vanish.
    AddressDropped,
    /// Connections in which the target's name is said are reset.
    SniReset,
    /// What says the target's name vanishes.
    SniDropped,
    /// Connections to the target end at the ministry, which has a certificate of its own for it.
    Intercepted,
    /// What is asked in the clear is answered with a page.
    BlockPage,
    /// What comes from the target comes with 10 kbit/s.
    Throttled,
    /// Nothing passes at all.
    NetworkDown,
    /// The target itself is down.
    TargetDown,
}

impl Deed {
    /// What a censor or an accident does.
    pub const INTERFERENCE: [Self; 10] = [
        Self::ForgedAnswer,
        Self::NoSuchName,
        Self::AddressDropped,
        Self::SniReset,
        Self::SniDropped,
        Self::Intercepted,
        Self::BlockPage,
        Self::Throttled,
        Self::NetworkDown,
        Self::TargetDown,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::BadNetwork => "5 % loss, 300 ms there and back",
            Self::WorseNetwork => "5 % loss, 300 ms each way",
            Self::ForgedAnswer => "forged DNS answer",
            Self::NoSuchName => "NXDOMAIN",
            Self::AddressDropped => "address dropped",
            Self::SniReset => "RST on SNI",
            Self::SniDropped => "silent drop on SNI",
            Self::Intercepted => "TLS interception",
            Self::BlockPage => "block page",
            Self::Throttled => "throttling to 10 kbit/s",
            Self::NetworkDown => "whole network down",
            Self::TargetDown => "target down",
        }
    }

    /// The verdicts that are right. A network that is only bad may be too bad to tell, which is no alarm.
    pub fn right(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &["ok"],
            Self::BadNetwork | Self::WorseNetwork => &["ok", "inconclusive"],
            Self::ForgedAnswer | Self::NoSuchName => &["dns_tampering"],
            Self::AddressDropped => &["address_blocked"],
            Self::SniReset => &["sni_reset"],
            Self::SniDropped => &["sni_dropped"],
            Self::Intercepted => &["tls_mitm"],
            Self::BlockPage => &["block_page"],
            Self::Throttled => &["throttled"],
            Self::NetworkDown => &["network_down"],
            Self::TargetDown => &["down"],
        }
    }
}
