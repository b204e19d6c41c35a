//! The format by the first bytes; a declared content type or a file's name is never believed.

use super::DecodeError;

/// The formats that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
}

const ADVICE: &str = "send JPEG, PNG, WebP, GIF, BMP or TIFF";
const CONVERT: &str = "convert it to JPEG, PNG or WebP";
const RENDER: &str = "draw it at the size you need and send that as PNG";

/// Beginnings of formats that people send and that are not taken: a clear word is worth more than "unknown".
const REFUSED: &[(&[u8], &str, &str)] = &[
    (b"%PDF", "PDF", "send each page as PNG or JPEG"),
    (b"\xff\x0a", "JPEG XL", CONVERT),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", CONVERT),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", CONVERT),
    (b"\xff\x4f\xff\x51", "JPEG 2000", CONVERT),
    (b"8BPS", "a Photoshop document", "export it as PNG or JPEG"),
    (b"\0\0\x01\0", "an icon (ICO)", "send it as PNG"),
    (b"\x1f\x8b", "a gzip archive", "send the picture inside, not compressed again"),
    (b"PK\x03\x04", "a ZIP archive", "send the pictures inside, one in each request"),
    (b"GIF", "a broken GIF", ADVICE),
    (b"\x89PNG", "a PNG whose line ends were changed on the way", "send it as binary data"),
];

/// Tells the format.
///
/// # Errors
/// [`DecodeError::UnsupportedMediaType`], which names what it seems to be.
pub(super) fn format(bytes: &[u8]) -> Result<Format, DecodeError> {
    Ok(match bytes {
        [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Format::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Format::WebP,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Format::Gif,
        // 43 is BigTIFF.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Format::Tiff,
        // "BM" alone could begin a text: its reserved words must be zero too.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Format::Bmp,
        _ => {
            let (found, advice) = refused(bytes);
            return Err(DecodeError::UnsupportedMediaType { found, advice });
        }
    })
}

fn refused(bytes: &[u8]) -> (&'static str, &'static str) {
    if bytes.is_empty() {
        return ("an empty file", ADVICE);
    }
    if let Some((_, found, advice)) = REFUSED.iter().find(|(begin, ..)| bytes.starts_with(begin)) {
        return (found, advice);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return iso_media(bytes);
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    match text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']) {
        markup if markup.starts_with('<') && markup.contains("<svg") => ("SVG", RENDER),
        markup if markup.starts_with('<') => ("a page of HTML or XML", ADVICE),
        _ => ("an unknown format", ADVICE),
    }
}

/// HEIC, AVIF and videos share a container; its first box lists what it is compatible with.
fn iso_media(bytes: &[u8]) -> (&'static str, &'static str) {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = bytes.get(8..length.clamp(12, 128).min(bytes.len())).unwrap_or_default();
    let has = |names: &[&[u8]]| brands.chunks_exact(4).any(|brand| names.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        ("AVIF", CONVERT)
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"]) {
        ("HEIC", "send it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)")
    } else {
        ("a video", "send one of its frames as JPEG or PNG")
    }
}
