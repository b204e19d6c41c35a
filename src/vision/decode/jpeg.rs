//! JPEG: baseline, progressive, grey, CMYK and YCCK, at the smallest scale that a model needs.

use image::metadata::Orientation;
use libjpeg_turbo_rs::{DecodeLimits as TurboLimits, DecodeWarning, Decoder, JpegError, PixelFormat, ScalingFactor};

use super::{DecodeError, DecodeLimits, Picture, Target, pixels};

/// Ordinary progressive files have about ten. Each scan may visit every block, so a small file of many is a bomb.
const MAX_SCANS: usize = 100;

pub(super) fn read(bytes: &[u8], limits: &DecodeLimits, target: Target) -> Result<Picture, DecodeError> {
    let bounds = TurboLimits {
        max_width: usize::from(u16::MAX),
        max_height: usize::from(u16::MAX),
        max_pixels: limits.pixels,
        max_scans: MAX_SCANS,
        max_memory: Some(limits.memory()),
    };
    let mut decoder = Decoder::new_with_limits(bytes, bounds).map_err(broken)?;
    let header = decoder.header();
    let (width, height) = (u32::from(header.width), u32::from(header.height));
    limits.check(width, height)?;
    if header.precision != 8 {
        return Err(DecodeError::Undecodable(format!("its samples have {} bits; save it with 8", header.precision)));
    }
    decoder.set_scale(scale(width, height, target));
    decoder.set_output_format(PixelFormat::Rgb);
    // Lenient as browsers are, but not about a file that ends too early.
    decoder.set_lenient(true);
    let turn = decoder.exif_orientation().and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms);
    let image = decoder.decode_image().map_err(broken)?;
    if image.warnings.iter().any(|warning| matches!(warning, DecodeWarning::TruncatedData { .. })) {
        return Err(DecodeError::Undecodable("the file ends too early".into()));
    }
    pixels::upright((width, height), (image.width as u32, image.height as u32), image.data, turn)
}

/// The smallest eighth at which no side falls below what is needed of it.
fn scale(width: u32, height: u32, target: Target) -> ScalingFactor {
    let (longer, shorter) = (width.max(height), width.min(height));
    let enough = |eighths: &u32| {
        let at = |side: u32| (side * eighths).div_ceil(8);
        at(longer) >= target.longer.min(longer) && at(shorter) >= target.shorter.min(shorter)
    };
    ScalingFactor::new((1..8).find(enough).unwrap_or(8), 8)
}

fn broken(error: JpegError) -> DecodeError {
    match error {
        JpegError::LimitExceeded { .. } => DecodeError::TooLarge(error.to_string()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_the_smallest_that_is_enough() {
        let eighths = |width, height, longer, shorter| scale(width, height, Target { longer, shorter }).num;
        assert_eq!(eighths(4032, 3024, 1280, 0), 3, "1512 is enough, 1008 is not");
        assert_eq!(eighths(4032, 3024, 0, 256), 1, "378 on the shorter side is enough");
        assert_eq!(eighths(4032, 3024, 0, 380), 2);
        assert_eq!(eighths(640, 480, 1280, 0), 8, "a small picture stays as it is");
        assert_eq!(scale(4032, 3024, Target::FULL).num, 8);
        assert_eq!(eighths(8, 60_000, 0, 1), 1);
    }
}
