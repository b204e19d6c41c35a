//! WebP: lossy, lossless, with alpha; of an animation the first frame.

use std::io::Cursor;

use image::metadata::Orientation;
use image_webp::{DecodingError, WebPDecoder};

use super::{DecodeError, DecodeLimits, Picture, pixels};

pub(super) fn read(bytes: &[u8], limits: &DecodeLimits) -> Result<Picture, DecodeError> {
    for (width, height) in inner_sizes(bytes) {
        limits.check(width, height)?;
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    let size = decoder.dimensions();
    limits.check(size.0, size.1)?;
    // A block cannot be longer than the file, whatever it says.
    decoder.set_memory_limit(bytes.len());
    let exif = decoder.exif_metadata().ok().flatten();
    let turn = exif.as_deref().map_or(Orientation::NoTransforms, pixels::orientation);
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let length = decoder.output_buffer_size().ok_or_else(|| broken(DecodingError::ImageTooLarge))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(broken)?;
    pixels::upright(size, size, pixels::rgb(data, channels), turn)
}

/// Sizes that the streams inside declare. The decoder makes room for them before it compares them with that of the canvas.
fn inner_sizes(bytes: &[u8]) -> Vec<(u32, u32)> {
    let (mut sizes, mut at) = (Vec::new(), 12);
    while let Some(header) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let data = bytes.get(at + 8..).unwrap_or_default();
        match &header[..4] {
            // A frame of an animation: 16 bytes about it, then blocks of its own.
            b"ANMF" => {
                at += 8 + 16;
                continue;
            }
            b"VP8 " => sizes.extend(lossy(data)),
            b"VP8L" => sizes.extend(lossless(data)),
            _ => {}
        }
        at = at.saturating_add(8 + length + length % 2);
    }
    sizes
}

/// RFC 6386, 9.1: a tag of three bytes, a start code of three, then 14 bits for each side.
fn lossy(data: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| Some(u32::from(u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?]) & 0x3fff));
    Some((side(6)?, side(8)?))
}

/// RFC 9649, 3.4: a signature, then 14 bits for each side less one.
fn lossless(data: &[u8]) -> Option<(u32, u32)> {
    let bits = u32::from_le_bytes(*data.get(1..)?.first_chunk()?);
    Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
}

fn broken(error: DecodingError) -> DecodeError {
    DecodeError::Undecodable(error.to_string())
}
