//! Those who look from elsewhere. The operator invites them with a code; they sign what they saw with a key of their own, which is bound to the code
//! with their first report and which they throw away when they like. Nothing says who or where they are but what they write themselves.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use domicile_core::{error::ErrorKind, rng};
use domicile_residency::interference::Run;
use domicile_store::{
    Batch,
    numbers::Sequence,
    table::probes::{self, ProbeVantage},
};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Probes;
use crate::{
    Error, Result,
    error::{forbidden, not_found},
};

/// Letters of a code: 190 bits.
const CODE: usize = 32;
/// Bytes of a vantage's name.
const NAME: usize = 64;
/// How far a report's time may be from ours: it is made before it is sent, and clocks are not all right.
const LATE_MS: i64 = 24 * domicile_core::clock::HOUR_MS;

/// What is signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The code, so that a report cannot be handed in for somebody else.
    pub code: String,
    /// Whether it may be published.
    #[serde(default)]
    pub publish: bool,
    /// What was seen.
    pub run: Run,
}

/// A report as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signed {
    /// [`Told`] as JSON, byte for byte as it was signed.
    pub told: String,
    /// The public key (Ed25519) in unpadded base64.
    pub key: String,
    /// The signature over `told`, in unpadded base64.
    pub signature: String,
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code.as_bytes()).into()
}

fn refused(why: &'static str) -> Error {
    ErrorKind::InvalidParam.with(why).into()
}

impl Probes {
    /// Takes a report of somebody who was invited; gives the run's number.
    pub async fn take(&self, signed: Signed) -> Result<i64> {
        if !self.settings.reports {
            return Err(not_found("This server takes no reports: its operator has not set probe.reports."));
        }
        let bytes =
            |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| refused("The key or the signature is no base64."));
        let (key, signature) = (bytes(&signed.key)?, bytes(&signed.signature)?);
        UnparsedPublicKey::new(&ED25519, &key)
            .verify(signed.told.as_bytes(), &signature)
            .map_err(|_| forbidden("The report is not signed by the key that it names."))?;
        let told: Told = serde_json::from_str(&signed.told)
            .map_err(|error| ErrorKind::BadJson.with(format!("The report cannot be read: {error}")))?;
        let code_hash = hash(&told.code);
        let vantage =
            self.store.read(move |snapshot| async move { probes::invited(&snapshot, &code_hash).await }).await?;
        let vantage = vantage.ok_or_else(|| forbidden("Nobody was invited with this code, or not any more."))?;
        if vantage.public_key.as_ref().is_some_and(|known| *known != key) {
            return Err(forbidden("This code's reports are signed with another key: ask for a new invitation."));
        }
        self.check(&told.run)?;
        let mut batch = Batch::new();
        probes::bind(&mut batch, vantage.vantage_num, &key);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => {
                return Err(forbidden("This code's reports are signed with another key."));
            }
            written => written?,
        };
        let outside = self.outside().await?;
        let report = self.judge(told.run, &outside, vantage.vantage_num).await?;
        self.keep(report, vantage.vantage_num, told.publish).await
    }

    /// Whether a run is one that a vantage of this deployment makes.
    fn check(&self, run: &Run) -> Result<()> {
        run.bounded()
            .map_err(|error| ErrorKind::InvalidParam.with(format!("The report is none of a probe's: {error}.")))?;
        if (run.started_ms - self.clock.now_ms()).abs() > LATE_MS {
            return Err(refused("The report is older than a day, or its clock is wrong."));
        }
        let ours = |host: &str, port: u16| {
            self.settings.targets.iter().any(|target| target.port == port && target.host.eq_ignore_ascii_case(host))
        };
        if run.measurements.is_empty() || !run.measurements.iter().all(|seen| ours(&seen.target.host, seen.target.port))
        {
            return Err(refused("The report is about addresses that are none of this deployment's."));
        }
        Ok(())
    }

    /// Invites somebody; gives the code, which is told once.
    pub async fn invite(&self, name: String) -> Result<String> {
        if name.is_empty() || name.len() > NAME || name.chars().any(|letter| letter.is_control() || letter == '/') {
            return Err(refused("A vantage's name has 1 to 64 letters, and no slash."));
        }
        let code = rng::name(&*self.rng, CODE);
        let vantage = ProbeVantage {
            vantage_num: self.store.number(Sequence::ProbeVantage).await?,
            name,
            public_key: None,
            created_ts: self.clock.now_ms(),
        };
        let mut batch = Batch::new();
        probes::invite(&mut batch, &vantage, &hash(&code));
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Err(refused("There is a vantage of that name already.")),
            written => {
                written?;
                Ok(code)
            }
        }
    }

    /// Everybody who was invited.
    pub async fn vantages(&self) -> Result<Vec<ProbeVantage>> {
        Ok(self.store.read(|snapshot| async move { probes::vantages(&snapshot).await }).await?)
    }

    /// Takes no more reports with somebody's code.
    pub async fn dismiss(&self, name: &str) -> Result<()> {
        let mut batch = Batch::new();
        probes::dismiss(&mut batch, name);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Err(not_found(format!("There is no vantage `{name}`."))),
            written => {
                written?;
                Ok(())
            }
        }
    }
}
