//! Whether the pixels of a box to tick show four straight sides. The network sees boxes well and takes round buttons,
//! switches and letters for them too; what sets a square apart is that its border reaches into its corners.

use crate::vision::backend::Frame;

/// Where along a side its border is looked for: near both ends.
const ALONG: [f32; 4] = [0.1, 0.2, 0.8, 0.9];
/// How far off the box's edge the border may lie, as a share of the side.
const REACH: f32 = 0.14;
/// A step of this share of the contrast about the box is a border.
const STEP: f32 = 0.35;

/// The share, 0 to 1, of places near the corners of `rect` (left, top, right, bottom in pixels) where a border runs.
#[must_use]
pub fn straightness(frame: &Frame, rect: [f32; 4]) -> f32 {
    let [x0, y0, x1, y1] = rect;
    let (w, h) = (x1 - x0, y1 - y0);
    let contrast = spread((0..144).map(|i| {
        let [u, v] = [i % 12, i / 12].map(|k| k as f32 / 11. * 1.3 - 0.15);
        grey(frame, x0 + u * w, y0 + v * h)
    }));
    if contrast < 8. {
        return 0.;
    }
    let mut hits = 0;
    for t in ALONG {
        let (x, y) = (x0 + t * w, y0 + t * h);
        // From outside inwards through each side.
        let sides = [([x0, y], [1., 0.], w), ([x1, y], [-1., 0.], w), ([x, y0], [0., 1.], h), ([x, y1], [0., -1.], h)];
        for ([px, py], [dx, dy], long) in sides {
            let reach = (REACH * long).max(1.5);
            let through = (0..9).map(|i| {
                let off = (i as f32 / 4. - 1.) * reach;
                grey(frame, px + dx * off, py + dy * off)
            });
            hits += usize::from(spread(through) >= STEP * contrast);
        }
    }
    hits as f32 / 16.
}

fn spread(values: impl Iterator<Item = f32>) -> f32 {
    let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
    high - low
}

/// Brightness between pixels, 0 to 255; the nearest pixel outside the frame.
fn grey(frame: &Frame, x: f32, y: f32) -> f32 {
    let (x, y) = ((x - 0.5).clamp(0., frame.width as f32 - 1.), (y - 0.5).clamp(0., frame.height as f32 - 1.));
    let (i, j) = (x as usize, y as usize);
    let (u, v) = (x - i as f32, y - j as f32);
    let at = |i: usize, j: usize| {
        let start = (j.min(frame.height - 1) * frame.width + i.min(frame.width - 1)) * 3;
        frame.rgb[start..start + 3].iter().map(|&value| f32::from(value)).sum::<f32>() / 3.
    };
    let top = at(i, j) * (1. - u) + at(i + 1, j) * u;
    let low = at(i, j + 1) * (1. - u) + at(i + 1, j + 1) * u;
    top * (1. - v) + low * v
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(dark: impl Fn(f32, f32) -> bool) -> Frame {
        let pixel = |i: usize| if dark((i % 64) as f32 + 0.5, (i / 64) as f32 + 0.5) { [20u8; 3] } else { [240; 3] };
        let rgb: Vec<u8> = (0..64 * 64).flat_map(pixel).collect();
        Frame { width: 64, height: 64, rgb: rgb.into(), pixels: 64 * 64 }
    }

    #[test]
    fn a_square_is_straight_and_a_round_button_is_not() {
        let border = |d: f32| (8.5..10.).contains(&d);
        let square = frame(|x, y| border((x - 32.).abs().max((y - 32.).abs())));
        let round = frame(|x, y| border((x - 32.).hypot(y - 32.)));
        let rect = [22., 22., 42., 42.];
        assert!(straightness(&square, rect) > 0.9, "{}", straightness(&square, rect));
        assert!(straightness(&round, rect) <= 0.5, "{}", straightness(&round, rect));
        assert!(straightness(&frame(|_, _| false), rect) < 0.1);
    }
}
