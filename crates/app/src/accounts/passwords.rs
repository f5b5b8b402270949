//! Passwords: argon2id, off the async threads, a few at a time.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use domicile_core::{error::ErrorKind, limits};
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// Hashes and checks passwords.
pub struct Passwords {
    memory_kib: u32,
    iterations: u32,
    /// Each hash takes `memory_kib` of memory: this many at once.
    at_once: Semaphore,
}

impl Passwords {
    /// Costs: memory in KiB, passes over it, hashes at once.
    pub fn new(memory_kib: u32, iterations: u32, at_once: usize) -> Self {
        Self { memory_kib, iterations, at_once: Semaphore::new(at_once) }
    }

    /// The hash of a password in PHC form, with a random salt.
    pub async fn hash(&self, password: String) -> Result<String> {
        if password.len() > limits::PASSWORD_BYTES {
            return Err(ErrorKind::WeakPassword
                .with(format!("A password has at most {} bytes.", limits::PASSWORD_BYTES))
                .into());
        }
        let params = Params::new(self.memory_kib, self.iterations, 1, None).map_err(Error::internal)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        self.off_thread(move || Ok(argon2.hash_password(password.as_bytes()).map_err(Error::internal)?.to_string()))
            .await
    }

    /// Whether a password is the one of the hash. Without a hash it takes as long and is never right, so that nobody learns who exists.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        if password.len() > limits::PASSWORD_BYTES {
            return Ok(false);
        }
        let Some(hash) = hash else {
            self.hash(password).await?;
            return Ok(false);
        };
        self.off_thread(move || {
            let parsed = PasswordHash::new(&hash).map_err(Error::internal)?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        })
        .await
    }

    async fn off_thread<T: Send + 'static>(&self, task: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _permit = self.at_once.acquire().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(task).await.map_err(Error::internal)?
    }
}
