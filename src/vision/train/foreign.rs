//! Codes from programs that training never uses, for measuring: Debian's `zint`, `qrencode` and `iec16022`.

use std::process::Command;

use super::{codes::Modules, dice::Dice, words};

/// Codes drawn by other programs; empty where none of them is installed.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    /// QR codes.
    pub qr: Vec<Modules>,
    /// Data Matrix codes.
    pub data_matrix: Vec<Modules>,
    /// Barcodes and what they say.
    pub bars: Vec<(Modules, String)>,
}

/// Symbologies of zint by number, with the digits they need; 0 takes letters too.
const BARS: [(u32, usize); 9] = [(20, 0), (20, 0), (20, 0), (13, 12), (13, 12), (34, 11), (8, 0), (25, 0), (3, 10)];

impl Foreign {
    /// Calls the programs for `each` codes of every kind. Equal seeds give equal codes.
    #[must_use]
    pub fn collect(each: usize, seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let mut all = Self::default();
        for i in 0..each {
            let text = text(dice, 4., 120.);
            all.qr.extend(if i % 2 == 0 {
                drawn("zint", &["--direct", "--filetype=PNG", "-b", "58", "--scale=0.5", "-d", &text])
            } else {
                let level = *dice.pick(&["L", "M", "Q", "H"]);
                drawn("qrencode", &["-s", "1", "-m", "0", "-l", level, "-o", "-", &text])
            });
            let text = text_of(dice, 3., 160.);
            all.data_matrix.extend(match i % 4 {
                0 | 1 => drawn("zint", &["--direct", "--filetype=PNG", "-b", "71", "--scale=0.5", "--square", "-d", &text]),
                2 => drawn("zint", &["--direct", "--filetype=PNG", "-b", "71", "--scale=0.5", "--dmre", "-d", &text]),
                _ => printed(&text),
            });
            let (number, digits) = *dice.pick(&BARS);
            let length = dice.int(4, 12) as usize;
            let says: String =
                if digits > 0 { (0..digits).map(|_| *dice.pick(b"0123456789") as char).collect() } else { words::reference(dice, length) };
            let number = number.to_string();
            let code = drawn("zint", &["--direct", "--filetype=PNG", "-b", &number, "--scale=0.5", "--notext", "--height=20", "-d", &says]);
            all.bars.extend(code.map(|code| (first_row(&code), says)));
        }
        all
    }
}

fn text(dice: &mut Dice, low: f32, high: f32) -> String {
    if dice.chance(0.5) { words::contact(dice) } else { text_of(dice, low, high) }
}

fn text_of(dice: &mut Dice, low: f32, high: f32) -> String {
    let length = dice.log(low, high) as usize;
    words::reference(dice, length)
}

/// What a program draws as a PNG on its standard output, one pixel a module.
fn drawn(program: &str, arguments: &[&str]) -> Option<Modules> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let picture = image::load_from_memory(&output.stdout).ok()?.to_luma8();
    let width = picture.width() as usize;
    trimmed(&picture.pixels().map(|pixel| pixel.0[0] < 128).collect::<Vec<_>>(), width)
}

/// What iec16022 prints: a line of 0 and 1 for each row.
fn printed(text: &str) -> Option<Modules> {
    let output = Command::new("iec16022").args(["-f", "Text", "-c", text]).output().ok()?;
    let rows: Vec<&[u8]> = output.stdout.split(|&b| b == b'\n').filter(|row| row.len() > 7).collect();
    let width = rows.first()?.len();
    let dark: Vec<bool> = rows.iter().flat_map(|row| row.iter().map(|&b| b == b'1' || b == b'*')).collect();
    (dark.len() == width * rows.len()).then(|| trimmed(&dark, width))?
}

/// Without the light margin.
fn trimmed(dark: &[bool], width: usize) -> Option<Modules> {
    let places = || dark.iter().enumerate().filter(|(_, dark)| **dark).map(|(i, _)| (i % width, i / width));
    let (left, right) = (places().map(|p| p.0).min()?, places().map(|p| p.0).max()?);
    let (top, low) = (places().map(|p| p.1).min()?, places().map(|p| p.1).max()?);
    let (columns, rows) = (right - left + 1, low - top + 1);
    let at = |i: usize| dark[(top + i / columns) * width + left + i % columns];
    Some(Modules { columns, rows, dark: (0..columns * rows).map(at).collect() })
}

fn first_row(code: &Modules) -> Modules {
    let middle = code.rows / 2 * code.columns;
    Modules { columns: code.columns, rows: 1, dark: code.dark[middle..middle + code.columns].to_vec() }
}
