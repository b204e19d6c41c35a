//! Draws boxes to tick: empty, ticked, crossed, filled, half-chosen; drawn, printed as a character, or marked by hand.

use ab_glyph::{Font, point};

use super::{
    canvas::{Canvas, Ink, luma, mix},
    dice::Dice,
    fonts::Face,
    geometry::Rect,
};

/// How the boxes of one form look.
#[derive(Clone, Copy, Debug)]
pub struct Tickbox {
    /// Pixels a side.
    pub side: f32,
    /// Colour of border and mark.
    pub ink: Ink,
    /// Colour of a chosen box that is filled, as programs draw them.
    pub accent: Ink,
    border: f32,
    radius: f32,
    /// Chosen boxes are filled with `accent` and carry a pale mark.
    filled: bool,
    /// Marks are made by hand and may leave the box.
    by_hand: bool,
    mark: i32,
}

impl Tickbox {
    /// A style for boxes of `side` pixels in `ink`.
    pub fn pick(dice: &mut Dice, side: f32, ink: Ink, accent: Ink) -> Self {
        let side = side.round().max(7.);
        let border = if dice.chance(0.6) { 1. } else { (side * dice.float(0.04, 0.16)).max(1.) };
        let radius = if dice.chance(0.5) { 0. } else { side * dice.float(0.08, 0.3) };
        let by_hand = dice.chance(0.25);
        Self { side, ink, accent, border, radius, filled: !by_hand && dice.chance(0.4), by_hand, mark: dice.int(0, 6) }
    }

    /// Draws one with its top left at `x`, `y`; gives its border's box, which a mark by hand may leave.
    pub fn draw(&self, canvas: &mut Canvas, dice: &mut Dice, x: f32, y: f32, chosen: bool) -> Rect {
        let (x, y) = (x.round(), y.round());
        let rect = [x, y, x + self.side, y + self.side];
        let ground = canvas.at(x + self.side / 2., y + self.side / 2.);
        let inset = |by: f32| [x + by, y + by, x + self.side - by, y + self.side - by];
        if chosen && self.filled {
            canvas.rounded(rect, self.radius, self.accent, 1.);
            let pale = if luma(self.accent) > 150. { [20; 3] } else { [250; 3] };
            self.mark(canvas, dice, rect, pale);
            return rect;
        }
        let inside = if dice.chance(0.5) { ground } else { mix(ground, if luma(ground) > 100. { [255; 3] } else { [90; 3] }, 0.6) };
        canvas.rounded(rect, self.radius, self.ink, 1.);
        canvas.rounded(inset(self.border), (self.radius - self.border).max(0.), inside, 1.);
        if chosen {
            let pen = if self.by_hand && dice.chance(0.6) { *dice.pick(&[[20, 40, 160], [10, 10, 10], [160, 20, 30]]) } else { self.ink };
            self.mark(canvas, dice, rect, pen);
        }
        rect
    }

    /// The mark inside a chosen box.
    fn mark(&self, canvas: &mut Canvas, dice: &mut Dice, [x, y, _, _]: Rect, ink: Ink) {
        let side = self.side;
        let thick = (side * dice.float(0.07, 0.17)).max(1.);
        let wild = if self.by_hand { side * 0.22 } else { 0. };
        let mut at = |u: f32, v: f32| [x + u * side + dice.normal() * wild * 0.6, y + v * side + dice.normal() * wild * 0.6];
        let (far, near): (f32, f32) = if self.by_hand { (1.15, -0.15) } else { (0.8, 0.2) };
        let strokes: Vec<[[f32; 2]; 2]> = match self.mark {
            0..=2 => {
                let (a, b, c) = (at(0.2, 0.52), at(0.42, 0.75), at(far.max(0.8), near.min(0.26)));
                vec![[a, b], [b, c]]
            }
            3 | 4 => vec![[at(near, near), at(far, far)], [at(far, near), at(near, far)]],
            5 => vec![[at(0.22, 0.5), at(0.78, 0.5)]],
            _ => {
                canvas.rounded([x + side * 0.25, y + side * 0.25, x + side * 0.75, y + side * 0.75], self.radius * 0.5, ink, 1.);
                vec![]
            }
        };
        strokes.iter().for_each(|[a, b]| canvas.stroke(*a, *b, thick, ink, 1.));
    }
}

/// The character for a box in a font that has it, about `side` pixels high; gives the box of its ink.
pub fn character(canvas: &mut Canvas, dice: &mut Dice, face: &Face, [x, y]: [f32; 2], side: f32, ink: Ink) -> Option<Rect> {
    let id = face.glyph(*dice.pick(&['☐', '☐', '☑', '☒']))?;
    let unit = face.font().outline_glyph(id.with_scale_and_position(face.scale(100.), point(0., 0.)))?.px_bounds();
    let em = side * 100. / unit.height().max(1.);
    let origin = point(x - unit.min.x * em / 100., y - unit.min.y * em / 100.);
    let outlined = face.font().outline_glyph(id.with_scale_and_position(face.scale(em), origin))?;
    let bounds = outlined.px_bounds();
    outlined.draw(|gx, gy, cover| {
        if cover > 0.01 {
            canvas.blend(bounds.min.x as i32 + gx as i32, bounds.min.y as i32 + gy as i32, ink, cover.min(1.));
        }
    });
    // A tick may stand out of its box in some fonts; those are wider than high by more than a hair.
    let square = (bounds.width() / bounds.height() - 1.).abs() < 0.2;
    square.then_some([bounds.min.x, bounds.min.y, bounds.max.x, bounds.max.y])
}

/// A mark that is a letter or a sign of a font, in the middle of a box.
pub fn sign(canvas: &mut Canvas, dice: &mut Dice, face: &Face, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let signs = ['✓', '✔', '✗', '✘', '✕', 'x', 'X', '×'];
    let able: Vec<_> = signs.iter().filter_map(|&c| face.glyph(c)).collect();
    let Some(&id) = able.get(dice.index(able.len().max(1))) else { return };
    let at = |em: f32, [x, y]: [f32; 2]| face.font().outline_glyph(id.with_scale_and_position(face.scale(em), point(x, y)));
    let Some(unit) = at(100., [0., 0.]).map(|outlined| outlined.px_bounds()) else { return };
    let em = (x1 - x0) * dice.float(0.5, 0.95) * 100. / unit.height().max(unit.width()).max(1.);
    let middle = [(unit.min.x + unit.max.x) / 200. * em, (unit.min.y + unit.max.y) / 200. * em];
    let Some(outlined) = at(em, [(x0 + x1) / 2. - middle[0], (y0 + y1) / 2. - middle[1]]) else { return };
    let bounds = outlined.px_bounds();
    outlined.draw(|gx, gy, cover| canvas.blend(bounds.min.x as i32 + gx as i32, bounds.min.y as i32 + gy as i32, ink, cover.min(1.)));
}

/// A round button of a choice of one: what a box to tick is not.
pub fn radio(canvas: &mut Canvas, dice: &mut Dice, x: f32, y: f32, side: f32, ink: Ink) {
    let (r, ground) = (side / 2., canvas.at(x + side / 2., y + side / 2.));
    canvas.disc(x + r, y + r, r, ink, 1.);
    canvas.disc(x + r, y + r, r - (side * 0.08).max(1.), ground, 1.);
    if dice.chance(0.4) {
        canvas.disc(x + r, y + r, r * 0.5, ink, 1.);
    }
}

/// A switch: a pill with a knob.
pub fn switch(canvas: &mut Canvas, dice: &mut Dice, x: f32, y: f32, side: f32, ink: Ink) {
    let on = dice.chance(0.5);
    let wide = side * dice.float(1.7, 2.1);
    canvas.rounded([x, y, x + wide, y + side], side / 2., ink, if on { 1. } else { 0.4 });
    let knob = if on { x + wide - side / 2. } else { x + side / 2. };
    canvas.disc(knob, y + side / 2., side * 0.4, [250; 3], 1.);
}
