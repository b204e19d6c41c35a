//! Bytes that are no picture, broken ones, bombs; and what cameras and designers do to good ones.

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use lensmeter::vision::{DecodeError, DecodeLimits, Picture, Target, decode::decode};

use super::forge::{self, Jpeg, encode};

fn take(bytes: &[u8]) -> Result<Picture, DecodeError> {
    decode(bytes, &DecodeLimits::default(), Target::FULL)
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
        b"\xff\x0a a codestream",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"PK\x03\x04",
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
        assert_eq!(picture.size().megapixels_milli(), 7, "96 * 64 is 6.144 thousandths, rounded up");
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

#[test]
fn the_refusal_names_the_format_and_says_what_to_send() {
    let says = |bytes: &[u8]| take(bytes).expect_err("no picture").to_string();
    for (bytes, words) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], ["HEIC", "JPEG"]),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", ["AVIF", "convert"]),
        (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", ["video", "frame"]),
        (b"%PDF-1.7", ["PDF", "page"]),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", ["SVG", "PNG"]),
        (b"<!doctype html><title>404</title>", ["HTML", "JPEG"]),
        (b"\0\0\0\x0cJXL \r\n\x87\n", ["JPEG XL", "convert"]),
        (b"\xff\x4f\xff\x51", ["JPEG 2000", "convert"]),
    ] {
        let said = says(bytes);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn cmyk_as_printers_store_it_becomes_what_they_print() {
    // Stored inverted: 255 is no ink. All of yellow's ink, none of the others.
    let yellow = Jpeg { colour: vec![255, 255, 0, 255], ..Jpeg::default() }.bytes();
    let [red, green, blue] = pixel(&take(&yellow).expect("a CMYK JPEG"), 3, 3);
    assert!(red > 250 && green > 250 && blue < 5, "{red} {green} {blue}");
    // The same with black as YCCK: Adobe's marker says so. Luma 255, no chroma, half of black.
    let marker = forge::segment(0xee, b"Adobe\0\x64\0\0\0\0\x02");
    let grey = Jpeg { colour: vec![255, 128, 128, 128], before: marker, ..Jpeg::default() }.bytes();
    let [red, green, blue] = pixel(&take(&grey).expect("a YCCK JPEG"), 3, 3);
    assert!(red == green && green == blue && [0, 128].iter().any(|due: &u8| red.abs_diff(*due) < 4), "{red} {green} {blue}");
}

#[test]
fn a_progressive_jpeg_is_taken() {
    let picture = take(&Jpeg { frame: 0xc2, scans: 8, colour: vec![90, 128, 128], ..Jpeg::default() }.bytes()).expect("a JPEG");
    assert!(pixel(&picture, 5, 5).iter().all(|value| value.abs_diff(90) < 3));
}

#[test]
fn a_large_jpeg_is_decoded_at_the_scale_that_is_needed_and_keeps_its_size() {
    let image = RgbImage::from_fn(1600, 800, |x, _| if x < 800 { Rgb([250, 10, 10]) } else { Rgb([10, 10, 250]) });
    let bytes = encode(image, ImageFormat::Jpeg);
    let at = |longer| decode(&bytes, &DecodeLimits::default(), Target { longer, shorter: 0 }).expect("a JPEG");
    for (longer, pixels) in [(100, (200, 100)), (500, (600, 300)), (1280, (1400, 700)), (5000, (1600, 800))] {
        let picture = at(longer);
        assert_eq!((picture.width, picture.height), (1600, 800));
        assert_eq!((picture.pixels_width, picture.pixels_height), pixels, "{longer}");
        let middle = (picture.pixels_height / 2 * picture.pixels_width) as usize * 3;
        assert!(picture.rgb[middle] > 230 && picture.rgb[middle + (picture.pixels_width as usize - 1) * 3 + 2] > 230);
    }
    assert_eq!(at(100).size().megapixels_milli(), 1280, "priced by the size as sent");
}

#[test]
fn every_orientation_is_turned_upright_in_every_format_that_notes_it() {
    // One bright corner, at the top left; where each orientation puts it.
    let image = RgbImage::from_fn(32, 16, |x, y| if x < 8 && y < 8 { Rgb([255; 3]) } else { Rgb([0; 3]) });
    let corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (1, 0), (1, 1), (0, 1)];
    for (note, (right, low)) in (1u16..).zip(corners) {
        let exif = forge::exif(note);
        let jpeg = encode(image.clone(), ImageFormat::Jpeg);
        let jpeg = [&jpeg[..2], &forge::segment(0xe1, &[b"Exif\0\0", &exif[..]].concat()), &jpeg[2..]].concat();
        let png = encode(image.clone(), ImageFormat::Png);
        let png = [&png[..33], &forge::chunk(b"eXIf", &exif), &png[33..]].concat();
        let stream = forge::stream_of(&encode(image.clone(), ImageFormat::WebP));
        let webp = forge::webp(&[forge::vp8x(8, 32, 16), stream, forge::riff_chunk(b"EXIF", &exif)]);
        let tiff = forge::tiff(32, 16, 3, image.as_raw(), &[(274, 3, 1, note.into())]);
        for (name, bytes) in [("JPEG", jpeg), ("PNG", png), ("WebP", webp), ("TIFF", tiff)] {
            let picture = take(&bytes).unwrap_or_else(|error| panic!("{name}, {note}: {error}"));
            let (width, height) = if note < 5 { (32, 16) } else { (16, 32) };
            assert_eq!((picture.width, picture.height), (width, height), "{name}, {note}");
            let bright = pixel(&picture, right * (width - 6) + 3 * (1 - right), low * (height - 6) + 3 * (1 - low));
            assert!(bright[0] > 200, "{name}, {note}: {bright:?}");
        }
    }
}

#[test]
fn of_an_animation_the_first_frame_is_taken_on_its_canvas() {
    let picture = take(&forge::gif((6, 4), &[(2, 1, 3, 2), (0, 0, 6, 4)], false)).expect("a GIF");
    assert_eq!((picture.width, picture.height), (6, 4));
    assert_eq!((pixel(&picture, 0, 0), pixel(&picture, 2, 1), pixel(&picture, 4, 2)), ([255; 3], [255, 0, 0], [255, 0, 0]));
    let clear = take(&forge::gif((2, 2), &[(0, 0, 2, 2)], true)).expect("a GIF");
    assert_eq!(pixel(&clear, 1, 1), [255; 3], "what is transparent shows white");
}

#[test]
fn palettes_few_bits_and_grey_with_alpha_are_taken() {
    let png = |kind: [u8; 5], chunks: Vec<u8>, rows: &[u8]| {
        take(&forge::png(&[forge::header(2, 2, kind), chunks, forge::chunk(b"IDAT", &forge::zlib(rows)), forge::chunk(b"IEND", &[])]))
            .expect("a PNG")
    };
    let palette = [forge::chunk(b"PLTE", &[9, 8, 7, 200, 100, 50]), forge::chunk(b"tRNS", &[255, 0])].concat();
    let picture = png([1, 3, 0, 0, 0], palette, &[0, 0b0100_0000, 0, 0b1000_0000]);
    assert_eq!((pixel(&picture, 0, 0), pixel(&picture, 1, 0)), ([9, 8, 7], [255; 3]));
    let picture = png([1, 0, 0, 0, 0], vec![], &[0, 0b0100_0000, 0, 0b1000_0000]);
    assert_eq!((pixel(&picture, 0, 0), pixel(&picture, 1, 0)), ([0; 3], [255; 3]));
    let picture = png([16, 4, 0, 0, 0], vec![], &[0, 10, 0, 255, 255, 20, 0, 0, 0, 0, 30, 0, 255, 255, 40, 0, 255, 255]);
    assert_eq!((pixel(&picture, 0, 0), pixel(&picture, 1, 0), pixel(&picture, 1, 1)), ([10; 3], [255; 3], [40; 3]));
}

#[test]
fn bitmaps_from_the_top_and_in_runs_are_taken() {
    let rows = [[1, 2, 3, 0], [40, 50, 60, 0]].concat();
    let top = take(&forge::bmp(1, -2, 24, 0, &rows)).expect("a BMP");
    assert_eq!((pixel(&top, 0, 0), pixel(&top, 0, 1)), ([3, 2, 1], [60, 50, 40]));
    let palette = (0..=255u8).flat_map(|value| [value, value, value, 0]).collect::<Vec<_>>();
    let runs = take(&forge::bmp(4, 1, 8, 1, &[&palette[..], &[3, 70, 1, 90, 0, 1]].concat())).expect("a BMP");
    assert_eq!((pixel(&runs, 2, 0), pixel(&runs, 3, 0)), ([70; 3], [90; 3]));
}

#[test]
fn tiffs_in_ink_and_in_sixteen_bits_are_taken_and_floating_points_are_not() {
    let ink = take(&forge::tiff(1, 1, 4, &[0, 0, 255, 0], &[])).expect("a CMYK TIFF");
    assert_eq!(pixel(&ink, 0, 0), [255, 255, 0]);
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(3, 3, Rgb([0xffff, 0x8080, 0]));
    assert_eq!(pixel(&take(&encode(deep, ImageFormat::Tiff)).expect("a TIFF"), 1, 1), [255, 128, 0]);
    let real = image::Rgb32FImage::from_pixel(2, 2, Rgb([0.5, 0.5, 0.5]));
    let error = take(&encode(DynamicImage::from(real), ImageFormat::Tiff)).expect_err("refused");
    assert!(matches!(&error, DecodeError::Undecodable(why) if why.contains("floating-point")), "{error}");
}
