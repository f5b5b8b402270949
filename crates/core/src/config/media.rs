//! Uploads.

use super::{ByteSize, Duration, section::section};

section! {
    /// Uploads and thumbnails.
    Media = "media" {
        /// Largest upload.
        max_upload: ByteSize = ByteSize(50 << 20);
        /// How long a place for a later upload is kept.
        unused_for: Duration = Duration(86_400_000);
        /// Largest file that is fetched from another server for somebody here.
        max_remote: ByteSize = ByteSize(50 << 20);
        /// How much of other servers' files is kept for those who look at them next. 0 keeps none.
        remote_cache: ByteSize = ByteSize(1 << 30);
        /// How long a file of another server is kept at most.
        remote_kept_for: Duration = Duration(7 * 86_400_000);
    }
}
