//! Bytes to pixels: refuses what is no picture, what is too large, and what is broken, before it costs memory.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits, RgbImage,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

/// What a picture may cost.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Most bytes of the file.
    pub bytes: usize,
    /// Most pixels, as its header declares them.
    pub pixels: u64,
}

impl Default for DecodeLimits {
    /// 20 MiB and 40 megapixels.
    fn default() -> Self {
        Self { bytes: 20 << 20, pixels: 40_000_000 }
    }
}

/// A decoded picture: upright, RGB, opaque.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Pixels across, after the camera's rotation was applied.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `width * height * 3` bytes, row by row.
    pub rgb: Arc<[u8]>,
    /// How long decoding took.
    pub decode: Duration,
}

impl Picture {
    /// Its size in thousandths of a megapixel, rounded up: what a price by resolution counts.
    #[must_use]
    pub fn megapixels_milli(&self) -> u64 {
        (u64::from(self.width) * u64::from(self.height)).div_ceil(1000)
    }
}

/// Why there is no picture. None of these is ever charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first bytes are of no format that is taken here.
    #[error("not a picture that is taken here ({found}); send JPEG, PNG, WebP, GIF, BMP or TIFF")]
    UnsupportedMediaType {
        /// What it seems to be.
        found: &'static str,
    },
    /// More bytes or pixels than allowed.
    #[error("the picture is too large: {0}")]
    TooLarge(String),
    /// Broken, cut off or empty inside.
    #[error("the picture cannot be decoded: {0}")]
    Undecodable(String),
    /// The decoding pool is closing.
    #[error("decoding is not available")]
    Unavailable,
}

/// Decodes one picture on this thread.
///
/// # Errors
/// See [`DecodeError`]. Hostile input never panics: a panic of a decoder is caught and reported as undecodable.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Picture, DecodeError> {
    let started = Instant::now();
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLarge(format!("{} bytes, at most {}", bytes.len(), limits.bytes)));
    }
    let format = sniff(bytes)?;
    let image = catch_unwind(AssertUnwindSafe(|| pixels(bytes, format, limits)))
        .unwrap_or_else(|panic| Err(DecodeError::Undecodable(super::batcher::words_of(&*panic))))?;
    let rgb = opaque(image);
    Ok(Picture { width: rgb.width(), height: rgb.height(), rgb: rgb.into_raw().into(), decode: started.elapsed() })
}

/// The format by the first bytes; a declared content type is never believed.
fn sniff(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    let brand = (bytes.len() >= 12 && &bytes[4..8] == b"ftyp").then(|| &bytes[8..12]);
    let found = match bytes {
        [] => "nothing at all",
        [0xff, 0xd8, 0xff, ..] => return Ok(ImageFormat::Jpeg),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => return Ok(ImageFormat::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => return Ok(ImageFormat::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => return Ok(ImageFormat::Gif),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => return Ok(ImageFormat::Tiff),
        // "BM" alone could begin a text: its reserved words must be zero too.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => return Ok(ImageFormat::Bmp),
        _ if brand.is_some_and(|b| b == b"avif" || b == b"avis") => "AVIF",
        _ if brand.is_some_and(|b| [b"heic", b"heix", b"hevc", b"mif1", b"msf1"].contains(&b.try_into().unwrap_or(b"none"))) => "HEIC",
        [b'%', b'P', b'D', b'F', ..] => "PDF",
        [b'<', ..] => "markup, perhaps SVG",
        _ => "an unknown format",
    };
    Err(DecodeError::UnsupportedMediaType { found })
}

fn pixels(bytes: &[u8], format: ImageFormat, limits: &DecodeLimits) -> Result<DynamicImage, DecodeError> {
    let data = Cursor::new(bytes);
    match format {
        ImageFormat::Jpeg => {
            whole_jpeg(bytes)?;
            read(JpegDecoder::new(data).map_err(broken)?, limits)
        }
        ImageFormat::Png => read(PngDecoder::with_limits(data, budget(limits)).map_err(broken)?, limits),
        ImageFormat::WebP => read(WebPDecoder::new(data).map_err(broken)?, limits),
        ImageFormat::Gif => read(GifDecoder::new(data).map_err(broken)?, limits),
        ImageFormat::Bmp => read(BmpDecoder::new(data).map_err(broken)?, limits),
        _ => read(TiffDecoder::new(data).map_err(broken)?, limits),
    }
}

fn read(mut decoder: impl ImageDecoder, limits: &DecodeLimits) -> Result<DynamicImage, DecodeError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(DecodeError::Undecodable("its header says that it has no pixels".into()));
    }
    if pixels > limits.pixels {
        return Err(DecodeError::TooLarge(format!("{width} x {height} pixels, at most {} million", limits.pixels / 1_000_000)));
    }
    decoder.set_limits(budget(limits)).map_err(broken)?;
    // A broken note on the camera's rotation does not make a picture unreadable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// What a decoder may allocate: the pixels twice over at 16 bits and four channels.
fn budget(limits: &DecodeLimits) -> Limits {
    let mut budget = Limits::no_limits();
    budget.max_alloc = Some(limits.pixels * 16);
    budget
}

/// The JPEG decoder fills what is missing with grey, so a cut-off file is told by its missing end mark.
fn whole_jpeg(bytes: &[u8]) -> Result<(), DecodeError> {
    let scan = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]);
    let end = bytes.windows(2).rposition(|pair| pair == [0xff, 0xd9]);
    if scan.is_some() && end > scan { Ok(()) } else { Err(DecodeError::Undecodable("the file ends too early".into())) }
}

fn broken(error: ImageError) -> DecodeError {
    match error {
        ImageError::Limits(why) => DecodeError::TooLarge(why.to_string()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}

/// Eight bits, three channels, what shines through is white.
fn opaque(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let over_white = |v: u8, alpha: u8| ((u32::from(v) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
    let (width, height) = rgba.dimensions();
    let bytes = rgba.as_raw().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]].map(|v| over_white(v, p[3]))).collect();
    RgbImage::from_raw(width, height, bytes).expect("three bytes were made for each pixel")
}
