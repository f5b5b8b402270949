//! Making a small picture of a large one: values in, values out.
//!
//! The source comes from anybody, so its size in pixels and in memory is known before a pixel is decoded.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageReader, Limits, codecs::jpeg::JpegEncoder, imageops::FilterType,
    metadata::Orientation,
};
use serde::{Deserialize, Serialize};

/// Most pixels of a source.
const PIXELS: u64 = 50_000_000;
/// Most memory that a source may take when it is decoded, in bytes.
const DECODED_BYTES: u64 = 256 * 1024 * 1024;
/// Largest width or height of a source.
const SIDE: u32 = 30_000;
/// Of 100.
const JPEG_QUALITY: u8 = 82;

/// The sizes for [`Method::Scale`] (client-server specification, *Thumbnails*).
const SCALED: [(u32, u32); 3] = [(320, 240), (640, 480), (800, 600)];
/// The sides from which those for [`Method::Crop`] are put together.
const CROPPED: [u32; 7] = [32, 96, 240, 320, 480, 640, 800];

/// How a picture is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Cut to the shape that was asked for.
    Crop,
    /// Whole, in its own shape.
    Scale,
}

impl Method {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crop => "crop",
            Self::Scale => "scale",
        }
    }
}

/// One of the few sizes that are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Size {
    /// The smallest size that is made and is at least as large; none if only the picture itself will do.
    pub(super) fn at_least(method: Method, width: u32, height: u32) -> Option<Self> {
        match method {
            Method::Scale => SCALED
                .into_iter()
                .find(|(wide, high)| *wide >= width && *high >= height)
                .map(|(width, height)| Self { width, height }),
            Method::Crop => {
                let side = |wanted| CROPPED.into_iter().find(|side| *side >= wanted);
                Some(Self { width: side(width)?, height: side(height)? })
            }
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Made {
    /// A smaller picture.
    Picture(Picture),
    /// The source is no larger than what was asked for.
    NotSmaller,
    /// The source has too many pixels.
    TooLarge,
    /// The source is no picture, or none of a kind that can be read.
    Unreadable,
}

/// A picture as bytes.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
}

/// Makes a small picture.
pub(super) fn make(source: &[u8], method: Method, size: Size) -> Made {
    let Ok(mut reader) = ImageReader::new(Cursor::new(source)).with_guessed_format() else { return Made::Unreadable };
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE);
    limits.max_image_height = Some(SIDE);
    limits.max_alloc = Some(DECODED_BYTES);
    reader.limits(limits.clone());
    let mut decoder = match reader.into_decoder() {
        Ok(decoder) => decoder,
        Err(image::ImageError::Limits(_)) => return Made::TooLarge,
        Err(_) => return Made::Unreadable,
    };
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS || decoder.total_bytes() > DECODED_BYTES {
        return Made::TooLarge;
    }
    if decoder.set_limits(limits).is_err() {
        return Made::TooLarge;
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // A picture that lies on its side is as wide as it is stored high.
    let size = if turns(orientation) { Size { width: size.height, height: size.width } } else { size };
    let smaller = match method {
        Method::Scale => width <= size.width && height <= size.height,
        Method::Crop => width <= size.width || height <= size.height,
    };
    if smaller {
        return Made::NotSmaller;
    }
    let Ok(picture) = DynamicImage::from_decoder(decoder) else { return Made::Unreadable };
    let mut small = match method {
        Method::Scale => picture.resize(size.width, size.height, FilterType::Triangle),
        Method::Crop => picture.resize_to_fill(size.width, size.height, FilterType::Triangle),
    };
    small.apply_orientation(orientation);
    encode(&small).map_or(Made::Unreadable, Made::Picture)
}

fn turns(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// JPEG, or PNG where something is transparent.
fn encode(picture: &DynamicImage) -> Option<Picture> {
    let mut bytes = Vec::new();
    let content_type = if picture.color().has_alpha() {
        picture.to_rgba8().write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).ok()?;
        "image/png"
    } else {
        picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)).ok()?;
        "image/jpeg"
    };
    Some(Picture { bytes, content_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = DynamicImage::new_rgba8(width, height);
        picture.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        bytes
    }

    fn dimensions(made: Made) -> (u32, u32) {
        match made {
            Made::Picture(picture) => {
                let picture = image::load_from_memory(&picture.bytes).unwrap();
                (picture.width(), picture.height())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sizes_are_few_and_never_smaller_than_asked_for() {
        assert_eq!(Size::at_least(Method::Crop, 64, 64), Some(Size { width: 96, height: 96 }));
        assert_eq!(Size::at_least(Method::Scale, 321, 10), Some(Size { width: 640, height: 480 }));
        assert_eq!(Size::at_least(Method::Scale, 801, 10), None);
    }

    #[test]
    fn a_picture_keeps_its_shape_or_is_cut_and_never_grows() {
        let source = png(1000, 500);
        let size = Size { width: 320, height: 240 };
        assert_eq!(dimensions(make(&source, Method::Scale, size)), (320, 160));
        assert_eq!(dimensions(make(&source, Method::Crop, Size { width: 96, height: 96 })), (96, 96));
        assert!(matches!(make(&png(10, 10), Method::Scale, size), Made::NotSmaller));
    }

    #[test]
    fn what_is_no_picture_or_a_monster_is_refused() {
        let size = Size { width: 320, height: 240 };
        assert!(matches!(make(b"not a picture", Method::Scale, size), Made::Unreadable));
        assert!(matches!(make(&png(20, 20)[..40], Method::Scale, size), Made::Unreadable | Made::NotSmaller));
        // A header that promises 60,000 by 60,000 pixels.
        let mut bomb = png(1, 1);
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        assert!(matches!(make(&bomb, Method::Scale, size), Made::TooLarge | Made::Unreadable));
    }
}
