//! A picture at the size that the network takes: at most 1280 pixels long, padded to multiples of 64.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};

use super::{backend::Frame, decode::Picture};

/// How a picture becomes what a network takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Its size.
    pub resize: Resize,
    /// The network sees `(value / 255 - mean) / std`: red, green, blue.
    pub mean: [f32; 3],
    /// See `mean`.
    pub std: [f32; 3],
}

/// How a picture is brought to size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Pictures with a longer side are scaled down to `max_side`; sides are padded to a multiple of `multiple`.
    Fit {
        /// Pixels.
        max_side: usize,
        /// Pixels: the coarsest map of the network has one cell for it.
        multiple: usize,
    },
    /// The shorter side is scaled to `shorter`, and a square of `side` is cut from the middle, as torchvision does.
    Crop {
        /// Pixels.
        shorter: usize,
        /// Pixels.
        side: usize,
    },
    /// The longer side is scaled to `side`, the rest of the square is padded.
    Letterbox {
        /// Pixels.
        side: usize,
    },
    /// Both sides are scaled to `side`, whatever that does to the proportions.
    Stretch {
        /// Pixels.
        side: usize,
    },
}

/// The grey of the padding, as in training.
const PADDING: u8 = 127;

/// A frame, and how its pixels relate to those of the picture.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// For the device.
    pub frame: Frame,
    /// Width of the part of the frame that is picture, in pixels.
    pub width: usize,
    /// Height of that part.
    pub height: usize,
    /// Picture pixels for one frame pixel, across and down.
    pub scale: [f32; 2],
}

/// Scales down a picture whose longer side is over `max_side`; smaller ones keep their size.
///
/// # Panics
/// Never for a [`Picture`] that `decode` made: its bytes are as many as its size says, and no side is 0.
#[must_use]
pub fn prepare(picture: &Picture, input: &Input) -> Prepared {
    let Resize::Fit { max_side, multiple } = input.resize else { unimplemented!("helper M") };
    let (w, h) = (picture.width as usize, picture.height as usize);
    let shrink = (max_side as f64 / w.max(h) as f64).min(1.);
    let to = |side: usize| ((side as f64 * shrink).round() as usize).max(1);
    let (width, height) = (to(w), to(h));
    let (full_width, full_height) = (width.next_multiple_of(multiple), height.next_multiple_of(multiple));
    let scaled;
    let source: &[u8] = if (width, height) == (w, h) {
        &picture.rgb
    } else {
        scaled = resize(picture, width, height);
        &scaled
    };
    let mut rgb = vec![PADDING; full_width * full_height * 3];
    for (target, row) in rgb.chunks_exact_mut(full_width * 3).zip(source.chunks_exact(width * 3)) {
        target[..row.len()].copy_from_slice(row);
    }
    let frame = Frame { width: full_width, height: full_height, rgb: rgb.into(), pixels: (width * height) as u64 };
    Prepared { frame, width, height, scale: [w as f32 / width as f32, h as f32 / height as f32] }
}

fn resize(picture: &Picture, width: usize, height: usize) -> Vec<u8> {
    let source =
        ImageRef::new(picture.width, picture.height, &picture.rgb, PixelType::U8x3).expect("a picture has three bytes for each pixel");
    let mut target = Image::new(width as u32, height as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).expect("both are RGB of eight bits");
    target.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: Input = Input { resize: Resize::Fit { max_side: 1280, multiple: 64 }, mean: [0.; 3], std: [1.; 3] };

    fn picture(width: u32, height: u32) -> Picture {
        let rgb = vec![200; (width * height * 3) as usize].into();
        Picture { width, height, rgb, decode: std::time::Duration::ZERO }
    }

    #[test]
    fn a_small_picture_keeps_its_size_and_is_padded() {
        let prepared = prepare(&picture(100, 30), &FIT);
        assert_eq!((prepared.frame.width, prepared.frame.height), (128, 64));
        assert_eq!((prepared.width, prepared.height, prepared.scale), (100, 30, [1., 1.]));
        assert_eq!(prepared.frame.rgb[99 * 3], 200);
        assert_eq!(prepared.frame.rgb[100 * 3], PADDING);
    }

    #[test]
    fn a_long_strip_is_scaled_and_never_vanishes() {
        let prepared = prepare(&picture(12_800, 4), &FIT);
        assert_eq!((prepared.width, prepared.height), (1280, 1));
        assert_eq!(prepared.scale, [10., 4.]);
    }
}
