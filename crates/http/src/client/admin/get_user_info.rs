//! GET /_matrix/client/v3/admin/whois/{userId} (Server administration)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::Devices;
use domicile_core::error::ErrorKind;
use ruma::{
    MilliSecondsSinceUnixEpoch,
    api::client::admin::get_user_info::v3::{ConnectionInfo, DeviceInfo, Request, Response, SessionInfo},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// From where the caller's devices were seen last. Nobody else is told, whatever they administer.
pub(super) async fn get_user_info(State(devices): State<Arc<Devices>>, request: Authed<Request>) -> Reply<Response> {
    let session = &request.session;
    if request.body.user_id != session.user_id {
        return Err(ErrorKind::Forbidden.with("You can ask this of yourself only.").into());
    }
    let mut answer = Response::new();
    answer.user_id = Some(session.user_id.clone());
    for device in devices.list(session.user_num).await? {
        let mut connection = ConnectionInfo::new();
        connection.ip = device.last_seen_ip.map(|address| address.to_string());
        connection.last_seen = device.last_seen_ts.and_then(|ts| ts.try_into().ok()).map(MilliSecondsSinceUnixEpoch);
        let mut opened = SessionInfo::new();
        opened.connections.push(connection);
        let mut info = DeviceInfo::new();
        info.sessions.push(opened);
        answer.devices.insert(device.device_id.to_string(), info);
    }
    Ok(Answer(answer))
}
