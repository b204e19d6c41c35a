//! What an embedding answers: `OpenAI`'s list, with one entry for the one image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::vision::Size;

/// How the numbers of an embedding are written: `OpenAI`'s `encoding_format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// A list of numbers.
    #[default]
    Float,
    /// Base64 of 32-bit floats, the lowest byte first: a third of the size.
    Base64,
}

/// An embedding as a list of one.
#[derive(Serialize)]
pub struct Embedded<'a> {
    image: Size,
    data: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Numbers<'a> {
    List(&'a [f32]),
    Text(String),
}

impl<'a> Embedded<'a> {
    /// The part of the answer that has nothing to do with who asked.
    pub fn of(size: Size, features: &'a [f32], encoding: Encoding) -> Self {
        let embedding = match encoding {
            Encoding::Float => Numbers::List(features),
            Encoding::Base64 => {
                let bytes: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
                Numbers::Text(STANDARD.encode(bytes))
            }
        };
        Self { image: size, data: [Entry { object: "embedding", index: 0, embedding }] }
    }
}
