//! Picture files as no encoder writes them: byte by byte, so that each field can lie.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};

/// A file as an ordinary program writes it.
pub fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("the format takes this picture");
    bytes.into_inner()
}

/// A TIFF header with one directory of `(tag, type, count, value)`; `next` is where the next directory is said to be.
pub fn directory(entries: &[(u16, u16, u32, u32)], next: u32) -> Vec<u8> {
    let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for &(tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(next.to_le_bytes());
    bytes
}

/// An EXIF block (without JPEG's prefix) that says how the camera was held.
pub fn exif(orientation: u16) -> Vec<u8> {
    directory(&[(0x112, 3, 1, orientation.into())], 0)
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

pub fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
    bytes.extend(name);
    bytes.extend(data);
    bytes.extend(crc32(&bytes[4..]).to_be_bytes());
    bytes
}

/// Size, then bit depth, colour type, compression, filter and interlacing.
pub fn header(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat())
}

pub fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

/// Not compressed, so that what is inside can be written by hand.
pub fn zlib(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let mut blocks = data.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        bytes.push(u8::from(blocks.peek().is_none()));
        bytes.extend((block.len() as u16).to_le_bytes());
        bytes.extend((!(block.len() as u16)).to_le_bytes());
        bytes.extend(block);
    }
    let (low, high) = data.iter().fold((1u32, 0u32), |(a, b), byte| ((a + u32::from(*byte)) % 65_521, (a + u32::from(*byte) + b) % 65_521));
    bytes.extend((high << 16 | low).to_be_bytes());
    bytes
}

/// The compressed pixels of a PNG.
pub fn pixels_of(png: &[u8]) -> Vec<u8> {
    let (mut data, mut at) = (Vec::new(), 8);
    while at + 12 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            data.extend(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    data
}

pub fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(data.len() as u16 + 2).to_be_bytes(), data].concat()
}

/// Bits into bytes as JPEG stuffs them.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.held = self.held << 1 | value >> shift & 1;
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held as u8);
                if self.held == 0xff {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn end(mut self) -> Vec<u8> {
        while self.count != 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

/// A JPEG of one colour.
pub struct Jpeg {
    /// 0xc0 baseline, 0xc2 progressive, and what nobody takes.
    pub frame: u8,
    pub precision: u8,
    pub width: u16,
    pub height: u16,
    /// One value for each component, as stored.
    pub colour: Vec<u8>,
    /// Segments before the frame.
    pub before: Vec<u8>,
    /// Further scans of a progressive file.
    pub scans: usize,
}

impl Default for Jpeg {
    fn default() -> Self {
        Self { frame: 0xc0, precision: 8, width: 16, height: 16, colour: vec![100, 128, 128], before: Vec::new(), scans: 0 }
    }
}

impl Jpeg {
    pub fn frame_header(&self) -> Vec<u8> {
        let mut frame = vec![self.precision];
        frame.extend(self.height.to_be_bytes());
        frame.extend(self.width.to_be_bytes());
        frame.push(self.colour.len() as u8);
        for id in 1..=self.colour.len() as u8 {
            frame.extend([id, 0x11, 0]);
        }
        segment(self.frame, &frame)
    }

    /// Every quantizer is 8, so that a block's first coefficient is its value less 128.
    pub fn tables() -> Vec<u8> {
        let quantizers = segment(0xdb, &[&[0][..], &[8; 64]].concat());
        // First coefficients: twelve codes of four bits. Others: one bit for "the rest is zero", and one for a long run of it.
        let first = segment(0xc4, &[&[0, 0, 0, 0, 12][..], &[0; 12], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]].concat());
        let others = segment(0xc4, &[&[0x10, 1, 1][..], &[0; 14], &[0x00, 0xe0]].concat());
        [quantizers, first, others].concat()
    }

    fn scan_header(components: &[u8], spectrum: [u8; 3]) -> Vec<u8> {
        let mut scan = vec![components.len() as u8];
        scan.extend(components.iter().flat_map(|id| [*id, 0]));
        segment(0xda, &[&scan[..], &spectrum].concat())
    }

    fn blocks(&self) -> usize {
        usize::from(self.width).div_ceil(8) * usize::from(self.height).div_ceil(8)
    }

    pub fn entropy(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        for block in 0..self.blocks() {
            for value in &self.colour {
                let value = if block == 0 { i32::from(*value) - 128 } else { 0 };
                let size = 32 - value.unsigned_abs().leading_zeros();
                bits.put(size, 4);
                bits.put((if value < 0 { value + (1 << size) - 1 } else { value }) as u32, size);
                if self.frame != 0xc2 {
                    bits.put(0, 1);
                }
            }
        }
        bits.end()
    }

    /// A scan that says in a few bytes for every block of the first component that there is nothing more.
    fn empty_scan(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        let mut left = self.blocks();
        while left >= 1 << 14 {
            let run = left.min((1 << 15) - 1);
            bits.put(0b10, 2);
            bits.put((run - (1 << 14)) as u32, 14);
            left -= run;
        }
        for _ in 0..left {
            bits.put(0, 1);
        }
        [Self::scan_header(&[1], [1, 63, 0]), bits.end()].concat()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let ids: Vec<u8> = (1..=self.colour.len() as u8).collect();
        let spectrum = if self.frame == 0xc2 { [0, 0, 0] } else { [0, 63, 0] };
        [
            vec![0xff, 0xd8],
            self.before.clone(),
            Self::tables(),
            self.frame_header(),
            Self::scan_header(&ids, spectrum),
            self.entropy(),
            self.empty_scan().repeat(self.scans),
            vec![0xff, 0xd9],
        ]
        .concat()
    }
}

/// A GIF of a canvas with frames at `(left, top, width, height)`, of the second of two colours (black, red).
pub fn gif(canvas: (u16, u16), frames: &[(u16, u16, u16, u16)], transparent: bool) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([canvas.0.to_le_bytes(), canvas.1.to_le_bytes()].concat());
    bytes.extend([0x80, 0, 0, 0, 0, 0, 255, 0, 0]);
    for &(left, top, width, height) in frames {
        if transparent {
            bytes.extend([0x21, 0xf9, 4, 1, 0, 0, 1, 0]);
        }
        bytes.push(0x2c);
        bytes.extend([left, top, width, height].map(u16::to_le_bytes).concat());
        bytes.extend([0, 2]);
        bytes.extend(gif_pixels(usize::from(width) * usize::from(height)));
    }
    bytes.push(0x3b);
    bytes
}

/// Codes of three bits, with a "clear" before every pixel so that they never grow: 4 clears, 1 is the colour, 5 ends.
fn gif_pixels(count: usize) -> Vec<u8> {
    let codes = (0..count).flat_map(|_| [4u32, 1]).chain([5]);
    let (mut packed, mut held, mut length) = (Vec::new(), 0, 0);
    for code in codes {
        held |= code << length;
        length += 3;
        while length >= 8 {
            packed.push(held as u8);
            held >>= 8;
            length -= 8;
        }
    }
    packed.push(held as u8);
    let blocks = packed.chunks(255).flat_map(|block| [&[block.len() as u8][..], block].concat());
    blocks.chain([0]).collect()
}

/// A BMP: size as signed numbers, bits for a pixel, compression, then whatever follows the header.
pub fn bmp(width: i32, height: i32, bits: u16, compression: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(if bits <= 8 { 54 + 4 * (1u32 << bits.min(8)) } else { 54 }.to_le_bytes());
    bytes.extend(40u32.to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(compression.to_le_bytes());
    bytes.extend([0; 20]);
    bytes.extend(rest);
    bytes
}

/// A TIFF with pixels at its end. `with` overrides entries of the directory.
pub fn tiff(width: u32, height: u32, samples: u16, pixels: &[u8], with: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let photometric = match samples {
        1 => 1,
        4 => 5,
        _ => 2,
    };
    let mut entries = vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 0),
        (277, 3, 1, samples.into()),
        (278, 4, 1, height),
        (279, 4, 1, pixels.len() as u32),
    ];
    for entry in with {
        entries.retain(|(tag, ..)| *tag != entry.0);
        entries.push(*entry);
    }
    entries.sort_unstable();
    // Behind the directory: eights for the depth of each sample, then the pixels.
    let depths = 8 + 2 + entries.len() as u32 * 12 + 4;
    for (tag, _, count, value) in &mut entries {
        match *tag {
            258 if samples > 2 && *value == 8 => (*count, *value) = (samples.into(), depths),
            273 if *value == 0 => *value = depths + 8,
            _ => {}
        }
    }
    [directory(&entries, 0), [8u16; 4].map(u16::to_le_bytes).concat(), pixels.to_vec()].concat()
}

pub fn riff_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [&name[..], &(data.len() as u32).to_le_bytes(), data, &padding].concat()
}

pub fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    riff_chunk(b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
}

/// The extended header: flags, then each side less one in 24 bits.
pub fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    riff_chunk(b"VP8X", &[vec![flags, 0, 0, 0], side(width), side(height)].concat())
}

/// The beginning of a lossy stream that says a size, and nothing after it.
pub fn vp8(width: u16, height: u16) -> Vec<u8> {
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    riff_chunk(b"VP8 ", &[&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &sides, &[0; 40]].concat())
}

/// The same, lossless.
pub fn vp8l(width: u32, height: u32) -> Vec<u8> {
    riff_chunk(b"VP8L", &[&[0x2f][..], &((width - 1) | (height - 1) << 14).to_le_bytes(), &[0; 40]].concat())
}

/// The picture's own block of a WebP without an extended header.
pub fn stream_of(webp: &[u8]) -> Vec<u8> {
    webp[12..].to_vec()
}
