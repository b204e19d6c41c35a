//! Draws QR codes, Data Matrix codes and barcodes with real encoders.

use barcoders::sym::{codabar::Codabar, code39::Code39, code93::Code93, code128::Code128, ean8::EAN8, ean13::EAN13, tf::TF};
use datamatrix::{DataMatrix, SymbolList};
use qrcode::{EcLevel, QrCode};

use super::{
    canvas::{Canvas, Ink},
    dice::Dice,
    geometry::Rect,
    words,
};

/// Dark and light modules, row by row, without the quiet zone.
#[derive(Clone, Debug)]
pub struct Modules {
    /// Modules in a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// True where dark.
    pub dark: Vec<bool>,
}

/// A QR code of version 1 to about 10.
pub fn qr(dice: &mut Dice) -> Modules {
    let level = *dice.pick(&[EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H]);
    let length = dice.log(4., 120.) as usize;
    let data = if dice.chance(0.5) { words::contact(dice) } else { words::reference(dice, length) };
    let code = QrCode::with_error_correction_level(data, level).expect("120 characters fit any level");
    let columns = code.width();
    Modules { columns, rows: columns, dark: code.to_colors().iter().map(|c| *c == qrcode::Color::Dark).collect() }
}

/// A Data Matrix: square of one or several regions, or rectangular.
pub fn data_matrix(dice: &mut Dice) -> Modules {
    let length = dice.log(3., 160.) as usize;
    let data = words::reference(dice, length);
    let list = if dice.chance(0.88) { SymbolList::default().enforce_square() } else { SymbolList::default() };
    let code = DataMatrix::encode(data.as_bytes(), list).expect("160 characters fit a symbol of 52 modules");
    let bitmap = code.bitmap();
    let (columns, rows) = (bitmap.width(), bitmap.height());
    let mut dark = vec![false; columns * rows];
    for (x, y) in bitmap.pixels() {
        dark[y * columns + x] = true;
    }
    Modules { columns, rows, dark }
}

/// One row of bars in one of seven symbologies, and what it says.
pub fn bars(dice: &mut Dice) -> (Modules, String) {
    let digits = |dice: &mut Dice, n: usize| (0..n).map(|_| *dice.pick(b"0123456789") as char).collect::<String>();
    let length = dice.int(4, 14) as usize;
    let (text, encoded) = match dice.int(0, 9) {
        0..=2 => {
            let text = words::reference(dice, length);
            let encoded = Code128::new(format!("\u{0181}{text}")).map(|code| code.encode());
            (text, encoded)
        }
        3 | 4 => {
            let text = digits(dice, 12);
            let encoded = EAN13::new(&text).map(|code| code.encode());
            (text, encoded)
        }
        5 => {
            let text = digits(dice, 7);
            let encoded = EAN8::new(&text).map(|code| code.encode());
            (text, encoded)
        }
        6 => {
            let text = words::reference(dice, length.min(10));
            let encoded = Code39::new(&text).map(|code| code.encode());
            (text, encoded)
        }
        7 => {
            let text = words::reference(dice, length);
            let encoded = Code93::new(&text).map(|code| code.encode());
            (text, encoded)
        }
        8 => {
            let text = digits(dice, length);
            let encoded = Codabar::new(format!("A{text}B")).map(|code| code.encode());
            (text, encoded)
        }
        _ => {
            let text = digits(dice, length / 2 * 2);
            let encoded = TF::interleaved(&text).map(|code| code.encode());
            (text, encoded)
        }
    };
    let encoded = encoded.expect("the text is made of what the symbology takes");
    let first = encoded.iter().position(|&bar| bar == 1).unwrap_or(0);
    let last = encoded.iter().rposition(|&bar| bar == 1).unwrap_or(0);
    let dark: Vec<bool> = encoded[first..=last].iter().map(|&bar| bar == 1).collect();
    (Modules { columns: dark.len(), rows: 1, dark }, text)
}

/// The look of a code.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Colour of dark modules.
    pub dark: Ink,
    /// Colour of the patch below, quiet zone included.
    pub light: Ink,
    /// Round dots instead of squares.
    pub dots: bool,
    /// A patch in the middle, as with a company's sign.
    pub sign: bool,
    /// Quiet zone in modules.
    pub quiet: f32,
}

impl Look {
    /// Mostly black on white; sometimes coloured, inverted or dotted.
    pub fn pick(dice: &mut Dice) -> Self {
        let plain = dice.chance(0.6);
        let dark = if plain { [dice.int(0, 30) as u8; 3] } else { [0; 3].map(|_| dice.int(0, 110) as u8) };
        let light = if plain { [dice.int(235, 255) as u8; 3] } else { [0; 3].map(|_| dice.int(180, 255) as u8) };
        let (dark, light) = if dice.chance(0.06) { (light, dark) } else { (dark, light) };
        Self { dark, light, dots: dice.chance(0.08), sign: dice.chance(0.08), quiet: dice.float(1., 4.) }
    }
}

/// Draws a matrix code, `module` pixels a module, with its patch at `x`, `y`; gives the box without the quiet zone.
pub fn draw(canvas: &mut Canvas, code: &Modules, look: &Look, module: f32, x: f32, y: f32) -> Rect {
    let (w, h) = (code.columns as f32 * module, code.rows as f32 * module);
    let quiet = (look.quiet * module).round();
    canvas.fill([x, y, x + w + 2. * quiet, y + h + 2. * quiet], look.light, 1.);
    let (x, y) = (x + quiet, y + quiet);
    for (i, _) in code.dark.iter().enumerate().filter(|(_, dark)| **dark) {
        let (left, top) = (x + (i % code.columns) as f32 * module, y + (i / code.columns) as f32 * module);
        if look.dots && module >= 4. {
            canvas.disc(left + module / 2., top + module / 2., module * 0.48, look.dark, 1.);
        } else {
            canvas.fill([left, top, left + module, top + module], look.dark, 1.);
        }
    }
    if look.sign && code.rows == code.columns && code.rows > 20 {
        let (cx, cy, half) = (x + w / 2., y + h / 2., w * 0.11);
        canvas.rounded([cx - half, cy - half, cx + half, cy + half], half * 0.4, look.light, 1.);
        canvas.disc(cx, cy, half * 0.7, look.dark, 1.);
    }
    [x, y, x + w, y + h]
}

/// Draws bars `module` pixels a module wide and `tall` pixels high, with their patch at `x`, `y`; `upright` false lays them
/// on their side. Gives the box.
pub fn draw_bars(canvas: &mut Canvas, code: &Modules, look: &Look, [module, tall]: [f32; 2], [x, y]: [f32; 2], upright: bool) -> Rect {
    let long = code.columns as f32 * module;
    let quiet = (look.quiet * 2. * module).round();
    let swap = |[a, b, c, d]: Rect| if upright { [x + a, y + b, x + c, y + d] } else { [x + b, y + a, x + d, y + c] };
    let margin = (module * 2.).min(6.);
    canvas.fill(swap([0., 0., long + 2. * quiet, tall + 2. * margin]), look.light, 1.);
    for (i, _) in code.dark.iter().enumerate().filter(|(_, dark)| **dark) {
        let left = quiet + i as f32 * module;
        canvas.fill(swap([left, margin, left + module, margin + tall]), look.dark, 1.);
    }
    swap([quiet, margin, quiet + long, margin + tall])
}

/// Lengthens the guard bars of an EAN by `more` pixels below its box, into the row of its digits; other codes have none.
pub fn draw_guards(canvas: &mut Canvas, code: &Modules, look: &Look, module: f32, [left, _, _, low]: Rect, more: f32) {
    let columns: &[usize] = match code.columns {
        95 => &[0, 2, 46, 48, 92, 94],
        67 => &[0, 2, 32, 34, 64, 66],
        _ => &[],
    };
    for column in columns {
        let x = left + *column as f32 * module;
        canvas.fill([x, low, x + module, low + more], look.dark, 1.);
    }
}
