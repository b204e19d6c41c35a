//! Two hundred and more files made to break a decoder: each is a picture or a refusal, soon and within a bound of memory.

use std::time::{Duration, Instant};

use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use lensmeter::vision::{DecodeError, DecodeLimits, Picture, Target, decode::decode};

use super::forge::{
    self, Jpeg, bmp, chunk, directory, encode, exif, gif, header, png, riff_chunk, segment, tiff, vp8, vp8l, vp8x, webp, zlib,
};

/// What must come out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comes {
    Picture,
    /// Refused for what it is.
    Refused,
    /// Refused for its size, before its size is allocated.
    TooLarge,
    /// Either: decoders differ, and both are fine.
    Something,
}
use Comes::{Picture as Good, Refused, Something, TooLarge};

/// Name, bytes, what comes of them.
pub type Case = (String, Vec<u8>, Comes);

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let noise = RgbImage::from_fn(96, 64, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x * 13) as u8]));
    let grey = GrayImage::from_fn(50, 40, |x, y| image::Luma([(x * y) as u8]));
    let shape = DynamicImage::from(noise.clone()).into_rgba8();
    vec![
        ("jpeg", encode(noise.clone(), ImageFormat::Jpeg)),
        ("grey jpeg", encode(grey.clone(), ImageFormat::Jpeg)),
        ("cmyk jpeg", Jpeg { colour: vec![10, 200, 30, 90], ..Jpeg::default() }.bytes()),
        ("progressive jpeg", Jpeg { frame: 0xc2, scans: 3, width: 64, height: 64, ..Jpeg::default() }.bytes()),
        ("png", encode(noise.clone(), ImageFormat::Png)),
        ("grey png", encode(grey, ImageFormat::Png)),
        ("webp", encode(shape, ImageFormat::WebP)),
        ("gif", encode(noise.clone(), ImageFormat::Gif)),
        ("bmp", encode(noise.clone(), ImageFormat::Bmp)),
        ("tiff", encode(noise, ImageFormat::Tiff)),
    ]
}

fn truncated(cases: &mut Vec<Case>) {
    for (name, whole) in seeds() {
        for part in 0..12 {
            let cut = whole[..whole.len() * part / 12].to_vec();
            cases.push((format!("{name} cut at {part}/12"), cut, Something));
        }
    }
}

/// Files with bytes changed, taken out and doubled, the same ones in each run.
fn mutated(cases: &mut Vec<Case>) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below.max(1)
    };
    for (name, whole) in seeds() {
        for round in 0..20 {
            let mut bytes = whole.clone();
            for _ in 0..=random(6) {
                // Mostly in the headers, where lies are.
                let reach = if random(3) == 0 { bytes.len() } else { bytes.len().min(120) };
                let at = random(reach);
                match random(4) {
                    0 => bytes[at] = [0, 0x7f, 0x80, 0xff][random(4)],
                    1 => bytes[at] ^= 1 << random(8),
                    2 => drop(bytes.drain(at..(at + random(16)).min(whole.len().min(bytes.len())))),
                    _ => bytes.insert(at, random(256) as u8),
                }
            }
            cases.push((format!("{name} mutated, {round}"), bytes, Something));
        }
    }
}

fn jpegs(cases: &mut Vec<Case>) {
    let mut add = |name: &str, bytes, comes| cases.push((format!("jpeg: {name}"), bytes, comes));
    let with = |before: Vec<u8>| Jpeg { before, ..Jpeg::default() }.bytes();
    let of = |jpeg: Jpeg| jpeg.bytes();
    let marked = |tiff: &[u8]| segment(0xe1, &[b"Exif\0\0", tiff].concat());
    // The frame's marker, its length, the bits, then height and width.
    let sized = |side: [u8; 4]| {
        let mut bytes = Jpeg::default().bytes();
        let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("it has a frame");
        bytes[at + 5..at + 9].copy_from_slice(&side);
        bytes
    };
    add("65535 x 65535 in a few bytes", sized([0xff; 4]), TooLarge);
    add("65535 x 0", sized([0, 0, 0xff, 0xff]), Refused);
    add("no components", of(Jpeg { colour: vec![], ..Jpeg::default() }), Refused);
    add("200 components", of(Jpeg { colour: vec![128; 200], ..Jpeg::default() }), Refused);
    add("12 bits", of(Jpeg { precision: 12, ..Jpeg::default() }), Refused);
    add("hierarchical", of(Jpeg { frame: 0xc5, ..Jpeg::default() }), Refused);
    add("lossless that is not", of(Jpeg { frame: 0xc3, ..Jpeg::default() }), Something);
    add("arithmetic that is not", of(Jpeg { frame: 0xc9, ..Jpeg::default() }), Something);
    add("two frames", with(Jpeg::default().frame_header()), Something);
    add("no tables", of(Jpeg::default()).windows(1).flatten().copied().take(20).collect(), Refused);
    add("a code table that is over-full", with(segment(0xc4, &[&[0][..], &[255; 16], &[1; 64]].concat())), Refused);
    add("200 scans", of(Jpeg { frame: 0xc2, scans: 200, ..Jpeg::default() }), TooLarge);
    add("100000 scans", of(Jpeg { frame: 0xc2, scans: 100_000, ..Jpeg::default() }), TooLarge);
    let wide = Jpeg { frame: 0xc2, scans: 90, width: 8_000, height: 4_900, colour: vec![77], ..Jpeg::default() };
    add("39 megapixels of 90 empty scans", of(wide), Good);
    add("39 megapixels of one colour", of(Jpeg { width: 8_000, height: 4_900, ..Jpeg::default() }), Good);
    add("a restart after every block that never comes", with(segment(0xdd, &[0, 1])), Something);
    add("EXIF of 15 MB", with(marked(&exif(6)).repeat(1).into_iter().chain(segment(0xe1, &[7; 65_000]).repeat(240)).collect()), Good);
    add("EXIF whose directory follows itself", with(marked(&directory(&[(0x8769, 4, 1, 8)], 8))), Good);
    add("EXIF whose directory is elsewhere", with(marked(b"II\x2a\0\xff\xff\xff\xff")), Good);
    add("EXIF orientation 0", with(marked(&exif(0))), Good);
    add("EXIF orientation 65535", with(marked(&exif(65_535))), Good);
    add("EXIF of nothing", with(marked(b"")), Good);
    add("a profile in 255 parts of which one is here", with(segment(0xe2, b"ICC_PROFILE\0\x07\xff")), Good);
    add("fill bytes of a megabyte", with(vec![0xff; 1 << 20]), Something);
    add("a segment of no length", with(vec![0xff, 0xe5, 0, 0]), Something);
    add("a segment beyond the end", with(vec![0xff, 0xe5, 0xff, 0xff]), Refused);
    add("only its beginning", vec![0xff, 0xd8, 0xff], Refused);
    add("beginning and end", vec![0xff, 0xd8, 0xff, 0xd9], Refused);
    add("a ZIP behind it", [of(Jpeg::default()), b"PK\x03\x04 and so on".to_vec()].concat(), Good);
}

fn pngs(cases: &mut Vec<Case>) {
    let mut add = |name: &str, bytes, comes| cases.push((format!("png: {name}"), bytes, comes));
    let end = || chunk(b"IEND", &[]);
    let data = |bytes: &[u8]| chunk(b"IDAT", &zlib(bytes));
    let grey = |width, height| header(width, height, [8, 0, 0, 0, 0]);
    let one = |between: Vec<u8>| png(&[grey(1, 1), between, data(&[0, 9]), end()]);
    // 20 megabytes of zeros in a few kilobytes.
    let zeros = forge::pixels_of(&encode(GrayImage::new(10_000, 2_000), ImageFormat::Png));
    add("2147483647 pixels square", png(&[grey(0x7fff_ffff, 0x7fff_ffff), data(&[0]), end()]), TooLarge);
    add("4294967295 pixels square", png(&[grey(u32::MAX, u32::MAX), data(&[0]), end()]), Refused);
    add("100 megapixels", png(&[grey(10_000, 10_000), data(&[0]), end()]), TooLarge);
    add("0 x 0", png(&[grey(0, 0), data(&[0]), end()]), Refused);
    add("5 million pixels long", encode(GrayImage::new(5_000_000, 1), ImageFormat::Png), Something);
    add("5 million pixels high", encode(GrayImage::new(1, 5_000_000), ImageFormat::Png), Good);
    add("20 megapixels in 20 KB", encode(GrayImage::new(10_000, 2_000), ImageFormat::Png), Good);
    add("20 MB where two bytes are due", png(&[grey(1, 1), chunk(b"IDAT", &zeros), end()]), Something);
    add("a profile of 20 MB in 20 KB", one(chunk(b"iCCP", &[b"x\0\0".to_vec(), zeros.clone()].concat())), Good);
    add("a text of 20 MB in 20 KB", one(chunk(b"zTXt", &[b"x\0\0".to_vec(), zeros.clone()].concat())), Good);
    add("an international text of the same", one(chunk(b"iTXt", &[b"x\0\x01\0\0\0".to_vec(), zeros].concat())), Good);
    add("a text of 10 MB", one(chunk(b"tEXt", &vec![b'x'; 10 << 20])), Good);
    add("10000 texts", one(chunk(b"tEXt", b"key\0value").repeat(10_000)), Good);
    add("a block of 4 GB", one(b"\xff\xff\xff\xfftEXt".to_vec()), Refused);
    add("a block of 2 GB", one(b"\x7f\xff\xff\xfftEXt".to_vec()), Refused);
    add("3 bits", png(&[header(1, 1, [3, 0, 0, 0, 0]), data(&[0, 9]), end()]), Refused);
    add("colour type 7", png(&[header(1, 1, [8, 7, 0, 0, 0]), data(&[0, 9]), end()]), Refused);
    add("interlacing 2", png(&[header(1, 1, [8, 0, 0, 0, 2]), data(&[0, 9]), end()]), Refused);
    add("a palette that is missing", png(&[header(1, 1, [8, 3, 0, 0, 0]), data(&[0, 9]), end()]), Refused);
    let palette = |bytes: &[u8]| png(&[header(1, 1, [8, 3, 0, 0, 0]), chunk(b"PLTE", bytes), data(&[0, 9]), end()]);
    add("a colour beyond the palette", palette(&[1, 2, 3]), Something);
    add("a palette of two thirds", palette(&[1, 2]), Something);
    add("filter 9", png(&[grey(1, 1), data(&[9, 9]), end()]), Refused);
    add("no pixels", png(&[grey(1, 1), end()]), Refused);
    add("half its pixels", png(&[grey(4, 4), data(&[0, 1, 2, 3, 4]), end()]), Refused);
    add("two headers", png(&[grey(1, 1), grey(9, 9), data(&[0, 9]), end()]), Something);
    add("EXIF whose directory follows itself", one(chunk(b"eXIf", &directory(&[(0x8769, 4, 1, 8)], 8))), Good);
    add("EXIF of 65535 entries", one(chunk(b"eXIf", b"MM\0\x2a\0\0\0\x08\xff\xff")), Good);
    add("a billion frames", one(chunk(b"acTL", &[0x3b, 0x9a, 0xca, 0, 0, 0, 0, 0])), Something);
    let frame = [0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0];
    add("a frame larger than its canvas", one([chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), chunk(b"fcTL", &frame)].concat()), Refused);
    add("HTML behind it", [one(vec![]), b"<script>alert(1)</script>".to_vec()].concat(), Good);
}

fn gifs_and_bitmaps(cases: &mut Vec<Case>) {
    let mut add = |name: &str, bytes, comes| cases.push((name.to_owned(), bytes, comes));
    add("gif: 65535 x 65535", gif((65_535, 65_535), &[(0, 0, 1, 1)], false), TooLarge);
    add("gif: 0 x 0", gif((0, 0), &[(0, 0, 1, 1)], false), Refused);
    add("gif: no frame", gif((4, 4), &[], false), Refused);
    add("gif: a frame beyond its canvas", gif((4, 4), &[(3, 3, 4, 4)], false), Something);
    add("gif: a small canvas for a frame of 4 gigapixels", gif_header_only((4, 4), (65_535, 65_535)), Refused);
    add("gif: 50000 frames", gif((4, 4), &vec![(0, 0, 4, 4); 50_000], false), Good);
    add("gif: JavaScript behind its header", b"GIF89a/*\0\0\0\0\0\0\0*/=1;alert(document.cookie);//".to_vec(), Refused);
    add("gif: codes of 200 bits", [gif_header_only((4, 4), (4, 4)), vec![200, 1, 1, 0, 0x3b]].concat(), Refused);
    add(
        "gif: a comment of 10 MB",
        [b"GIF89a\x04\0\x04\0\0\0\0!\xfe".to_vec(), [&[255][..], &[b'x'; 255]].concat().repeat(40_000)].concat(),
        Refused,
    );
    add("bmp: 2147483647 wide", bmp(i32::MAX, i32::MAX, 24, 0, &[]), Refused);
    add("bmp: as high as nothing is low", bmp(1, i32::MIN, 24, 0, &[]), Refused);
    add("bmp: of negative width", bmp(-1, 1, 24, 0, &[0; 16]), Refused);
    add("bmp: 60000 x 60000", bmp(60_000, 60_000, 24, 0, &[]), Refused);
    add("bmp: 0 x 0", bmp(0, 0, 24, 0, &[]), Refused);
    add("bmp: 3 bits", bmp(4, 4, 3, 0, &[0; 99]), Refused);
    add("bmp: 16 bits with masks that are missing", bmp(4, 4, 16, 3, &[]), Refused);
    add("bmp: a JPEG inside", bmp(4, 4, 24, 4, &[0; 99]), Refused);
    add("bmp: runs beyond its rows", bmp(4, 4, 8, 1, &[&[0; 1024][..], &[255, 1].repeat(4_000)].concat()), Something);
    add("bmp: jumps beyond its rows", bmp(4, 4, 8, 1, &[&[0; 1024][..], &[0, 2, 255, 255].repeat(4_000)].concat()), Something);
    add("bmp: 39 megapixels that are not there", bmp(8_000, 4_900, 24, 0, &[]), Refused);
}

fn gif_header_only(canvas: (u16, u16), frame: (u16, u16)) -> Vec<u8> {
    let whole = gif(canvas, &[(0, 0, 0, 0)], false);
    let mut bytes = whole[..whole.len() - 5].to_vec();
    let at = bytes.len() - 7;
    bytes.truncate(at + 2);
    bytes.extend([frame.0.to_le_bytes(), frame.1.to_le_bytes()].concat());
    bytes.push(0);
    bytes
}

fn tiffs(cases: &mut Vec<Case>) {
    let mut add = |name: &str, bytes, comes| cases.push((format!("tiff: {name}"), bytes, comes));
    let grey = |with: &[(u16, u16, u32, u32)]| tiff(4, 4, 1, &[77; 16], with);
    add("as it should be", grey(&[]), Good);
    add("a directory that follows itself", directory(&[], 8), Refused);
    add("a directory beyond the end", b"II\x2a\0\xff\xff\xff\xff".to_vec(), Refused);
    add("4294967295 pixels square", grey(&[(256, 4, 1, u32::MAX), (257, 4, 1, u32::MAX)]), Refused);
    add("100 megapixels", grey(&[(256, 4, 1, 10_000), (257, 4, 1, 10_000), (278, 4, 1, 10_000)]), TooLarge);
    add("0 x 0", grey(&[(256, 4, 1, 0), (257, 4, 1, 0)]), Refused);
    add("39 megapixels that are not there", grey(&[(256, 4, 1, 8_000), (257, 4, 1, 4_900), (278, 4, 1, 4_900)]), Refused);
    add("4294967295 strips", grey(&[(273, 4, u32::MAX, 8)]), Refused);
    add("60 million strips", grey(&[(273, 1, 60_000_000, 8)]), Refused);
    add("strips of no rows", grey(&[(278, 4, 1, 0)]), Something);
    add("a strip of 4 GB", grey(&[(279, 4, 1, u32::MAX)]), Something);
    add("tiles of no size", grey(&[(322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 8), (325, 4, 1, 16)]), Something);
    add("tiles of 4 gigapixels", grey(&[(322, 4, 1, u32::MAX), (323, 4, 1, u32::MAX), (324, 4, 1, 8), (325, 4, 1, 16)]), Something);
    add("0 bits", grey(&[(258, 3, 1, 0)]), Refused);
    add("65535 bits", grey(&[(258, 3, 1, 65_535)]), Refused);
    add("65535 samples", grey(&[(277, 3, 1, 65_535)]), Refused);
    add("no samples", grey(&[(277, 3, 1, 0)]), Refused);
    add("compression 65535", grey(&[(259, 3, 1, 65_535)]), Refused);
    add("deflate that is none", grey(&[(259, 3, 1, 8)]), Refused);
    add("LZW that is none", grey(&[(259, 3, 1, 5)]), Something);
    add("JPEG that is none", grey(&[(259, 3, 1, 7)]), Refused);
    add("fax that is none", grey(&[(259, 3, 1, 4)]), Something);
    add("floating-point numbers", tiff(1, 1, 3, &[0; 12], &[(258, 3, 1, 32), (339, 3, 1, 3), (279, 4, 1, 12)]), Refused);
    add("orientation 65535", grey(&[(274, 3, 1, 65_535)]), Good);
    add("a palette of 4294967295", grey(&[(262, 3, 1, 3), (320, 3, u32::MAX, 8)]), Refused);
    let big = b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec();
    add("BigTIFF with 2^63 entries", big, Refused);
}

fn webps(cases: &mut Vec<Case>) {
    let mut add = |name: &str, bytes, comes| cases.push((format!("webp: {name}"), bytes, comes));
    let whole = seeds().into_iter().find(|(name, _)| *name == "webp").expect("it is one of them").1;
    let sized = |size: u32| [&whole[..4], &size.to_le_bytes(), &whole[8..]].concat();
    let stream = forge::stream_of(&whole);
    let frame = |x: u8, block: Vec<u8>| riff_chunk(b"ANMF", &[vec![x, 0, 0, 0, 0, 0, 95, 0, 0, 63, 0, 0, 1, 0, 0, 0], block].concat());
    let animated = |frames: Vec<u8>| webp(&[vp8x(0x12, 96, 64), riff_chunk(b"ANIM", &[0; 6]), frames]);
    add("a size of 0", sized(0), Something);
    add("a size of 4 GB", sized(u32::MAX), Something);
    add("nothing inside", webp(&[]), Refused);
    add("16383 x 16383, lossy", webp(&[vp8(16_383, 16_383)]), TooLarge);
    add("16384 x 16384, lossless", webp(&[vp8l(16_384, 16_384)]), TooLarge);
    add("0 x 0", webp(&[vp8(0, 0)]), Refused);
    add("a canvas of 281 terapixels", webp(&[vp8x(0, 1 << 24, 1 << 24), stream.clone()]), Refused);
    add("a small canvas for 268 megapixels, lossy", webp(&[vp8x(0, 4, 4), vp8(16_383, 16_383)]), TooLarge);
    add("a small canvas for 268 megapixels, lossless", webp(&[vp8x(0, 4, 4), vp8l(16_384, 16_384)]), TooLarge);
    add("39 megapixels that are not there, lossy", webp(&[vp8(8_000, 4_900)]), Refused);
    add("39 megapixels that are not there, lossless", webp(&[vp8l(8_000, 4_900)]), Something);
    add("EXIF of 4 GB", webp(&[vp8x(0x18, 96, 64), stream.clone(), b"EXIF\xff\xff\xff\xffxx".to_vec()]), Something);
    add("an alpha block of nothing", webp(&[vp8x(0x10, 16, 16), riff_chunk(b"ALPH", &[]), vp8(16, 16)]), Something);
    add("an animation", animated(frame(0, stream.clone())), Good);
    add("an animation of nothing", animated(vec![]), Refused);
    add("a frame beyond its canvas", animated(frame(9, stream.clone())), Refused);
    add("a frame that holds another size", animated(frame(0, vp8(16, 16))), Refused);
    add("a frame that holds 268 megapixels", animated(frame(0, vp8(16_383, 16_383))), TooLarge);
    add("1000 frames", animated(frame(0, stream).repeat(1_000)), Good);
    add("100000 blocks that nobody knows", webp(&[vp8x(0, 4, 4), riff_chunk(b"zzzz", &[]).repeat(100_000)]), Refused);
}

pub fn corpus() -> Vec<Case> {
    let mut cases = Vec::new();
    jpegs(&mut cases);
    pngs(&mut cases);
    gifs_and_bitmaps(&mut cases);
    tiffs(&mut cases);
    webps(&mut cases);
    truncated(&mut cases);
    mutated(&mut cases);
    cases
}

fn agrees(comes: Comes, result: &Result<Picture, DecodeError>) -> bool {
    match comes {
        Good => result.is_ok(),
        Refused => result.is_err(),
        TooLarge => matches!(result, Err(DecodeError::TooLarge(_))),
        Something => true,
    }
}

#[test]
fn every_hostile_file_is_a_picture_or_a_refusal() {
    let (cases, limits) = (corpus(), DecodeLimits::default());
    assert!(cases.len() >= 200, "{}", cases.len());
    let mut wrong = Vec::new();
    for (name, bytes, comes) in &cases {
        // Only a JPEG is decoded in another way when less of it is needed.
        let reduced = bytes.starts_with(&[0xff, 0xd8]).then_some(Target { longer: 640, shorter: 0 });
        for target in std::iter::once(Target::FULL).chain(reduced) {
            let (started, before) = (Instant::now(), memory("VmRSS:"));
            forget_the_peak();
            let result = decode(bytes, &limits, target);
            let grown = memory("VmHWM:").saturating_sub(before) / 1024;
            // A guard against work without end, far above what any of them takes.
            assert!(started.elapsed() < Duration::from_secs(60), "{name} took {:?}", started.elapsed());
            // Twelve bytes for each pixel that is allowed, and once more what the pixels take while they are turned.
            assert!(!alone() || grown < 640, "{name} took {grown} MB");
            if let Ok(picture) = &result {
                assert_eq!(picture.rgb.len() as u64, u64::from(picture.pixels_width) * u64::from(picture.pixels_height) * 3, "{name}");
                assert!(u64::from(picture.width) * u64::from(picture.height) <= limits.pixels, "{name}");
            }
            if !agrees(*comes, &result) {
                wrong.push(format!("{name}: {comes:?} was due, but {:?}", result.map(|picture| (picture.width, picture.height))));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Whether this test has its process for itself, as under nextest: then its memory is the decoder's.
fn alone() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

/// A line of this process's status, in KB; 0 where there is none.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|text| text.strip_prefix(line)).and_then(|text| text.trim().split(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn forget_the_peak() {
    // Where the kernel does not offer this, peaks only seem larger than they are.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
