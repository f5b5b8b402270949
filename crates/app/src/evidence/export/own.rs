//! An export that the person asks for: nobody has to confirm it, and it is a file only until it was fetched.

use std::fs::File;

use domicile_core::{error::ErrorKind, rng};
use domicile_store::{
    backup::{Identity, Recipient},
    table::export_requests::ExportRequest,
};
use ruma::UserId;
use zeroize::Zeroizing;

use super::{Exports, ID_LENGTH};
use crate::{
    Error, Result,
    evidence::access_log::{Look, Operator, What},
};

impl Exports {
    /// Everything that is held about a person, for that person: a file without a name, encrypted to their key, and its size in bytes.
    pub async fn own(&self, user_id: &UserId, recipient: &str) -> Result<(File, u64)> {
        let _one = self.own_turn.lock().await;
        let invalid = |text: String| Error::from(ErrorKind::InvalidParam.with(text));
        let recipient = Recipient::parse(recipient.trim()).map_err(|error| invalid(error.to_string()))?;
        let user = self.account(user_id).await?;
        let by = Operator { name: user_id.to_string(), uid: None };
        let look = Look { by: by.clone(), what: What::Exported, reason: None };
        self.parts.access_log.note(user.user_num, look).await?;
        let request_id = rng::name(&*self.parts.rng, ID_LENGTH);
        // The folder is made with the first of its files; what is in it is for this account of the machine only.
        let (file, _) = self.parts.documents.attachment(&format!("own-export-{request_id}"))?;
        std::fs::remove_file(&file).map_err(Error::internal)?;
        let row = ExportRequest {
            request_id,
            user_num: user.user_num,
            created_ts: self.parts.clock.now_ms(),
            recipient: recipient.to_string(),
            file: file.display().to_string(),
            requested_by: by.name.clone(),
            requested_uid: None,
            reason: String::new(),
            confirmed_by: None,
            confirmed_ts: None,
        };
        self.make(user_id, row, by).await?;
        let opened = File::open(&file).map_err(Error::internal)?;
        std::fs::remove_file(&file).map_err(Error::internal)?;
        let bytes = opened.metadata().map_err(Error::internal)?.len();
        Ok((opened, bytes))
    }
}

/// A pair of keys that was made for somebody who has none. Nothing of it is kept.
pub struct OwnKey {
    /// To which an export is encrypted, `age1…`.
    pub public: String,
    /// With which it is opened, `AGE-SECRET-KEY-1…`.
    pub secret: Zeroizing<String>,
}

impl Exports {
    /// A new pair of keys, for somebody who asks for an export and has no key.
    pub fn own_key(&self) -> OwnKey {
        let identity = Identity::generate(&*self.parts.rng);
        OwnKey { public: identity.recipient().to_string(), secret: identity.secret() }
    }
}
