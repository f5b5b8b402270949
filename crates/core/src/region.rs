//! Names of regions: areas with one residency policy.

use serde::{Deserialize, Serialize};

/// The name of a region, such as `eu`: 1 to 16 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// A region's name that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` cannot be a region's name: use 1 to 16 lower-case letters, digits and hyphens, such as `eu`")]
pub struct InvalidRegion(String);

impl Region {
    /// The region of a deployment that has only one.
    pub fn only() -> Self {
        Self("main".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidRegion;

    fn try_from(name: String) -> Result<Self, InvalidRegion> {
        let fits = (1..=16).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(name)) } else { Err(InvalidRegion(name)) }
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}
