//! What an administrator looks at or changes of somebody is in that person's access log before it is done and told.

use domicile_app::evidence::access_log::{Look, What};
use ruma::UserId;

use super::{AdminServices, operator::By};
use crate::error::Failure;

/// Notes it for somebody whose home is here. Of who is at home elsewhere, nothing but that is known here.
pub(super) async fn note(services: &AdminServices, user_id: &UserId, by: &By, what: What) -> Result<(), Failure> {
    if let Some(user_num) = services.homes.user_num(user_id).await? {
        let look = Look { by: by.operator.clone(), what, reason: by.reason.clone() };
        services.evidence.access_log.note(user_num, look).await?;
    }
    Ok(())
}
