//! The deployment to which a cell belongs.

use super::{Api, Duration, Listener, Problem, Problems, ProxyKeys, section::section, value::choice};

choice! {
    /// What is done about devices that their owner has not signed.
    UnsignedDevices {
        /// They are told like others.
        Tell = "tell",
        /// They are left out, and no key of theirs is handed out.
        Withhold = "withhold",
    }
}

choice! {
    /// What people are told before the first copy of a room goes to another region.
    NewRegions {
        /// They are told in their clients.
        Tell = "tell",
        /// They are not.
        Quiet = "quiet",
    }
}

section! {
    /// The deployment to which this cell belongs. Without `file` this cell is all of it.
    Deployment = "deployment" {
        /// The deployment document, signed with the root key: the same file in every cell.
        file: String = String::new();
        /// The name of this cell in the document, such as "eu1".
        cell: String = String::new();
        /// The public half of the root key, "ed25519:…", as `domicile deployment init` printed it. Only what it signed is believed.
        root_key: String = String::new();
        /// The file with this cell's secret key, which only this server's account may read.
        key_file: String = String::new();
        /// Files with keys that this cell had before, from the time of `domicile cell rotate`. They sign nothing: they open what other cells still keep
        /// for it that was sealed for such a key, as in a gateway's spool, and what it needs when its database is restored.
        former_key_files: Vec<String> = Vec::new();
        /// A proxy by which other cells are reached: `http://proxy.example.org:3128` for one that knows CONNECT, or `socks5://127.0.0.1:1080`. It is
        /// given the hosts of their `inner_url`, and looks names up. Empty: they are reached directly. Where there is one, nothing goes past it.
        proxy: String = String::new();
        /// The name that it wants. Empty: none.
        proxy_username: String = String::new();
        /// The file with the password that it wants, which only this server's account may read.
        proxy_password_file: String = String::new();
        /// The cells that are reached by it, such as `ru1`; the others directly. None: all.
        proxy_cells: Vec<String> = Vec::new();
        /// Whether another cell is the way to one that is not reached directly, and this cell the way for others. What passes is encrypted from end to
        /// end, and goes through no region to which the flows forbid everything. Set it to false where not even that may pass.
        relay: bool = true;
        /// Devices of other cells' people that these have not signed themselves (cross-signing): `tell` people here of them, or `withhold` them, so that
        /// nothing is encrypted for them here. Whoever has a cell in their hands can add such devices to its people.
        unsigned_devices: UnsignedDevices = UnsignedDevices::Tell;
        /// Before the first copy of a room goes to another region, since somebody there comes in or one of its people moves there: `tell` people here who are
        /// in the room so in their clients, once for each room and region, or keep `quiet`.
        new_regions: NewRegions = NewRegions::Tell;
        /// How long another cell is not reached, or does not reach this one, before people who share rooms with its people are told so in their
        /// clients: `10m`, say. They are told once, and once more when it is over. `0s`: never.
        cut_notice_after: Duration = Duration(10 * 60_000);
    }
}

impl Deployment {
    /// Whether the cell belongs to a deployment with a document.
    pub fn is_set(&self) -> bool {
        !self.file.is_empty()
    }

    /// What it says of a proxy.
    pub fn proxy(&self) -> ProxyKeys<'_> {
        ProxyKeys {
            section: "deployment",
            address: &self.proxy,
            username: &self.proxy_username,
            password_file: &self.proxy_password_file,
        }
    }

    /// What does not fit together.
    pub(super) fn check(&self, listeners: &[Listener], problems: &mut Problems) {
        let keys =
            [("file", &self.file), ("cell", &self.cell), ("root_key", &self.root_key), ("key_file", &self.key_file)];
        if keys.iter().any(|(_, value)| !value.is_empty()) {
            for (key, _) in keys.iter().filter(|(_, value)| value.is_empty()) {
                let what = "it is missing: a cell of a deployment needs `file`, `cell`, `root_key` and `key_file`";
                problems.push(Problem::about(&format!("deployment.{key}"), what.to_owned()));
            }
        }
        if !self.proxy_cells.is_empty() && self.proxy.is_empty() {
            problems
                .push(Problem::about("deployment.proxy_cells", "no proxy is named: set deployment.proxy".to_owned()));
        }
        let inner = |listener: &Listener| listener.serve.contains(&Api::Inner);
        for (index, listener) in listeners.iter().enumerate().filter(|(_, listener)| inner(listener)) {
            let mut wrong = |what: &str| problems.push(Problem::about(&format!("listeners.{index}"), what.to_owned()));
            if !self.is_set() {
                wrong("`inner` is for the cells of a deployment: set deployment.file, or take it away");
            }
            if listener.serve.len() > 1 {
                wrong(
                    "`inner` stands alone: others must not reach what cells tell each other; make another [[listeners]]",
                );
            }
            if listener.bind.starts_with("unix:") || !listener.certificate.is_empty() {
                wrong("`inner` is served over TCP with the cell's own key: it takes no unix socket and no certificate");
            }
        }
        if self.is_set() && !listeners.iter().any(inner) {
            let what = "no listener serves the deployment's other cells: add [[listeners]] with serve = [\"inner\"]";
            problems.push(Problem::about("deployment.file", what.to_owned()));
        }
    }
}
