//! What is common to all formats once there are pixels: eight bits, three channels, opaque, upright.

use std::time::Duration;

use image::{DynamicImage, RgbImage, metadata::Orientation};

use super::{DecodeError, Picture};

/// Three bytes for each pixel from 1 (grey), 2 (grey, alpha), 3 or 4 (RGB, alpha); what shines through is white.
pub(super) fn rgb(mut data: Vec<u8>, channels: usize) -> Vec<u8> {
    match channels {
        1 => data.iter().flat_map(|grey| [*grey; 3]).collect(),
        2 => data.chunks_exact(2).flat_map(|p| [over_white(p[0], p[1]); 3]).collect(),
        4 => {
            // In place: a target is never behind its source.
            let pixels = data.len() / 4;
            for at in 0..pixels {
                let alpha = data[at * 4 + 3];
                for channel in 0..3 {
                    data[at * 3 + channel] = over_white(data[at * 4 + channel], alpha);
                }
            }
            data.truncate(pixels * 3);
            data
        }
        _ => data,
    }
}

fn over_white(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
}

/// The orientation in an EXIF block, with or without the prefix that JPEG gives it. A broken note on the camera's rotation
/// does not make a picture unreadable.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
}

/// The picture, turned upright. `size` is that of the file before turning, `pixels` that of `rgb`.
pub(super) fn upright(size: (u32, u32), pixels: (u32, u32), rgb: Vec<u8>, turn: Orientation) -> Result<Picture, DecodeError> {
    let image = RgbImage::from_raw(pixels.0, pixels.1, rgb);
    let mut image = DynamicImage::from(image.ok_or_else(|| DecodeError::Undecodable("it holds fewer pixels than it says".into()))?);
    image.apply_orientation(turn);
    let across = matches!(turn, Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH);
    let (width, height) = if across { (size.1, size.0) } else { size };
    let (pixels_width, pixels_height) = (image.width(), image.height());
    Ok(Picture {
        width,
        height,
        pixels_width,
        pixels_height,
        rgb: image.into_rgb8().into_raw().into(),
        decode: Duration::ZERO,
        digest: None,
    })
}
