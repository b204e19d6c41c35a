//! Any bytes through the decoder: an error or a picture whose pixels are as many as it says.

#![no_main]

#[expect(dead_code, reason = "the crate uses more of it than this target")]
#[path = "../../../src/vision/decode/mod.rs"]
mod decode;

use decode::{DecodeLimits, Target, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The library aborts at every panic, also at one of a decoder that `decode` catches. One that `decode` lets through
        // still ends the run.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| {
    // Small limits, so that a run is many inputs and not much memory.
    let limits = DecodeLimits { bytes: 1 << 20, pixels: 1_000_000 };
    for target in [Target::FULL, Target { longer: 64, shorter: 0 }] {
        if let Ok(picture) = decode(bytes, &limits, target) {
            assert_eq!(picture.rgb.len() as u64, u64::from(picture.pixels_width) * u64::from(picture.pixels_height) * 3);
            assert!(u64::from(picture.width) * u64::from(picture.height) <= limits.pixels);
            assert!(picture.pixels_width <= picture.width && picture.pixels_height <= picture.height);
        }
    }
    }
);
