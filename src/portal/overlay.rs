//! The boxes of an answer as SVG numbers, to be laid over the picture.

use serde::Deserialize;

use super::show;

/// More boxes than this would hide the picture under their numbers.
const NUMBERED: usize = 60;

/// An answer of `POST /v1/detect`, as much of it as the page shows.
#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    found: Found,
    time: f64,
    usage: Usage,
}

/// What was found, whoever asked.
#[derive(Deserialize)]
struct Found {
    image: Size,
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Size {
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct Prediction {
    confidence: f64,
    class: String,
    #[serde(rename = "box")]
    bounds: Bounds,
}

#[derive(Deserialize)]
struct Bounds {
    xmin: i64,
    ymin: i64,
    xmax: i64,
    ymax: i64,
}

#[derive(Deserialize)]
struct Usage {
    event_id: String,
    amount: String,
    currency: String,
    balance: String,
}

/// Boxes over a picture.
pub struct Drawing {
    pub width: u32,
    pub height: u32,
    /// Height of a number's tag, in pixels of the picture.
    pub tag: i64,
    pub font: i64,
    pub shapes: Vec<Shape>,
}

/// What the playground shows of a call.
pub struct Overlay {
    pub drawing: Drawing,
    pub milliseconds: String,
    pub event_id: String,
    pub amount: String,
    pub balance: String,
}

/// One box.
pub struct Shape {
    pub number: usize,
    pub numbered: bool,
    pub class: String,
    pub confidence: String,
    /// Of ten, for the little bar in the table.
    pub strength: String,
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
    pub tag_x: i64,
    pub tag_width: i64,
    pub text_x: i64,
    pub text_y: i64,
}

/// Reads the overlay off an answer's JSON.
///
/// # Errors
/// When the JSON is not the answer of a detection.
pub fn of(body: &[u8]) -> serde_json::Result<Overlay> {
    let Answer { found, time, usage } = serde_json::from_slice(body)?;
    Ok(Overlay {
        drawing: draw(found),
        milliseconds: format!("{:.0}", time * 1000.0),
        event_id: usage.event_id,
        amount: show::with_sign(&usage.amount, &usage.currency),
        balance: show::with_sign(&usage.balance, &usage.currency),
    })
}

/// Reads the boxes off what `lensmeter detect` printed.
///
/// # Errors
/// When the JSON is something else.
pub fn of_found(json: &str) -> serde_json::Result<Drawing> {
    serde_json::from_str(json).map(draw)
}

fn draw(Found { image, predictions }: Found) -> Drawing {
    // Readable when the picture is shown about 800 pixels wide.
    let font = (i64::from(image.width) / 72).max(9);
    let numbered = predictions.len() <= NUMBERED;
    let shapes = predictions.into_iter().enumerate().map(|(index, prediction)| shape(index + 1, numbered, &prediction, font));
    Drawing { width: image.width, height: image.height, tag: font * 5 / 4, font, shapes: shapes.collect() }
}

fn shape(number: usize, numbered: bool, prediction: &Prediction, font: i64) -> Shape {
    let Prediction { confidence, class, bounds: Bounds { xmin, ymin, xmax, ymax } } = prediction;
    let digits = number.to_string().len() as i64;
    let tag_width = font * 3 / 5 * digits + font * 3 / 5;
    // Left of the box, where it hides nothing of it; inside where the picture ends.
    let tag_x = if xmin - tag_width < 0 { *xmin } else { xmin - tag_width };
    Shape {
        number,
        numbered,
        class: class.clone(),
        confidence: format!("{confidence:.2}"),
        strength: format!("{:.1}", confidence * 72.0),
        x: *xmin,
        y: *ymin,
        width: xmax - xmin,
        height: ymax - ymin,
        tag_x,
        tag_width,
        text_x: tag_x + font * 3 / 10,
        text_y: ymin + font,
    }
}
