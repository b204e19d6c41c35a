//! A sheet with things on it, and where they are: what every layout writes on.

use super::{
    canvas::{Canvas, Ink, luma, mix},
    codes::{self, Look},
    decoys,
    dice::Dice,
    fonts::Face,
    geometry::{Plane, Quad, Rect, quad_of},
    material::Material,
    text::{self, Style},
    words::{self, Script},
};

/// The classes, in the order of the network's channels.
pub const CLASSES: [&str; 5] = ["text_line", "qr_code", "barcode", "data_matrix", "checkbox"];
/// Channel of a line of text.
pub const TEXT: usize = 0;
/// Channel of a QR code.
pub const QR: usize = 1;
/// Channel of a barcode.
pub const BARCODE: usize = 2;
/// Channel of a Data Matrix.
pub const DATA_MATRIX: usize = 3;
/// Channel of a box to tick.
pub const CHECKBOX: usize = 4;

/// A thing to find.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Which: an index into [`CLASSES`].
    pub class: usize,
    /// Where, in pixels of the picture.
    pub quad: Quad,
    /// Modules along the top and down the side; 0 where there are none to tell apart.
    pub modules: [usize; 2],
}

impl Object {
    /// A thing without modules.
    #[must_use]
    pub fn plain(class: usize, rect: Rect) -> Self {
        Self { class, quad: quad_of(rect), modules: [0; 2] }
    }

    /// The same thing where `map` puts it.
    #[must_use]
    pub fn moved(&self, map: &Plane) -> Self {
        Self { quad: self.quad.map(|p| map.apply(p)), ..*self }
    }

    /// Length of its top (0) or side (1), averaged with the one opposite.
    #[must_use]
    pub fn side(&self, which: usize) -> f32 {
        let q = &self.quad;
        let length = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        (length(q[which], q[which + 1]) + length(q[which + 2], q[(which + 3) % 4])) / 2.
    }

    /// Pixels a module is wide; infinite where there are none.
    #[must_use]
    pub fn module(&self) -> f32 {
        let each = |i: usize| if self.modules[i] > 0 { self.side(i) / self.modules[i] as f32 } else { f32::INFINITY };
        each(0).min(each(1))
    }
}

/// A picture being laid out.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// What is drawn so far.
    pub canvas: Canvas,
    /// What is to be found on it.
    pub objects: Vec<Object>,
    /// The fonts and encoders to draw with.
    pub material: &'a Material,
}

impl<'a> Sheet<'a> {
    /// An empty one.
    #[must_use]
    pub fn new(material: &'a Material, width: f32, height: f32, paper: Ink) -> Self {
        Self { canvas: Canvas::new(width as u32, height as u32, paper), objects: Vec::new(), material }
    }

    /// Writes a line and notes it; gives the x where it ends.
    pub fn line(&mut self, style: &Style<'_>, x: f32, y: f32, text: &str) -> f32 {
        let Some(rect) = text::write(&mut self.canvas, style, x, y, text) else { return x };
        self.objects.push(Object::plain(TEXT, rect));
        rect[2]
    }

    /// The same, ending at `right`.
    pub fn line_right(&mut self, style: &Style<'_>, right: f32, y: f32, text: &str) {
        self.line(style, right - style.width(text), y, text);
    }

    /// The same, about `middle`.
    pub fn line_centred(&mut self, style: &Style<'_>, middle: f32, y: f32, text: &str) {
        self.line(style, middle - style.width(text) / 2., y, text);
    }

    /// Fills `rect` with running text; gives the y under its last line.
    pub fn paragraph(&mut self, dice: &mut Dice, style: &Style<'_>, script: Script, rect: Rect, lines: i32) -> f32 {
        let pitch = style.height() * dice.float(1.1, 1.6);
        let (centred, mut y) = (dice.chance(0.1), rect[1]);
        // As in an editor: each line with its number, far enough to be a line of its own.
        let first = (dice.chance(0.15) && rect[2] - rect[0] > style.em * 9.).then(|| dice.int(1, 90));
        let rect = first.map_or(rect, |_| [rect[0] + style.em * 2.4, rect[1], rect[2], rect[3]]);
        let letters = ((rect[2] - rect[0]) / style.em * 3.) as usize + 2;
        for i in 0..lines {
            if y + style.height() > rect[3] {
                break;
            }
            let room = (rect[2] - rect[0]) * if i + 1 == lines { dice.float(0.15, 0.9) } else { 1. };
            let text = style.fit(&script.sentence(dice, letters), room);
            if let Some(first) = first {
                self.line_right(style, rect[0] - style.em * 0.9, y, &(first + i).to_string());
            }
            if centred {
                self.line_centred(style, (rect[0] + rect[2]) / 2., y, &text);
            } else {
                self.line(style, rect[0], y, &text);
            }
            y += pitch;
        }
        y
    }

    /// A code of any kind inside `rect`, as large as `fill` of it allows; gives its box with the quiet zone.
    pub fn code(&mut self, dice: &mut Dice, rect: Rect, fill: f32) -> Rect {
        let tried = self.objects.len();
        let first = dice.int(0, 2);
        let place = match first {
            0 => self.matrix(dice, QR, rect, fill),
            1 => self.matrix(dice, DATA_MATRIX, rect, fill),
            _ => self.bars(dice, rect, fill),
        };
        if self.objects.len() > tried {
            return place;
        }
        // What has no room there gives way to a smaller kind.
        if first == 1 { self.matrix(dice, QR, rect, fill) } else { self.matrix(dice, DATA_MATRIX, rect, fill) }
    }

    /// A QR code or Data Matrix at the top left of `rect`.
    pub fn matrix(&mut self, dice: &mut Dice, class: usize, rect: Rect, fill: f32) -> Rect {
        let code = if class == QR { self.material.qr(dice) } else { self.material.data_matrix(dice) };
        let look = Look::pick(dice);
        let modules = code.columns.max(code.rows) as f32 + 2. * look.quiet;
        let module = ((rect[2] - rect[0]).min(rect[3] - rect[1]) * fill / modules).clamp(1.4, 14.);
        let module = if module > 2.5 { module.floor() } else { module };
        if modules * module > (rect[2] - rect[0]).min(rect[3] - rect[1]) * 1.02 {
            return [rect[0], rect[1], rect[0], rect[1]];
        }
        let place = codes::draw(&mut self.canvas, &code, &look, module, rect[0], rect[1]);
        self.objects.push(Object { modules: [code.columns, code.rows], ..Object::plain(class, place) });
        let quiet = look.quiet * module;
        [rect[0], rect[1], place[2] + quiet, place[3] + quiet]
    }

    /// A barcode at the top left of `rect`, one in seven on its side, often with its text under it.
    pub fn bars(&mut self, dice: &mut Dice, rect: Rect, fill: f32) -> Rect {
        let (code, says) = self.material.bars(dice);
        let look = Look { sign: false, dots: false, ..Look::pick(dice) };
        let upright = dice.chance(0.86);
        let (w, h) = (rect[2] - rect[0], rect[3] - rect[1]);
        let (room, across) = if upright { (w, h) } else { (h, w) };
        let module = (room * fill / (code.columns as f32 + 4. * look.quiet)).min(4.);
        if module < 0.9 || across < 16. {
            return [rect[0], rect[1], rect[0], rect[1]];
        }
        let module = if module > 1.8 { module.floor() } else { module.max(1.) };
        let long = code.columns as f32 * module;
        let tall = (long * dice.log(0.12, 0.8)).clamp(12., across * 0.8);
        let place = codes::draw_bars(&mut self.canvas, &code, &look, [module, tall], [rect[0], rect[1]], upright);
        let modules = if upright { [code.columns, 0] } else { [0, code.columns] };
        self.objects.push(Object { modules, ..Object::plain(BARCODE, place) });
        let mut low = place[3] + 6.;
        if upright && dice.chance(0.6) {
            let face = self.material.fonts.pick(dice);
            let style = Style::new(face, (tall * 0.25).clamp(9., 22.), look.dark);
            let text = style.fit(&says, long);
            if low + style.height() < rect[3] {
                let patch = [place[0] - 4., low - 6., place[2] + 4., low + style.height() + 2.];
                self.canvas.fill(patch, look.light, 1.);
                self.line_centred(&style, (place[0] + place[2]) / 2., low - 2., &text);
                if dice.chance(0.5) {
                    codes::draw_guards(&mut self.canvas, &code, &look, module, place, style.height() * 0.6);
                }
                low += style.height();
            }
        }
        [rect[0], rect[1], place[2] + look.quiet * 2. * module, low]
    }

    /// Something that is nothing.
    pub fn decoy(&mut self, dice: &mut Dice, rect: Rect, ink: Ink) {
        decoys::decoy(&mut self.canvas, dice, rect, ink);
    }

    /// A face and a script that it can write.
    pub fn voice(&self, dice: &mut Dice) -> (&'a Face, Script) {
        let face = self.material.fonts.pick(dice);
        (face, Script::pick(dice, face.scripts()))
    }
}

/// An ink that can be read on `paper`: mostly near black or white, sometimes coloured, sometimes pale.
pub fn ink_on(dice: &mut Dice, paper: Ink) -> Ink {
    let far: Ink = if luma(paper) > 128. { [0; 3] } else { [255; 3] };
    match dice.int(0, 9) {
        0..=5 => mix(far, paper, dice.float(0., 0.25)),
        6 | 7 => mix(far, paper, dice.float(0.25, 0.6)),
        _ => {
            let colour = dice.colour();
            if (luma(colour) - luma(paper)).abs() > 70. { colour } else { far }
        }
    }
}

/// White, off-white or, seldom, coloured paper.
pub fn paper(dice: &mut Dice) -> Ink {
    if dice.chance(0.75) {
        let base = dice.int(225, 255);
        [0; 3].map(|_| (base + dice.int(-8, 8)).clamp(0, 255) as u8)
    } else {
        [0; 3].map(|_| dice.int(150, 255) as u8)
    }
}

/// A heading, a number or a reference: what a short free line says.
pub fn short_text(dice: &mut Dice, script: Script) -> String {
    let length = dice.int(4, 16) as usize;
    match dice.int(0, 9) {
        0..=4 => script.caption(dice),
        5 | 6 => words::number(dice),
        7 => words::reference(dice, length),
        8 => words::contact(dice),
        _ => script.sentence(dice, 30),
    }
}
