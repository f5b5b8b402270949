//! GET /_matrix/client/versions (API versions)

use std::collections::BTreeMap;

use ruma::api::client::discovery::get_supported_versions::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Versions of the specification that clients may speak.
const VERSIONS: [&str; 21] = [
    "r0.6.0", "r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11",
    "v1.12", "v1.13", "v1.14", "v1.15", "v1.16", "v1.17", "v1.18", "v1.19",
];
/// Features under their unstable names. Only what works stands here.
const FEATURES: [&str; 4] =
    ["org.matrix.e2e_cross_signing", "org.matrix.simplified_msc3575", "uk.tcpip.msc4133", "org.matrix.msc3814"];

/// Tells what is spoken here.
pub(super) async fn get_supported_versions(_request: Public<Request>) -> Reply<Response> {
    let mut response = Response::new(VERSIONS.map(str::to_owned).to_vec());
    response.unstable_features = FEATURES.into_iter().map(|name| (name.to_owned(), true)).collect::<BTreeMap<_, _>>();
    Ok(Answer(response))
}
