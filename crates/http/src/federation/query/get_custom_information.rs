//! GET /_matrix/federation/v1/query/{queryType} (Server-Server: Querying for information)

use domicile_core::error::ErrorKind;
use ruma::api::federation::query::get_custom_information::v1::{Request, Response};

use crate::{answer::Reply, federation::extract::Peer};

/// No questions are known beside those with endpoints of their own.
pub(super) async fn get_custom_information(request: Peer<Request>) -> Reply<Response> {
    let kind: String = request.body.query_type.chars().take(255).collect();
    Err(ErrorKind::Unrecognized.with(format!("This server knows no question called `{kind}`.")).into())
}
