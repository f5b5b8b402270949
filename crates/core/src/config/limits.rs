//! How often somebody may do something.

use super::{Rate, section::section};

section! {
    /// How often somebody may do something: `10/s burst 50`, `3/m` or `off`.
    RateLimits = "rate_limits" {
        /// Attempts to log in from one address.
        login_address: Rate = Rate::Limited { per_second: 0.5, burst: 10 };
        /// Failed attempts to log in to one account.
        login_account: Rate = Rate::Limited { per_second: 0.1, burst: 5 };
        /// Registrations from one address.
        registration: Rate = Rate::Limited { per_second: 0.05, burst: 10 };
        /// Events that one account sends.
        messages: Rate = Rate::Limited { per_second: 20.0, burst: 100 };
        /// Invites by one account.
        invites: Rate = Rate::Limited { per_second: 0.5, burst: 30 };
        /// Rooms that one account joins.
        joins: Rate = Rate::Limited { per_second: 0.5, burst: 30 };
        /// Uploads by one account.
        uploads: Rate = Rate::Limited { per_second: 1.0, burst: 30 };
        /// Searches in directories by one account.
        searches: Rate = Rate::Limited { per_second: 2.0, burst: 20 };
        /// Reports to the operator by one account.
        reports: Rate = Rate::Limited { per_second: 0.05, burst: 20 };
        /// Names of the deployment's people whom nobody in this cell has met, by one account or from one address.
        strangers: Rate = Rate::Limited { per_second: 2.0, burst: 500 };
        /// Questions from one address for the keys of other servers.
        server_keys: Rate = Rate::Limited { per_second: 1.0, burst: 50 };
        /// Tokens from one address that are another cell's, or nobody's: the other cells are asked whose they are.
        tokens_elsewhere: Rate = Rate::Limited { per_second: 2.0, burst: 100 };
    }
}
