//! Boxes of things: options in, detections out, both in the words and pixels of the caller.

use serde::{Deserialize, Serialize};

use crate::vision::{
    backend::{Maps, RawBox},
    postprocess::{Kinds, Shape, Thresholds, boxes, shapes},
    preprocess::Prepared,
    registry::ModelInfo,
};

/// The class whose shapes are lines of text and get a quad.
const TEXT_LINE: &str = "text_line";
/// The class whose shapes are rows of bars.
const BARCODE: &str = "barcode";
/// The class whose shapes are boxes to tick.
const CHECKBOX: &str = "checkbox";

/// What a call may choose; what it leaves out comes from the model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DetectOptions {
    /// Least confidence, 0 to 1.
    pub min_confidence: Option<f32>,
    /// Most detections, the surest first.
    pub max_results: Option<usize>,
    /// Two boxes of a class that overlap more than this are one thing, 0 to 1.
    pub iou: Option<f32>,
    /// Only these classes; all when none.
    pub classes: Option<Vec<String>>,
}

impl DetectOptions {
    fn thresholds(&self, model: &ModelInfo) -> Thresholds {
        Thresholds { confidence: self.min_confidence.unwrap_or(model.defaults.min_confidence), iou: self.iou.unwrap_or(model.defaults.iou) }
    }

    fn wants(&self, class: &str) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.iter().any(|wanted| wanted == class))
    }
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
    let kinds = Kinds { classes: model.classes.len(), text: index(TEXT_LINE), bars: index(BARCODE), boxes: index(CHECKBOX) };
    let found = shapes(maps, kinds, (prepared.width, prepared.height), options.thresholds(model));
    named(model, found, prepared, options)
}

/// The detections among the raw boxes of a frame.
#[must_use]
pub fn merged(model: &ModelInfo, boxes: &[RawBox], prepared: &Prepared, options: &DetectOptions) -> Vec<Detection> {
    named(model, boxes::merge(boxes, prepared.visible(), options.thresholds(model)), prepared, options)
}

/// Shapes on the frame, best first, as what the caller asked for, on the picture.
fn named(model: &ModelInfo, found: Vec<Shape>, prepared: &Prepared, options: &DetectOptions) -> Vec<Detection> {
    let most = options.max_results.unwrap_or(model.defaults.max_results);
    let detection = |shape: Shape| {
        // A network may number more classes than its manifest names.
        let class = model.classes.get(shape.class).filter(|class| options.wants(class))?;
        let [x0, y0, x1, y1] = shape.rect;
        let ([xmin, ymin], [xmax, ymax]) = (prepared.on_picture([x0, y0]), prepared.on_picture([x1, y1]));
        let quad = shape.quad.map(|quad| quad.map(|corner| prepared.on_picture(corner)));
        Some(Detection { class: class.clone(), class_id: shape.class, confidence: shape.score, xmin, ymin, xmax, ymax, quad })
    };
    found.into_iter().filter_map(detection).take(most).collect()
}
