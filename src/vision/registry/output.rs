//! `[output]`: how to read what a detector of TorchScript returns. What it returns are raw boxes and scores: merging boxes of
//! one thing is ours.

use serde::Deserialize;

use super::section::Section;

/// How boxes are read.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxFormat {
    /// Which tensors hold what.
    pub layout: Layout,
    /// What the four numbers of a box are.
    pub corners: Corners,
    /// In what they are counted.
    pub units: Units,
    /// What is to be done to the scores.
    pub activation: Activation,
    /// The index among scores or labels that means nothing; the classes are the others in their order.
    pub background: Option<usize>,
}

/// Which of the returned tensors hold what.
#[derive(Clone, Debug, PartialEq)]
pub enum Layout {
    /// Boxes `[n, boxes, 4]`, scores `[n, boxes, classes]`.
    Scores {
        /// The boxes.
        boxes: Place,
        /// The scores of every class.
        scores: Place,
    },
    /// Boxes `[n, boxes, 4]`, the score `[n, boxes]` and the class `[n, boxes]` of each.
    Labels {
        /// The boxes.
        boxes: Place,
        /// The score of the best class.
        scores: Place,
        /// Its index.
        labels: Place,
    },
    /// One tensor `[n, 4 + classes, boxes]`, as YOLOv8 and its successors export it.
    Yolo,
}

/// One of the tensors that a module returns.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// Of a tuple or list.
    Index(usize),
    /// Of a dictionary.
    Name(String),
}

/// What the four numbers of a box are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Corners {
    /// Left, top, right, bottom.
    Xyxy,
    /// Centre, width, height.
    Cxcywh,
    /// Left, top, width, height.
    Xywh,
}

/// In what boxes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// Pixels of the network's input.
    Pixels,
    /// Shares of its width and height.
    Relative,
}

/// What is to be done to scores before they are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Nothing.
    None,
    /// Each class for itself.
    Sigmoid,
    /// All classes of a box together, the background among them.
    Softmax,
}

/// Reads `[output]`; none when it is wrong, which is noted.
pub fn read(mut section: Section<'_>) -> Option<BoxFormat> {
    let yolo = section.optional::<String>("layout").is_some_and(|layout| {
        section.check(layout == "yolo", "layout", "the only layout with a name is \"yolo\"; leave it out for separate tensors");
        layout == "yolo"
    });
    let layout = if yolo {
        Some(Layout::Yolo)
    } else {
        let (boxes, scores, labels) = (section.required("boxes"), section.required("scores"), section.optional("labels"));
        match (boxes, scores, labels) {
            (Some(boxes), Some(scores), Some(labels)) => Some(Layout::Labels { boxes, scores, labels }),
            (Some(boxes), Some(scores), None) => Some(Layout::Scores { boxes, scores }),
            _ => None,
        }
    };
    let corners = if yolo { section.optional("format").or(Some(Corners::Cxcywh)) } else { section.required("format") };
    let units = section.optional("units").unwrap_or(Units::Pixels);
    let activation = section.optional("activation").unwrap_or(Activation::None);
    let labelled = matches!(layout, Some(Layout::Labels { .. }));
    section.check(!(labelled && activation == Activation::Softmax), "activation", "softmax needs the scores of all classes, not labels");
    let background = section.optional("background");
    section.end();
    Some(BoxFormat { layout: layout?, corners: corners?, units, activation, background })
}
