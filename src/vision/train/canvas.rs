//! A picture being drawn: blended rectangles, strokes, patches. No text and no codes here.

use image::{Rgb, RgbImage};

use super::geometry::Rect;

/// A colour.
pub type Ink = [u8; 3];

/// The mix of two colours; `t` = 0 gives `a`.
#[must_use]
pub fn mix(a: Ink, b: Ink, t: f32) -> Ink {
    [0, 1, 2].map(|i| (f32::from(a[i]) + (f32::from(b[i]) - f32::from(a[i])) * t).round() as u8)
}

/// How bright a colour looks, 0 to 255.
#[must_use]
pub fn luma([r, g, b]: Ink) -> f32 {
    0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)
}

/// The picture.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Its pixels.
    pub image: RgbImage,
}

impl Canvas {
    /// A blank sheet.
    #[must_use]
    pub fn new(width: u32, height: u32, paper: Ink) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb(paper)) }
    }

    /// Its size in pixels.
    #[must_use]
    pub fn size(&self) -> (f32, f32) {
        (self.image.width() as f32, self.image.height() as f32)
    }

    /// Puts `ink` over one pixel with `alpha` 0 to 1; outside the sheet nothing happens.
    pub fn blend(&mut self, x: i32, y: i32, ink: Ink, alpha: f32) {
        if x >= 0 && y >= 0 && (x as u32) < self.image.width() && (y as u32) < self.image.height() {
            let pixel = self.image.get_pixel_mut(x as u32, y as u32);
            pixel.0 = mix(pixel.0, ink, alpha);
        }
    }

    /// Colour at a pixel, the nearest one when outside.
    #[must_use]
    pub fn at(&self, x: f32, y: f32) -> Ink {
        let (w, h) = self.size();
        self.image.get_pixel(x.clamp(0., w - 1.) as u32, y.clamp(0., h - 1.) as u32).0
    }

    /// A filled rectangle on whole pixels.
    pub fn fill(&mut self, rect: Rect, ink: Ink, alpha: f32) {
        self.rounded(rect, 0., ink, alpha);
    }

    /// A filled rectangle with corners of this radius.
    pub fn rounded(&mut self, [x0, y0, x1, y1]: Rect, radius: f32, ink: Ink, alpha: f32) {
        let (w, h) = self.size();
        let radius = radius.min((x1 - x0) / 2.).min((y1 - y0) / 2.).max(0.);
        for y in y0.round().max(0.) as i32..y1.round().min(h) as i32 {
            for x in x0.round().max(0.) as i32..x1.round().min(w) as i32 {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let dx = (x0 + radius - px).max(px - x1 + radius).max(0.);
                let dy = (y0 + radius - py).max(py - y1 + radius).max(0.);
                let cover = if radius > 0. { (radius - dx.hypot(dy) + 0.5).clamp(0., 1.) } else { 1. };
                self.blend(x, y, ink, alpha * cover);
            }
        }
    }

    /// A disc.
    pub fn disc(&mut self, x: f32, y: f32, radius: f32, ink: Ink, alpha: f32) {
        self.rounded([x - radius, y - radius, x + radius, y + radius], radius, ink, alpha);
    }

    /// The border of a rectangle, `thick` pixels wide, inwards.
    pub fn frame(&mut self, [x0, y0, x1, y1]: Rect, thick: f32, ink: Ink) {
        self.fill([x0, y0, x1, y0 + thick], ink, 1.);
        self.fill([x0, y1 - thick, x1, y1], ink, 1.);
        self.fill([x0, y0, x0 + thick, y1], ink, 1.);
        self.fill([x1 - thick, y0, x1, y1], ink, 1.);
    }

    /// A rectangle whose colour runs from `a` to `b`, downwards or to the right.
    pub fn gradient(&mut self, [x0, y0, x1, y1]: Rect, a: Ink, b: Ink, down: bool) {
        let steps = if down { y1 - y0 } else { x1 - x0 }.max(1.) as i32;
        for i in 0..steps {
            let (ink, at) = (mix(a, b, i as f32 / steps as f32), i as f32);
            let strip = if down { [x0, y0 + at, x1, y0 + at + 1.] } else { [x0 + at, y0, x0 + at + 1., y1] };
            self.fill(strip, ink, 1.);
        }
    }

    /// A straight stroke with soft edges.
    pub fn stroke(&mut self, a: [f32; 2], b: [f32; 2], thick: f32, ink: Ink, alpha: f32) {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = (dx * dx + dy * dy).max(1e-6);
        let reach = thick / 2. + 1.;
        let (w, h) = self.size();
        for y in (a[1].min(b[1]) - reach).max(0.) as i32..(a[1].max(b[1]) + reach).min(h) as i32 {
            for x in (a[0].min(b[0]) - reach).max(0.) as i32..(a[0].max(b[0]) + reach).min(w) as i32 {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let t = (((px - a[0]) * dx + (py - a[1]) * dy) / length).clamp(0., 1.);
                let off = (px - a[0] - t * dx).hypot(py - a[1] - t * dy);
                let cover = (thick / 2. - off + 0.5).clamp(0., 1.);
                if cover > 0. {
                    self.blend(x, y, ink, alpha * cover);
                }
            }
        }
    }

    /// A horizontal rule from `x0` to `x1`, its top at `y`, of dashes and gaps so long; gap 0 draws it whole.
    pub fn rule(&mut self, [x0, x1, y]: [f32; 3], thick: f32, [dash, gap]: [f32; 2], ink: Ink) {
        let mut x = x0;
        while x < x1 {
            let end = if gap > 0. { (x + dash).min(x1) } else { x1 };
            self.fill([x, y, end, y + thick], ink, 1.);
            x = end + gap.max(0.01);
        }
    }

    /// Lays another picture on this one.
    pub fn paste(&mut self, other: &RgbImage, left: i32, top: i32) {
        image::imageops::replace(&mut self.image, other, i64::from(left), i64::from(top));
    }
}
