//! What an answer says, to be laid over the picture or shown beside it: boxes as SVG numbers, classes as bars.

use serde::Deserialize;

use super::show;

/// More boxes than this would hide the picture under their numbers.
const NUMBERED: usize = 60;

/// Classes shown with their bars, and numbers shown of a vector.
const SHOWN: usize = 8;

/// An answer of any task, as much of it as the page shows.
#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    result: Told,
    time: f64,
    usage: Usage,
}

/// Told apart by `object`.
#[derive(Deserialize)]
#[serde(tag = "object", rename_all = "snake_case")]
enum Told {
    Detection(Found),
    Classification { predictions: Vec<Class> },
    List { data: Vec<Embedding> },
}

#[derive(Deserialize)]
struct Class {
    class: String,
    confidence: f64,
}

#[derive(Deserialize)]
struct Embedding {
    embedding: Vec<f64>,
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
    quad: Option<[[f64; 2]; 4]>,
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
    pub shown: Shown,
    pub milliseconds: String,
    pub event_id: String,
    pub amount: String,
    pub balance: String,
}

/// What was found out about a picture.
pub enum Shown {
    Boxes(Drawing),
    /// The surest first.
    Classes(Vec<Bar>),
    Vector {
        dimensions: usize,
        /// The first few numbers.
        begins: String,
    },
}

/// One class and how sure the model is of it.
pub struct Bar {
    pub class: String,
    pub confidence: String,
    /// Width of the bar, of 72.
    pub strength: String,
}

/// One box.
pub struct Shape {
    pub number: usize,
    pub numbered: bool,
    pub class: String,
    pub confidence: String,
    /// Width of the little bar in the table, of 72.
    pub strength: String,
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
    /// Corners as SVG writes them, where the thing is turned; else empty.
    pub corners: String,
    pub tag_x: i64,
    pub tag_width: i64,
    pub text_x: i64,
    pub text_y: i64,
}

/// Reads the overlay off an answer's JSON.
///
/// # Errors
/// When the JSON is not the answer of a task.
pub fn of(body: &[u8]) -> serde_json::Result<Overlay> {
    let Answer { result, time, usage } = serde_json::from_slice(body)?;
    let shown = match result {
        Told::Detection(found) => Shown::Boxes(draw(found)),
        Told::Classification { predictions } => Shown::Classes(predictions.into_iter().take(SHOWN).map(bar).collect()),
        Told::List { data } => vector(data.into_iter().next().map(|one| one.embedding).unwrap_or_default()),
    };
    Ok(Overlay {
        shown,
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

fn bar(Class { class, confidence }: Class) -> Bar {
    Bar { class, confidence: format!("{confidence:.2}"), strength: strength(confidence) }
}

fn vector(embedding: Vec<f64>) -> Shown {
    let begins: Vec<String> = embedding.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
    Shown::Vector { dimensions: embedding.len(), begins: begins.join(", ") }
}

fn strength(confidence: f64) -> String {
    format!("{:.1}", confidence * 72.0)
}

fn draw(Found { image, predictions }: Found) -> Drawing {
    // Readable when the picture is shown about 800 pixels wide.
    let font = (i64::from(image.width) / 72).max(9);
    let numbered = predictions.len() <= NUMBERED;
    let shapes = predictions.into_iter().enumerate().map(|(index, prediction)| shape(index + 1, numbered, &prediction, font));
    Drawing { width: image.width, height: image.height, tag: font * 5 / 4, font, shapes: shapes.collect() }
}

fn shape(number: usize, numbered: bool, prediction: &Prediction, font: i64) -> Shape {
    let Prediction { confidence, class, bounds: Bounds { xmin, ymin, xmax, ymax }, quad } = prediction;
    let corner = |[x, y]: &[f64; 2]| format!("{x},{y}");
    let digits = number.to_string().len() as i64;
    let tag_width = font * 3 / 5 * digits + font * 3 / 5;
    // Left of the box, where it hides nothing of it; inside where the picture ends.
    let tag_x = if xmin - tag_width < 0 { *xmin } else { xmin - tag_width };
    Shape {
        number,
        numbered,
        class: class.clone(),
        confidence: format!("{confidence:.2}"),
        strength: strength(*confidence),
        corners: quad.iter().flatten().map(corner).collect::<Vec<_>>().join(" "),
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
