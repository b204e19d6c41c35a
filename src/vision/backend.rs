//! What a device does with a batch. Everything but `torch/` and `train/` builds and is tested without libtorch.

use std::sync::Arc;

/// One picture at the size the network sees it: scaled, and padded to multiples of 64.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Padded width in pixels.
    pub width: usize,
    /// Padded height in pixels.
    pub height: usize,
    /// `width * height * 3` bytes, RGB, row by row.
    pub rgb: Arc<[u8]>,
    /// Pixels that are not padding: what the device's time is split by.
    pub pixels: u64,
}

impl Frame {
    /// Frames of one size can share a batch.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }
}

/// What a detector says about one frame, as plain numbers, row by row.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    /// Cells in a row of the detection map, 8 pixels apart.
    pub columns: usize,
    /// Rows of the detection map.
    pub rows: usize,
    /// `classes * rows * columns` scores, 0 to 1.
    pub scores: Vec<f32>,
    /// `4 * rows * columns` distances in pixels from the cell's centre to the left, top, right and bottom of its box.
    pub sides: Vec<f32>,
    /// `4 * rows * columns` chances, 0 to 1, on cells 4 pixels apart: inside the core of a text line.
    pub mask: Vec<f32>,
}

/// One thing that a detector found, before boxes of the same thing are merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawBox {
    /// Left, top, right and bottom edge, in pixels of the frame.
    pub rect: [f32; 4],
    /// Index of its class.
    pub class: usize,
    /// 0 to 1.
    pub score: f32,
}

/// What a network says about one frame.
#[derive(Clone, Debug)]
pub enum Output {
    /// Of the built-in detector.
    Maps(Maps),
    /// Of any other detector.
    Boxes(Vec<RawBox>),
    /// The last layer's numbers: logits of a classifier, features of an embedder.
    Row(Vec<f32>),
}

/// A device with one loaded model. One thread at a time computes with it.
pub trait Backend: Send {
    /// Computes frames of equal size, one result each in their order.
    ///
    /// # Errors
    /// What went wrong, for the log and for the callers of this batch. A panic is caught and means the same.
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String>;

    /// Memory that the weights take on their device, in bytes; 0 where nobody knows.
    fn bytes(&self) -> u64 {
        0
    }

    /// The same model for another thread, sharing the weights; none when it has to be loaded again for that.
    fn replicate(&self) -> Option<Box<dyn Backend>> {
        None
    }
}
