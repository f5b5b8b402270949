//! The names under which a deployment is reached, as the configuration tells them.

use domicile_core::config::Config;

/// The names by which others know this deployment: its own, that of its clients' address, and the one that it tells other servers;
/// and whatever else the operator says.
pub fn own_names(config: &Config) -> Vec<String> {
    let url = config.server.public_url.split_once("://").map_or("", |(_, rest)| rest);
    let hosts = [config.server.name.as_str(), url, config.federation.well_known.as_str()].map(host);
    let mut names: Vec<String> = Vec::new();
    let more = config.server.also_reached_at.iter().map(String::as_str);
    for host in hosts.into_iter().filter(|host| !host.is_empty() && *host != "localhost").chain(more) {
        if !names.iter().any(|name| name == host) {
            names.push(host.to_owned());
        }
    }
    names
}

/// The host of `host:port/path`.
fn host(text: &str) -> &str {
    let authority = text.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_configuration() {
        let mut config = Config::default();
        assert_eq!(own_names(&config), Vec::<String>::new());
        config.server.name = "example.org:8448".to_owned();
        config.server.public_url = "https://matrix.example.org/".to_owned();
        config.federation.well_known = "matrix.example.org:443".to_owned();
        assert_eq!(own_names(&config), ["example.org", "matrix.example.org"]);
        config.server.name = "[2001:db8::1]:8448".to_owned();
        assert_eq!(own_names(&config)[0], "2001:db8::1");
    }
}
