//! The tensors of a detector as boxes, by what its `[output]` says.

use tch::{Device, IValue, Kind, TchError, Tensor};

use super::script::take;
use crate::vision::{
    backend::{Output, RawBox},
    registry::{Activation, BoxFormat, Corners, Layout, Place, Units},
};

/// Scores below this are not looked at.
const FLOOR: f32 = 0.01;

/// Boxes of a batch as plain numbers.
struct Numbers {
    /// Boxes on each picture.
    count: usize,
    /// `[n, boxes, 4]`
    sides: Vec<f32>,
    /// `[n, boxes]`
    scores: Vec<f32>,
    /// `[n, boxes]`
    classes: Vec<i64>,
}

/// What a module returned for pictures of `width` x `height` pixels.
pub fn read(returned: &IValue, format: &BoxFormat, classes: usize, size: (f32, f32)) -> Result<Vec<Output>, TchError> {
    let numbers = numbers(returned, format, classes)?;
    let pictures = numbers.scores.len() / numbers.count.max(1);
    let boxed = |i: usize| -> Result<Option<RawBox>, TchError> {
        let score = numbers.scores[i];
        let Some(class) = class_of(numbers.classes[i], format.background) else { return Ok(None) };
        if score.is_nan() || score < FLOOR {
            return Ok(None);
        }
        if class >= classes {
            return Err(TchError::Shape(format!("a box of class {class}, and model.toml names {classes} classes")));
        }
        let sides = [0, 1, 2, 3].map(|side| numbers.sides[i * 4 + side]);
        Ok(Some(RawBox { rect: rect(sides, format, size), class, score: score.min(1.) }))
    };
    let of = |picture: usize| (picture * numbers.count..(picture + 1) * numbers.count).filter_map(|i| boxed(i).transpose()).collect();
    (0..pictures).map(|picture| Result::map(of(picture), Output::Boxes)).collect()
}

fn numbers(returned: &IValue, format: &BoxFormat, classes: usize) -> Result<Numbers, TchError> {
    let width = classes as i64 + i64::from(format.background.is_some());
    let (sides, scores, labels) = match &format.layout {
        Layout::Yolo => {
            let both = take(returned, &Place::Index(0))?;
            expect("the tensor", &both, &[None, Some(4 + width), None])?;
            let both = both.f_transpose(1, 2)?;
            (both.f_narrow(2, 0, 4)?, both.f_narrow(2, 4, width)?, None)
        }
        Layout::Scores { boxes, scores } => (take(returned, boxes)?, take(returned, scores)?, None),
        Layout::Labels { boxes, scores, labels } => (take(returned, boxes)?, take(returned, scores)?, Some(take(returned, labels)?)),
    };
    expect("boxes", &sides, &[None, None, Some(4)])?;
    let (n, count) = (sides.size()[0], sides.size()[1]);
    let (scores, labels) = if let Some(labels) = labels {
        expect("scores", &scores, &[Some(n), Some(count)])?;
        expect("labels", &labels, &[Some(n), Some(count)])?;
        (activate(&scores, format.activation)?, labels)
    } else {
        expect("scores", &scores, &[Some(n), Some(count), Some(width)])?;
        let scores = activate(&scores, format.activation)?;
        if let Some(background) = format.background {
            // What means nothing is never the best.
            let _ = scores.f_select(2, background as i64)?.f_fill_(-1.)?;
        }
        scores.f_max_dim(2, false)?
    };
    let numbers = |tensor: &Tensor| Vec::try_from(tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view(-1)?);
    let classes = Vec::try_from(labels.f_to_device(Device::Cpu)?.f_to_kind(Kind::Int64)?.f_contiguous()?.f_view(-1)?)?;
    Ok(Numbers { count: count as usize, sides: numbers(&sides)?, scores: numbers(&scores)?, classes })
}

fn expect(what: &str, tensor: &Tensor, shape: &[Option<i64>]) -> Result<(), TchError> {
    let size = tensor.size();
    if size.len() == shape.len() && size.iter().zip(shape).all(|(found, wanted)| wanted.is_none_or(|wanted| wanted == *found)) {
        return Ok(());
    }
    let side = |wanted: &Option<i64>| wanted.map_or_else(|| "any".into(), |wanted| wanted.to_string());
    let wanted = shape.iter().map(side).collect::<Vec<_>>().join(", ");
    Err(TchError::Shape(format!("{what} {size:?}, expected [{wanted}]")))
}

fn activate(scores: &Tensor, activation: Activation) -> Result<Tensor, TchError> {
    let scores = scores.f_to_kind(Kind::Float)?;
    match activation {
        // A copy: what means nothing is overwritten afterwards.
        Activation::None => scores.f_detach_copy(),
        Activation::Sigmoid => scores.f_sigmoid(),
        Activation::Softmax => scores.f_softmax(-1, Kind::Float),
    }
}

/// The index among the classes; none for the background, and for what is below every index.
fn class_of(label: i64, background: Option<usize>) -> Option<usize> {
    let label = usize::try_from(label).ok()?;
    match background {
        Some(background) if label == background => None,
        Some(background) if label > background => Some(label - 1),
        _ => Some(label),
    }
}

fn rect([a, b, c, d]: [f32; 4], format: &BoxFormat, (width, height): (f32, f32)) -> [f32; 4] {
    let [x0, y0, x1, y1] = match format.corners {
        Corners::Xyxy => [a, b, c, d],
        Corners::Cxcywh => [a - c / 2., b - d / 2., a + c / 2., b + d / 2.],
        Corners::Xywh => [a, b, a + c, b + d],
    };
    match format.units {
        Units::Pixels => [x0, y0, x1, y1],
        Units::Relative => [x0 * width, y0 * height, x1 * width, y1 * height],
    }
}
