//! Uploads.

use super::{ByteSize, Duration, section::section};

section! {
    /// Uploads and thumbnails.
    Media = "media" {
        /// Largest upload.
        max_upload: ByteSize = ByteSize(50 << 20);
        /// Largest picture, in pixels, of which a thumbnail is made.
        max_pixels: u32 = 40_000_000;
        /// How long a place for a later upload is kept.
        unused_for: Duration = Duration(86_400_000);
    }
}
