//! Bytes to pixels: refuses what is no picture, what is too large, and what is broken, before it costs memory.

mod general;
mod jpeg;
mod pixels;
mod png;
mod sniff;
mod webp;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use bytes::Bytes;

use sniff::Format;

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

impl DecodeLimits {
    /// Most bytes that a decoder may hold at once: a progressive JPEG needs 12 for a pixel, everything else less.
    fn memory(&self) -> u64 {
        self.pixels.saturating_mul(12)
    }

    /// Refuses a declared size, before anything of that size is made.
    fn check(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(DecodeError::Undecodable("its header says that it has no pixels".into()));
        }
        if pixels > self.pixels {
            return Err(DecodeError::TooLarge(format!("{width} x {height} pixels, at most {} million", self.pixels / 1_000_000)));
        }
        Ok(())
    }
}

/// The sides in pixels that are needed. A JPEG that is far larger is decoded at a reduced scale, which takes about half
/// the time; the picture keeps its size as sent for answers and prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The longer side is not reduced below this.
    pub longer: u32,
    /// The shorter side is not reduced below this.
    pub shorter: u32,
}

impl Target {
    /// Every pixel.
    pub const FULL: Self = Self { longer: u32::MAX, shorter: u32::MAX };

    /// What satisfies both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { longer: self.longer.max(other.longer), shorter: self.shorter.max(other.shorter) }
    }
}

/// Pixels of a picture as sent, after the camera's rotation was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Size {
    /// In thousandths of a megapixel, rounded up: what a price by resolution counts.
    #[must_use]
    pub fn megapixels_milli(self) -> u64 {
        (u64::from(self.width) * u64::from(self.height)).div_ceil(1000)
    }
}

/// A decoded picture: upright, RGB, opaque.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Pixels across of the picture as sent, after the camera's rotation was applied.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pixels across in `rgb`: fewer than `width` where it was decoded at a reduced scale.
    pub pixels_width: u32,
    /// Pixels down in `rgb`.
    pub pixels_height: u32,
    /// `pixels_width * pixels_height * 3` bytes, row by row.
    pub rgb: Bytes,
    /// How long decoding took.
    pub decode: Duration,
    /// Of the pixels, where it was made while decoding.
    pub digest: Option<[u8; 32]>,
}

impl Picture {
    /// A picture of pixels that need no decoding: `width * height * 3` bytes.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        Self { width, height, pixels_width: width, pixels_height: height, rgb: rgb.into(), decode: Duration::ZERO, digest: None }
    }

    /// Whether it has every pixel of what was sent.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        (self.pixels_width, self.pixels_height) == (self.width, self.height)
    }

    /// Its size as sent.
    #[must_use]
    pub fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }
}

/// Why there is no picture. None of these is ever charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first bytes are of no format that is taken here.
    #[error("{found} is not taken here; {advice}")]
    UnsupportedMediaType {
        /// What it seems to be.
        found: &'static str,
        /// What to send instead.
        advice: &'static str,
    },
    /// More bytes or pixels than allowed.
    #[error("the picture is too large: {0}")]
    TooLarge(String),
    /// Broken, cut off or empty inside.
    #[error("the picture cannot be decoded: {0}")]
    Undecodable(String),
    /// Too many pictures wait already, here or for the model.
    #[error("too many pictures are waiting")]
    Overloaded {
        /// When there is likely to be room.
        retry_after: Duration,
    },
    /// The decoder failed at our side.
    #[error("decoding is not available")]
    Unavailable,
}

/// Decodes one picture on this thread, at least as large as `target` or as it is.
///
/// # Errors
/// See [`DecodeError`]. Hostile input never panics: a panic of a decoder is caught and reported as undecodable.
pub fn decode(bytes: &[u8], limits: &DecodeLimits, target: Target) -> Result<Picture, DecodeError> {
    let started = Instant::now();
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLarge(format!("{} bytes, at most {}", bytes.len(), limits.bytes)));
    }
    let format = sniff::format(bytes)?;
    let read = AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::read(bytes, limits, target),
        Format::Png => png::read(bytes, limits),
        Format::WebP => webp::read(bytes, limits),
        Format::Gif | Format::Bmp | Format::Tiff => general::read(bytes, format, limits),
    });
    let broken = |_| Err(DecodeError::Undecodable("it is broken in a way that its decoder does not expect".into()));
    let mut picture = catch_unwind(read).unwrap_or_else(broken)?;
    picture.decode = started.elapsed();
    Ok(picture)
}
