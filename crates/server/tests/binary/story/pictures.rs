//! Pictures of the server's pages as the story goes on, taken by a browser where `cargo xtask story` asks for them.

use std::process::Command;

use crate::Server;

/// The script, the browser, and the folder for the pictures.
const VARIABLES: [&str; 3] = ["DOMICILE_STORY_LOOK", "DOMICILE_STORY_CHROMIUM", "DOMICILE_STORY_PICTURES"];

pub(super) struct Pictures {
    script: String,
    browser: String,
    folder: String,
    url: String,
    password: &'static str,
}

impl Pictures {
    pub(super) fn wanted(server: &Server, password: &'static str) -> Option<Self> {
        let [script, browser, folder] = VARIABLES.map(|name| std::env::var(name).ok());
        let url = format!("http://{}", server.address);
        Some(Self { script: script?, browser: browser?, folder: folder?, url, password })
    }

    /// Looks at a page as the operator.
    pub(super) fn take(&self, page: &str, name: &str) {
        let mut look = Command::new("node");
        look.arg(&self.script).args(["--chromium", &self.browser, "--url", &self.url, "--pictures", &self.folder]);
        look.args([
            "--operator",
            "ada",
            "--password",
            self.password,
            "--page",
            page,
            "--name",
            &format!("story-{name}"),
        ]);
        let status = look.status().unwrap();
        assert!(status.success(), "there is something to complain about on {page}");
    }
}
