//! A picture at the size that the network takes: scaled, cut or padded as its model says.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};
use serde::Deserialize;

use super::{
    backend::Frame,
    decode::{Picture, Target},
};

/// How a picture becomes what a network takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Its size.
    pub resize: Resize,
    /// The network sees `(value / 255 - mean) / std`: red, green, blue.
    pub mean: [f32; 3],
    /// See `mean`.
    pub std: [f32; 3],
    /// How pixels between pixels are made.
    pub interpolation: Interpolation,
    /// The grey beside a picture that does not fill its frame, 0 to 255.
    pub padding: u8,
}

impl Input {
    /// Of the built-in detector.
    #[must_use]
    pub fn of_elements(max_side: usize) -> Self {
        let resize = Resize::Fit { max_side, multiple: 64 };
        Self { resize, mean: [0.; 3], std: [1.; 3], interpolation: Interpolation::Bilinear, padding: 127 }
    }
}

/// How pixels between pixels are made. When a picture shrinks, every pixel counts (as in Pillow, and in torchvision with
/// `antialias`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Linear.
    Bilinear,
    /// Cubic, Catmull-Rom.
    Bicubic,
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

/// A frame, and how its pixels relate to those of the picture.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// For the device.
    pub frame: Frame,
    /// Width of the part of the frame that is picture, in pixels.
    pub width: usize,
    /// Height of that part.
    pub height: usize,
    /// Where the picture's top left corner lies on the frame, in its pixels: below 0 where the picture was cut.
    pub origin: [f32; 2],
    /// Picture pixels for one frame pixel, across and down.
    pub scale: [f32; 2],
}

impl Prepared {
    /// Left, top, right and bottom of the part of the frame that is picture.
    #[must_use]
    pub fn visible(&self) -> [f32; 4] {
        let [left, top] = self.origin.map(|corner| corner.max(0.));
        [left, top, left + self.width as f32, top + self.height as f32]
    }

    /// A point of the frame in the picture's own pixels.
    #[must_use]
    pub fn on_picture(&self, point: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|axis| (point[axis] - self.origin[axis]) * self.scale[axis])
    }
}

/// Where a picture goes.
struct Place {
    /// Width and height of the frame.
    frame: [usize; 2],
    /// Width and height of the whole picture once scaled.
    scaled: [usize; 2],
    /// Its top left corner on the frame.
    origin: [isize; 2],
}

impl Resize {
    /// Side of a square frame that it gives; for `Fit` one of many.
    #[must_use]
    pub fn square(self) -> usize {
        match self {
            Self::Fit { max_side, multiple } => max_side.min(320).next_multiple_of(multiple),
            Self::Crop { side, .. } | Self::Letterbox { side } | Self::Stretch { side } => side,
        }
    }

    /// The sides that a picture must keep for this: fewer pixels would have to be invented.
    #[must_use]
    pub fn target(self) -> Target {
        // A side beyond 32 bits is beyond any picture.
        let pixels = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        match self {
            Self::Fit { max_side: side, .. } | Self::Letterbox { side } => Target { longer: pixels(side), shorter: 0 },
            Self::Crop { shorter: side, .. } | Self::Stretch { side } => Target { longer: 0, shorter: pixels(side) },
        }
    }

    /// For a picture of that width and height.
    fn place(self, size: [usize; 2]) -> Place {
        let scaled_by = |factor: f64| size.map(|side| ((side as f64 * factor).round() as usize).max(1));
        let middle = |frame: [usize; 2], scaled: [usize; 2]| [0, 1].map(|axis| (frame[axis] as isize - scaled[axis] as isize) / 2);
        match self {
            Self::Fit { max_side, multiple } => {
                let scaled = scaled_by((max_side as f64 / size[0].max(size[1]) as f64).min(1.));
                Place { frame: scaled.map(|side| side.next_multiple_of(multiple)), scaled, origin: [0, 0] }
            }
            Self::Crop { shorter, side } => {
                let least = size[0].min(size[1]);
                // The longer side is cut off to whole pixels, and the middle is rounded half to even, both as torchvision does.
                let scaled = size.map(|length| length * shorter / least);
                let cut = scaled.map(|length| ((length - side) as f64 / 2.).round_ties_even() as isize);
                Place { frame: [side; 2], scaled, origin: cut.map(|cut| -cut) }
            }
            Self::Letterbox { side } => {
                let scaled = scaled_by(side as f64 / size[0].max(size[1]) as f64);
                Place { frame: [side; 2], scaled, origin: middle([side; 2], scaled) }
            }
            Self::Stretch { side } => Place { frame: [side; 2], scaled: [side; 2], origin: [0, 0] },
        }
    }
}

/// Brings a picture to the size that a network takes.
///
/// # Panics
/// Never for a [`Picture`] that `decode` made: its bytes are as many as its size says, and no side is 0.
#[must_use]
pub fn prepare(picture: &Picture, input: &Input) -> Prepared {
    let size = [picture.width as usize, picture.height as usize];
    let Place { frame, scaled, origin } = input.resize.place(size);
    let scale = [0, 1].map(|axis| size[axis] as f64 / scaled[axis] as f64);
    let [width, height] = [0, 1].map(|axis| scaled[axis].min(frame[axis]));
    let part;
    let source: &[u8] = if scaled == size && [width, height] == size && picture.is_whole() {
        &picture.rgb
    } else {
        // What is cut away is never computed: a strip scaled to its shorter side would be gigabytes long.
        let corner = [0, 1].map(|axis| (-origin[axis]).max(0) as f64 * scale[axis]);
        part = resize(picture, corner, [width, height], scale, input.interpolation);
        &part
    };
    let [full_width, full_height] = frame;
    let [left, top] = origin.map(|corner| corner.max(0) as usize);
    let rgb = if [width, height] == frame {
        source.into()
    } else {
        let mut rgb = vec![input.padding; full_width * full_height * 3];
        for (target, row) in rgb.chunks_exact_mut(full_width * 3).skip(top).zip(source.chunks_exact(width * 3)) {
            target[left * 3..(left + width) * 3].copy_from_slice(row);
        }
        rgb.into()
    };
    let frame = Frame { width: full_width, height: full_height, rgb, pixels: (width * height) as u64 };
    Prepared { frame, width, height, origin: origin.map(|corner| corner as f32), scale: scale.map(|scale| scale as f32) }
}

/// A part of a picture, scaled: `corner` in picture pixels, `target` in pixels of the result. A picture that was decoded at
/// a reduced scale has fewer pixels than its size says; what counts picture pixels is brought to those it has.
fn resize(picture: &Picture, corner: [f64; 2], target: [usize; 2], scale: [f64; 2], interpolation: Interpolation) -> Vec<u8> {
    let has = [picture.pixels_width, picture.pixels_height];
    let source = ImageRef::new(has[0], has[1], &picture.rgb, PixelType::U8x3).expect("a picture has three bytes for each pixel");
    let reduced = [f64::from(has[0]) / f64::from(picture.width), f64::from(has[1]) / f64::from(picture.height)];
    let (corner, scale) = ([0, 1].map(|axis| corner[axis] * reduced[axis]), [0, 1].map(|axis| scale[axis] * reduced[axis]));
    let mut result = Image::new(target[0] as u32, target[1] as u32, PixelType::U8x3);
    let algorithm = match interpolation {
        Interpolation::Nearest => ResizeAlg::Nearest,
        Interpolation::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Interpolation::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
    };
    // Rounding must not lead a hair's breadth over the edge.
    let [width, height] = [0, 1].map(|axis| (target[axis] as f64 * scale[axis]).min(f64::from(has[axis]) - corner[axis]));
    let options = ResizeOptions::new().resize_alg(algorithm).crop(corner[0], corner[1], width, height);
    Resizer::new().resize(&source, &mut result, &options).expect("both are RGB of eight bits, and the part lies in the picture");
    result.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Picture {
        Picture::new(width, height, vec![200; (width * height * 3) as usize])
    }

    fn with(resize: Resize) -> Input {
        Input { resize, ..Input::of_elements(1280) }
    }

    #[test]
    fn a_small_picture_keeps_its_size_and_is_padded() {
        let prepared = prepare(&picture(100, 30), &Input::of_elements(1280));
        assert_eq!((prepared.frame.width, prepared.frame.height), (128, 64));
        assert_eq!((prepared.width, prepared.height, prepared.scale), (100, 30, [1., 1.]));
        assert_eq!(prepared.frame.rgb[99 * 3], 200);
        assert_eq!(prepared.frame.rgb[100 * 3], 127);
    }

    #[test]
    fn a_long_strip_is_scaled_and_never_vanishes() {
        let prepared = prepare(&picture(12_800, 4), &Input::of_elements(1280));
        assert_eq!((prepared.width, prepared.height), (1280, 1));
        assert_eq!(prepared.scale, [10., 4.]);
    }

    #[test]
    fn a_crop_is_the_middle_and_points_find_their_way_back() {
        let prepared = prepare(&picture(640, 480), &with(Resize::Crop { shorter: 256, side: 224 }));
        assert_eq!((prepared.frame.width, prepared.frame.height, prepared.frame.rgb.len()), (224, 224, 224 * 224 * 3));
        assert_eq!((prepared.origin, prepared.visible()), ([-58., -16.], [0., 0., 224., 224.]));
        let [x, y] = prepared.on_picture([112., 112.]);
        assert!((x - 320.).abs() < 1. && (y - 240.).abs() < 1., "the middle stays the middle: {x}, {y}");
    }

    #[test]
    fn a_strip_of_one_row_is_cut_before_it_is_scaled() {
        let prepared = prepare(&picture(16_000, 1), &with(Resize::Crop { shorter: 256, side: 224 }));
        assert_eq!(prepared.frame.rgb.len(), 224 * 224 * 3);
        assert!(prepared.frame.rgb.iter().all(|&value| value == 200));
    }

    #[test]
    fn a_reduced_picture_gives_the_same_place_as_a_whole_one() {
        // Left half dark, right half bright, at a third of its size; the boundary is where the whole picture has it.
        let rgb = (0..200 * 150).flat_map(|at| [if at % 200 < 100 { 10 } else { 240 }; 3]).collect();
        let reduced = Picture { width: 600, height: 450, ..Picture::new(200, 150, rgb) };
        let prepared = prepare(&reduced, &Input::of_elements(128));
        assert_eq!((prepared.width, prepared.height), (128, 96));
        assert!((prepared.on_picture([64., 48.])[0] - 300.).abs() < 0.01);
        let value = |x: usize| prepared.frame.rgb[(48 * 128 + x) * 3];
        assert_eq!((value(60), value(68)), (10, 240));
    }

    #[test]
    fn a_letterbox_pads_both_sides() {
        let prepared = prepare(&picture(200, 100), &with(Resize::Letterbox { side: 64 }));
        assert_eq!((prepared.width, prepared.height, prepared.origin), (64, 32, [0., 16.]));
        assert_eq!((prepared.frame.rgb[0], prepared.frame.rgb[32 * 64 * 3]), (127, 200));
        assert_eq!(prepared.on_picture([64., 48.]), [200., 100.]);
        let thin = prepare(&picture(1, 5000), &with(Resize::Letterbox { side: 64 }));
        assert_eq!((thin.width, thin.height), (1, 64));
    }

    #[test]
    fn a_stretch_forgets_the_proportions() {
        let prepared = prepare(&picture(200, 100), &with(Resize::Stretch { side: 50 }));
        assert_eq!((prepared.scale, prepared.visible()), ([4., 2.], [0., 0., 50., 50.]));
    }
}
