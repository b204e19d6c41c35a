//! GIF (first frame), BMP and TIFF (first page), through the `image` crate.

use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ImageDecoder, ImageError, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, tiff::TiffDecoder},
    metadata::Orientation,
};

use super::{DecodeError, DecodeLimits, Picture, pixels, sniff::Format};

pub(super) fn read(bytes: &[u8], format: Format, limits: &DecodeLimits) -> Result<Picture, DecodeError> {
    let data = Cursor::new(bytes);
    match format {
        Format::Gif => picture(GifDecoder::new(data).map_err(broken)?, limits),
        Format::Bmp => picture(BmpDecoder::new(data).map_err(broken)?, limits),
        _ => picture(TiffDecoder::new(data).map_err(broken)?, limits),
    }
}

fn picture(mut decoder: impl ImageDecoder, limits: &DecodeLimits) -> Result<Picture, DecodeError> {
    let size = decoder.dimensions();
    limits.check(size.0, size.1)?;
    if matches!(decoder.color_type(), ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(DecodeError::Undecodable("its samples are floating-point numbers; save it with 8 or 16 bits".into()));
    }
    // TIFF and GIF hold the pixels twice while they decode.
    let bytes = decoder.total_bytes().saturating_mul(2);
    if bytes > limits.memory() {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let (needs, most) = (megabytes(bytes), megabytes(limits.memory()));
        return Err(DecodeError::TooLarge(format!("decoding it takes {needs} MB of memory, at most {most}; save it with 8 bits")));
    }
    let mut budget = Limits::no_limits();
    budget.max_alloc = Some(limits.memory() - decoder.total_bytes());
    decoder.set_limits(budget).map_err(broken)?;
    let turn = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let rgb = match DynamicImage::from_decoder(decoder).map_err(broken)? {
        DynamicImage::ImageRgba8(image) => pixels::rgb(image.into_raw(), 4),
        image if image.color().has_alpha() => pixels::rgb(image.into_rgba8().into_raw(), 4),
        image => image.into_rgb8().into_raw(),
    };
    pixels::upright(size, size, rgb, turn)
}

fn broken(error: ImageError) -> DecodeError {
    match error {
        ImageError::Limits(why) => DecodeError::TooLarge(why.to_string()),
        ImageError::Unsupported(why) => DecodeError::Undecodable(format!("{why}; save it as PNG or JPEG")),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
