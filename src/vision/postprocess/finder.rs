//! Tells a QR code from a Data Matrix by what only a QR code has: squares in squares, 1:1:3:1:1 on every line through
//! their middle. The network finds codes well and mixes the two kinds up; this looks at the pixels of the few boxes it found.

use crate::vision::backend::Frame;

/// What the pixels of a code show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Distinct finder patterns: three on a whole QR code.
    pub finders: usize,
    /// Pixels a module is wide, about: below two, a missing pattern means nothing.
    pub module: f32,
}

/// Looks at `rect` of a frame (left, top, right, bottom in pixels).
#[must_use]
pub fn look(frame: &Frame, rect: [f32; 4]) -> Look {
    let Some(bits) = Bits::cut(frame, rect) else { return Look { finders: 0, module: 0. } };
    let mut centres: Vec<Centre> = Vec::new();
    let mut lengths = Vec::new();
    for y in 0..bits.height {
        let runs = runs((0..bits.width).map(|x| bits.dark(x, y)));
        lengths.extend(runs.iter().skip(1).map(|run| run.1));
        for five in runs.windows(5) {
            let Some(module) = finder([0, 1, 2, 3, 4].map(|i| five[i].1)) else { continue };
            let x = five[2].0 + five[2].1 / 2;
            if let Some(middle) = bits.crossed(x, y, module) {
                note(&mut centres, Centre { x: x as f32, y: middle, module, hits: 1 });
            }
        }
    }
    lengths.sort_unstable();
    let short = lengths.get(lengths.len() / 4).map_or(0., |&length| length as f32);
    let sure = |centre: &&Centre| centre.hits >= 2 || centre.module < 2.;
    Look { finders: centres.iter().filter(sure).count(), module: short }
}

#[derive(Clone, Copy, Debug)]
struct Centre {
    x: f32,
    y: f32,
    module: f32,
    hits: usize,
}

fn note(centres: &mut Vec<Centre>, new: Centre) {
    let near = |old: &&mut Centre| (old.x - new.x).hypot(old.y - new.y) < 4. * old.module;
    match centres.iter_mut().find(near) {
        Some(old) => old.hits += 1,
        None => centres.push(new),
    }
}

/// The module's width if five runs stand 1:1:3:1:1.
fn finder(runs: [usize; 5]) -> Option<f32> {
    let module = runs.iter().sum::<usize>() as f32 / 7.;
    let fits = |(i, &run): (usize, &usize)| {
        // The middle is told from two or four modules, the arms only from two: ink and light bleed by a pixel.
        let (wanted, slack) = if i == 2 { (3. * module, 0.4) } else { (module, 0.5) };
        (run as f32 - wanted).abs() <= slack * module + 0.4
    };
    (module >= 1. && runs.iter().enumerate().all(fits)).then_some(module)
}

/// Start and length of each run of equal bits.
fn runs(bits: impl Iterator<Item = bool>) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut last = None;
    for (i, bit) in bits.enumerate() {
        match runs.last_mut() {
            Some(run) if last == Some(bit) => run.1 += 1,
            _ => runs.push((i, 1)),
        }
        last = Some(bit);
    }
    runs
}

/// A piece of a frame in black and white, each pixel compared with the mean about it.
struct Bits {
    width: usize,
    height: usize,
    dark: Vec<bool>,
}

impl Bits {
    fn cut(frame: &Frame, [x0, y0, x1, y1]: [f32; 4]) -> Option<Self> {
        let pad = 0.04 * (x1 - x0).max(y1 - y0) + 1.;
        let (left, top) = ((x0 - pad).max(0.) as usize, (y0 - pad).max(0.) as usize);
        let (right, low) = (((x1 + pad) as usize).min(frame.width), ((y1 + pad) as usize).min(frame.height));
        let (width, height) = (right.checked_sub(left)?, low.checked_sub(top)?);
        if width < 12 || height < 12 {
            return None;
        }
        let grey = |x: usize, y: usize| {
            let at = ((top + y) * frame.width + left + x) * 3;
            frame.rgb[at..at + 3].iter().map(|&v| u64::from(v)).sum::<u64>()
        };
        // Sums over everything above and to the left, for the mean of any rectangle in four look-ups.
        let mut sums = vec![0u64; (width + 1) * (height + 1)];
        for y in 0..height {
            for x in 0..width {
                let at = (y + 1) * (width + 1) + x + 1;
                sums[at] = grey(x, y) + sums[at - 1] + sums[at - width - 1] - sums[at - width - 2];
            }
        }
        let reach = (width.max(height) * 3 / 20).max(4);
        let mean = |x: usize, y: usize| {
            let (a, b) = (x.saturating_sub(reach), (x + reach + 1).min(width));
            let (c, d) = (y.saturating_sub(reach), (y + reach + 1).min(height));
            let at = |x: usize, y: usize| sums[y * (width + 1) + x];
            (at(b, d) + at(a, c) - at(b, c) - at(a, d)) / ((b - a) * (d - c)) as u64
        };
        let dark = (0..width * height).map(|i| grey(i % width, i / width) < mean(i % width, i / width)).collect();
        Some(Self { width, height, dark })
    }

    fn dark(&self, x: usize, y: usize) -> bool {
        self.dark[y * self.width + x]
    }

    /// The middle, downwards, of a pattern of about the same module that the column `x` shows through row `y`.
    fn crossed(&self, x: usize, y: usize, module: f32) -> Option<f32> {
        let runs = runs((0..self.height).map(|y| self.dark(x, y)));
        let middle = runs.iter().position(|run| run.0 <= y && y < run.0 + run.1)?;
        let five = runs.get(middle.checked_sub(2)?..middle + 3)?;
        let found = finder([0, 1, 2, 3, 4].map(|i| five[i].1))?;
        let alike = found < module * 1.5 + 0.5 && module < found * 1.5 + 0.5;
        alike.then(|| five[2].0 as f32 + five[2].1 as f32 / 2.)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn frame(dark: &[bool], columns: usize, module: usize) -> Frame {
        let side = (columns + 8) * module;
        let mut rgb = vec![230; side * side * 3];
        for (i, _) in dark.iter().enumerate().filter(|(_, dark)| **dark) {
            let (x, y) = ((i % columns + 4) * module, (i / columns + 4) * module);
            for row in y..y + module {
                rgb[(row * side + x) * 3..(row * side + x + module) * 3].fill(20);
            }
        }
        Frame { width: side, height: side, rgb: Arc::from(rgb), pixels: 0 }
    }

    #[test]
    fn a_qr_code_has_three_finders_and_a_data_matrix_none() {
        for text in ["https://lensmeter.example/t/1", "0123456789", "some longer text that needs a larger symbol, with commas"] {
            let code = qrcode::QrCode::new(text).expect("it fits");
            let dark: Vec<bool> = code.to_colors().iter().map(|c| *c == qrcode::Color::Dark).collect();
            let picture = frame(&dark, code.width(), 4);
            let (from, to) = (16., picture.width as f32 - 16.);
            assert!(look(&picture, [from, from, to, to]).finders >= 3, "{text}");

            let list = datamatrix::SymbolList::default().enforce_square();
            let bitmap = datamatrix::DataMatrix::encode(text.as_bytes(), list).expect("it fits").bitmap();
            let mut dark = vec![false; bitmap.width() * bitmap.height()];
            bitmap.pixels().for_each(|(x, y)| dark[y * bitmap.width() + x] = true);
            let picture = frame(&dark, bitmap.width(), 4);
            let to = picture.width as f32 - 16.;
            let seen = look(&picture, [16., 16., to, to]);
            assert!(seen.finders < 2 && seen.module >= 3., "{text}: {seen:?}");
        }
    }
}
