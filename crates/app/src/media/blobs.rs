//! Where the bytes of media lie: sealed with their owner's key, found by their hash.

use bytes::Bytes;
use domicile_core::ids::UserNum;
use futures::{future::BoxFuture, stream::BoxStream};

use crate::Result;

/// Bytes that come piece by piece.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// A blob that lies safely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name: a hash of the content under the owner's key.
    pub hash: Bytes,
    /// The content's size in bytes.
    pub byte_size: u64,
}

/// Keeps blobs.
pub trait Blobs: Send + Sync + 'static {
    /// Begins a blob of an owner.
    fn begin(&self, owner: UserNum) -> BoxFuture<'_, Result<Box<dyn Incoming>>>;

    /// The same of an owner who moves here, however large it is: the cell that they leave has taken it.
    fn take_over(&self, owner: UserNum) -> BoxFuture<'_, Result<Box<dyn Incoming>>>;

    /// The content of a blob; nothing if there is none.
    fn open(&self, owner: UserNum, hash: Bytes) -> BoxFuture<'_, Result<Option<ByteStream>>>;
}

/// A blob that is being written. Dropping it leaves nothing behind.
pub trait Incoming: Send {
    /// Appends a piece.
    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Ends it: from now on it is on disk under its hash.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Stored>>;
}
