//! Uploads.

use super::{ByteSize, Duration, section::section};

section! {
    /// Uploads and thumbnails.
    Media = "media" {
        /// Largest upload.
        max_upload: ByteSize = ByteSize(50 << 20);
        /// How long a place for a later upload is kept.
        unused_for: Duration = Duration(86_400_000);
    }
}
