//! Connections to other people's servers.

use super::section::section;

section! {
    /// Connections that the server makes to others, such as push gateways.
    Egress = "egress" {
        /// Ranges of addresses that may be connected to although they are not on the public internet, such as "10.0.0.0/8"; "10.0.0.0/8:8448" only at
        /// that port.
        allow_addresses: Vec<String> = Vec::new();
        /// Files with certificates (PEM) that are trusted beside those of the system.
        ca_files: Vec<String> = Vec::new();
    }
}
