//! Draws one line of text and says where it is.

use ab_glyph::{Font, ScaleFont, point};

use super::{
    canvas::{Canvas, Ink},
    fonts::Face,
    geometry::Rect,
};

/// How a line is set.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// Its font.
    pub face: &'a Face,
    /// Pixels per em.
    pub em: f32,
    /// Its colour.
    pub ink: Ink,
    /// Extra room between letters, in em.
    pub tracking: f32,
    /// 0 to 1; below 1 for watermarks and disabled buttons.
    pub alpha: f32,
}

impl<'a> Style<'a> {
    /// Solid and normally spaced.
    #[must_use]
    pub fn new(face: &'a Face, em: f32, ink: Ink) -> Self {
        Self { face, em, ink, tracking: 0., alpha: 1. }
    }

    /// Height of the band of a line in pixels: what its box will be high.
    #[must_use]
    pub fn height(&self) -> f32 {
        let (above, below) = self.face.band();
        (above + below) * self.em
    }

    /// Advance width of `text` in pixels.
    #[must_use]
    pub fn width(&self, text: &str) -> f32 {
        let font = self.face.font().as_scaled(self.face.scale(self.em));
        let advances = text.chars().filter_map(|c| self.face.glyph(c)).map(|id| font.h_advance(id) + self.tracking * self.em);
        advances.sum()
    }

    /// The longest beginning of `text`, cut between words where it has any, that is at most `room` pixels wide.
    #[must_use]
    pub fn fit(&self, text: &str, room: f32) -> String {
        let font = self.face.font().as_scaled(self.face.scale(self.em));
        let (mut width, mut end, mut space) = (0., 0, None);
        for (at, c) in text.char_indices() {
            if c == ' ' {
                space = Some(at);
            }
            width += self.face.glyph(c).map_or(0., |id| font.h_advance(id) + self.tracking * self.em);
            if width > room {
                return text[..space.unwrap_or(end)].to_owned();
            }
            end = at + c.len_utf8();
        }
        text.to_owned()
    }
}

/// Writes `text` with the top of its band at `y`, from `x`, and gives its box; none when nothing was inked.
///
/// The box is the ink from left to right and the font's band from top to bottom.
pub fn write(canvas: &mut Canvas, style: &Style<'_>, x: f32, y: f32, text: &str) -> Option<Rect> {
    let (above, below) = style.face.band();
    let baseline = y + above * style.em;
    let font = style.face.font().as_scaled(style.face.scale(style.em));
    let (mut pen, mut left, mut right) = (x, f32::MAX, f32::MIN);
    let mut last = None;
    for c in text.chars() {
        let Some(id) = style.face.glyph(c) else { continue };
        pen += last.map_or(0., |last| font.kern(last, id));
        last = Some(id);
        let glyph = id.with_scale_and_position(font.scale(), point(pen, baseline));
        pen += font.h_advance(id) + style.tracking * style.em;
        let Some(outlined) = style.face.font().outline_glyph(glyph) else { continue };
        let bounds = outlined.px_bounds();
        (left, right) = (left.min(bounds.min.x), right.max(bounds.max.x));
        let (dx, dy) = (bounds.min.x as i32, bounds.min.y as i32);
        outlined.draw(|gx, gy, cover| {
            if cover > 0.01 {
                canvas.blend(dx + gx as i32, dy + gy as i32, style.ink, (cover * style.alpha).min(1.));
            }
        });
    }
    (right > left).then_some([left, y, right, baseline + below * style.em])
}
