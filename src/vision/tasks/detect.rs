//! Boxes of things: options in, detections out, both in the words and pixels of the caller.

use crate::vision::{
    backend::Maps,
    postprocess::{Kinds, Thresholds, shapes},
    preprocess::Prepared,
    registry::ModelInfo,
};

/// The class whose shapes are lines of text and get a quad.
const TEXT_LINE: &str = "text_line";
/// The class whose shapes are rows of bars.
const BARCODE: &str = "barcode";
/// The two classes that are told apart by their pixels.
const QR_CODE: &str = "qr_code";
const DATA_MATRIX: &str = "data_matrix";

/// What a call may choose; what it leaves out comes from the model.
#[derive(Clone, Debug, Default)]
pub struct DetectOptions {
    /// Least confidence, 0 to 1.
    pub min_confidence: Option<f32>,
    /// Most detections, the surest first.
    pub max_results: Option<usize>,
    /// Two boxes of a class that overlap more than this are one thing, 0 to 1.
    pub iou: Option<f32>,
    /// Only these classes; all when none. Names that the model lacks find nothing.
    pub classes: Option<Vec<String>>,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Name of its class.
    pub class: String,
    /// Index of its class in the model's list.
    pub class_id: usize,
    /// 0 to 1.
    pub confidence: f32,
    /// Left edge, in pixels of the picture after the camera's rotation.
    pub xmin: f32,
    /// Top edge.
    pub ymin: f32,
    /// Right edge.
    pub xmax: f32,
    /// Bottom edge.
    pub ymax: f32,
    /// Corners clockwise from the top left of the line itself; only for lines of text whose direction is known.
    pub quad: Option<[[f32; 2]; 4]>,
}

/// The detections in the maps of a frame.
#[must_use]
pub fn detections(model: &ModelInfo, maps: &Maps, prepared: &Prepared, options: &DetectOptions) -> Vec<Detection> {
    let index = |name: &str| model.classes.iter().position(|class| class == name);
    let squares = index(QR_CODE).zip(index(DATA_MATRIX));
    let kinds = Kinds { classes: model.classes.len(), text: index(TEXT_LINE), bars: index(BARCODE), squares };
    let thresholds = Thresholds {
        confidence: options.min_confidence.unwrap_or(model.defaults.min_confidence),
        iou: options.iou.unwrap_or(model.defaults.iou),
    };
    let wanted = |class: &String| options.classes.as_ref().is_none_or(|classes| classes.contains(class));
    let [sx, sy] = prepared.scale;
    shapes(maps, &prepared.frame, kinds, (prepared.width, prepared.height), thresholds)
        .into_iter()
        .filter(|shape| wanted(&model.classes[shape.class]))
        .take(options.max_results.unwrap_or(model.defaults.max_results))
        .map(|shape| Detection {
            class: model.classes[shape.class].clone(),
            class_id: shape.class,
            confidence: shape.score,
            xmin: shape.rect[0] * sx,
            ymin: shape.rect[1] * sy,
            xmax: shape.rect[2] * sx,
            ymax: shape.rect[3] * sy,
            quad: shape.quad.map(|quad| quad.map(|[x, y]| [x * sx, y * sy])),
        })
        .collect()
}
