//! What a detection answers: Roboflow's field names (x and y are the centre) with a Hugging Face box.

use serde::Serialize;

use crate::vision::{Detection, Size};

/// What a detection found in a picture.
#[derive(Serialize)]
pub struct Found<'a> {
    image: Size,
    predictions: Vec<Prediction<'a>>,
}

impl<'a> Found<'a> {
    /// The part of the answer that has nothing to do with who asked.
    pub fn of(size: Size, detections: &'a [Detection]) -> Self {
        Self { image: size, predictions: detections.iter().map(Prediction::of).collect() }
    }
}

#[derive(Serialize)]
struct Prediction<'a> {
    detection_id: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    confidence: f64,
    class: &'a str,
    class_id: usize,
    #[serde(rename = "box")]
    bounds: Bounds,
    /// Not called `points`: Roboflow's tools take predictions with points for masks, and expect either all or none to have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    quad: Option<[[f64; 2]; 4]>,
}

#[derive(Serialize)]
struct Bounds {
    xmin: i64,
    ymin: i64,
    xmax: i64,
    ymax: i64,
}

impl<'a> Prediction<'a> {
    fn of(detection: &'a Detection) -> Self {
        let Detection { class, class_id, confidence, xmin, ymin, xmax, ymax, quad } = detection;
        Self {
            detection_id: uuid::Uuid::now_v7().simple().to_string(),
            x: tenth((xmin + xmax) / 2.0),
            y: tenth((ymin + ymax) / 2.0),
            width: tenth(xmax - xmin),
            height: tenth(ymax - ymin),
            confidence: super::confidence(*confidence),
            class,
            class_id: *class_id,
            bounds: Bounds { xmin: xmin.round() as i64, ymin: ymin.round() as i64, xmax: xmax.round() as i64, ymax: ymax.round() as i64 },
            quad: quad.map(|quad| quad.map(|corner| corner.map(tenth))),
        }
    }
}

/// Pixels to one decimal: more would be noise.
fn tenth(pixels: f32) -> f64 {
    (f64::from(pixels) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(quad: Option<[[f32; 2]; 4]>) -> serde_json::Value {
        let (xmin, ymin, xmax, ymax) = (10.04, 20.0, 30.0, 25.5);
        let detection = Detection { class: "text_line".into(), class_id: 0, confidence: 0.987_654, xmin, ymin, xmax, ymax, quad };
        let mut found = serde_json::to_value(Prediction::of(&detection)).unwrap();
        assert!(found.as_object_mut().unwrap().remove("detection_id").is_some_and(|id| id.is_string()));
        found
    }

    #[test]
    fn a_box_is_said_by_its_centre_and_by_its_corners() {
        let upright = json!({
            "x": 20.0, "y": 22.8, "width": 20.0, "height": 5.5, "confidence": 0.9877, "class": "text_line", "class_id": 0,
            "box": { "xmin": 10, "ymin": 20, "xmax": 30, "ymax": 26 },
        });
        assert_eq!(answered(None), upright);
    }

    #[test]
    fn what_is_turned_has_its_own_corners_beside_the_box() {
        let found = answered(Some([[10.04, 22.0], [28.0, 20.0], [30.0, 23.0], [12.0, 25.5]]));
        assert_eq!(found["quad"], json!([[10.0, 22.0], [28.0, 20.0], [30.0, 23.0], [12.0, 25.5]]));
    }
}
