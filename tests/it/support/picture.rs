//! Pictures made on the spot.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

/// A white PNG.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, height, image::Rgb([255; 3])).write_to(&mut file, ImageFormat::Png).expect("a PNG in memory");
    file.into_inner()
}
