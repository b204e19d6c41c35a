//! PNG: palettes, grey, 16 bits, alpha, interlaced; of an animation the picture that a viewer without animations shows.

use std::io::Cursor;

use image::metadata::Orientation;
use png::{DecodingError, Limits, Transformations};

use super::{DecodeError, DecodeLimits, Picture, pixels};

/// Most bytes for rows and chunks beside the pixels themselves.
const AROUND: usize = 64 << 20;

pub(super) fn read(bytes: &[u8], limits: &DecodeLimits) -> Result<Picture, DecodeError> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: AROUND });
    // Neither is of use here, and both may be compressed a thousandfold.
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    let size = (header.width, header.height);
    limits.check(size.0, size.1)?;
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(broken)?;
    let length = reader.output_buffer_size().ok_or_else(|| broken(DecodingError::LimitsExceeded))?;
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data).map_err(broken)?;
    // The note on the camera's rotation may come after the pixels; what else is wrong there does not matter.
    let _ = reader.finish();
    let turn = reader.info().exif_metadata.as_deref().map_or(Orientation::NoTransforms, pixels::orientation);
    data.truncate(frame.buffer_size());
    pixels::upright(size, (frame.width, frame.height), pixels::rgb(data, frame.color_type.samples()), turn)
}

fn broken(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::LimitsExceeded => DecodeError::TooLarge("it needs more memory than a picture may take".into()),
        other => DecodeError::Undecodable(other.to_string()),
    }
}
