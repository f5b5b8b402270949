//! Every operation for other servers, asked without a signature and with a wrong one.

use axum::{
    body::Body,
    http::{Request, header::AUTHORIZATION},
};
use domicile_testkit::{operations, server::TestServer};

/// Operations that anybody may call (specification, the operations' own words).
const OPEN: [&str; 7] = [
    "/.well-known/matrix/server",
    "/_matrix/federation/v1/version",
    "/_matrix/key/v2/server",
    "/_matrix/key/v2/query",
    "/_matrix/key/v2/query/{serverName}",
    "/_matrix/federation/v1/openid/userinfo",
    "/_matrix/federation/v1/3pid/onbind",
];

#[tokio::test]
async fn what_is_not_signed_is_answered_only_where_the_specification_says_so() {
    let server = TestServer::start().await;
    let wrong = "X-Matrix origin=\"127.0.0.1:1\",destination=\"localhost\",key=\"ed25519:a\",sig=\"AAAA\"";
    let operations = operations::for_servers();
    assert!(operations.len() > 4, "{operations:?}");
    for (method, path) in operations {
        let filled: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for header in [None, Some(wrong)] {
            let mut request = Request::builder().method(method.clone()).uri(filled.join("/"));
            if let Some(header) = header {
                request = request.header(AUTHORIZATION, header);
            }
            let answer = server.anonymous().request(request.body(Body::from("{}")).unwrap()).await;
            if OPEN.contains(&path.as_str()) {
                assert_ne!(answer.status, 401, "{method} {path} is for anybody");
                assert!(answer.status.as_u16() < 500, "{method} {path}");
            } else {
                answer.fails(401, "M_UNAUTHORIZED");
            }
        }
    }
}
