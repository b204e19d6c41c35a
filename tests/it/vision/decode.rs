//! Bytes that are no picture, broken ones, bombs; and what cameras and designers do to good ones.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use lensmeter::vision::{DecodeError, DecodeLimits, Picture, decode::decode};

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("the format takes this picture");
    bytes.into_inner()
}

fn take(bytes: &[u8]) -> Result<Picture, DecodeError> {
    decode(bytes, &DecodeLimits::default())
}

fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let at = ((y * picture.width + x) * 3) as usize;
    [0, 1, 2].map(|i| picture.rgb[at + i])
}

/// Noise, so that a file is long enough to be cut in its middle.
fn noise() -> RgbImage {
    RgbImage::from_fn(96, 64, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x * 13) as u8]))
}

#[test]
fn what_is_no_picture_is_refused_by_kind() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    let avif = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
    for bytes in [
        &b""[..],
        b"hello, this is no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        heic,
        avif,
        b"BMW is a car maker",
        &[0; 64],
    ] {
        let error = take(bytes).expect_err("no picture");
        assert!(matches!(error, DecodeError::UnsupportedMediaType { .. }), "{:?}: {error}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn every_format_is_taken() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff] {
        let picture = take(&encode(noise(), format)).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!((picture.width, picture.height, picture.rgb.len()), (96, 64, 96 * 64 * 3), "{format:?}");
        assert_eq!(picture.megapixels_milli(), 7, "96 * 64 is 6.144 thousandths, rounded up");
    }
}

#[test]
fn a_file_cut_anywhere_is_undecodable_and_never_panics() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff] {
        let whole = encode(noise(), format);
        for part in 1..20 {
            let cut = &whole[..whole.len() * part / 20];
            if let Ok(picture) = take(cut) {
                // TIFF and GIF may end in bytes that carry no pixels.
                assert!(part >= 18, "{format:?} cut at {part}/20 gave {} x {}", picture.width, picture.height);
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff] {
        let whole = encode(noise(), format);
        for seed in 0..60usize {
            let mut bytes = whole.clone();
            for k in 0..4 {
                let at = (seed * 7919 + k * 104_729) % bytes.len();
                bytes[at] ^= (seed * 31 + k * 17 + 1) as u8;
            }
            let _ = take(&bytes);
        }
    }
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    // A PNG that says 10000 x 10000 and holds nothing: refused before its 300 MB are allocated.
    let mut bytes = encode(GrayImage::new(1, 1), ImageFormat::Png);
    bytes[16..24].copy_from_slice(&[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let started = std::time::Instant::now();
    assert!(matches!(take(&bytes), Err(DecodeError::TooLarge(_))), "{:?}", take(&bytes));
    assert!(started.elapsed().as_millis() < 100);
    let long = vec![0xff; DecodeLimits::default().bytes + 1];
    assert!(matches!(take(&long), Err(DecodeError::TooLarge(_))));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }))
}

#[test]
fn transparency_shows_white() {
    let image = RgbaImage::from_fn(4, 1, |x, _| Rgba([200, 0, 0, [0, 128, 255, 255][x as usize]]));
    let picture = take(&encode(image, ImageFormat::Png)).expect("a PNG");
    assert_eq!(pixel(&picture, 0, 0), [255, 255, 255]);
    assert_eq!(pixel(&picture, 1, 0), [227, 127, 127]);
    assert_eq!(pixel(&picture, 2, 0), [200, 0, 0]);
}

#[test]
fn grey_and_sixteen_bits_become_rgb() {
    let grey = GrayImage::from_pixel(3, 3, Luma([77]));
    assert_eq!(pixel(&take(&encode(grey, ImageFormat::Png)).expect("a PNG"), 1, 1), [77; 3]);
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(3, 3, Rgb([0xffff, 0x8080, 0]));
    assert_eq!(pixel(&take(&encode(deep, ImageFormat::Png)).expect("a PNG"), 1, 1), [255, 128, 0]);
}

#[test]
fn the_cameras_rotation_is_applied() {
    // Left half red, right half blue, then "turn by 90 degrees clockwise" (orientation 6): red ends up on top.
    let image = RgbImage::from_fn(64, 32, |x, _| if x < 32 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let jpeg = encode(image, ImageFormat::Jpeg);
    let tiff = [b'M', b'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
    let mut turned = jpeg[..2].to_vec();
    turned.extend([0xff, 0xe1]);
    turned.extend(((2 + 6 + tiff.len()) as u16).to_be_bytes());
    turned.extend(b"Exif\0\0");
    turned.extend(tiff);
    turned.extend(&jpeg[2..]);
    let picture = take(&turned).expect("a JPEG");
    assert_eq!((picture.width, picture.height), (32, 64));
    let (top, low) = (pixel(&picture, 16, 8), pixel(&picture, 16, 56));
    assert!(top[0] > 200 && low[2] > 200, "{top:?} over {low:?}");
}
