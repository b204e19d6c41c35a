//! Quads, and the plane maps that carry them from paper to picture.

/// Four corners in pixels, clockwise from the top left of the thing itself.
pub type Quad = [[f32; 2]; 4];

/// Left, top, right, bottom in pixels.
pub type Rect = [f32; 4];

/// The corners of an upright rectangle.
#[must_use]
pub fn quad_of([x0, y0, x1, y1]: Rect) -> Quad {
    [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
}

/// The upright rectangle round a set of points.
#[must_use]
pub fn hull_of(points: &[[f32; 2]]) -> Rect {
    points.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |[x0, y0, x1, y1], &[x, y]| [x0.min(x), y0.min(y), x1.max(x), y1.max(y)])
}

/// Square pixels inside a polygon.
#[must_use]
pub fn area_of(points: &[[f32; 2]]) -> f32 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f32>().abs() / 2.
}

/// What of a convex polygon lies inside `window` (Sutherland–Hodgman); empty when nothing does.
#[must_use]
pub fn clip(points: &[[f32; 2]], window: Rect) -> Vec<[f32; 2]> {
    let mut kept = points.to_vec();
    for (axis, limit, sign) in [(0, window[0], 1.), (1, window[1], 1.), (0, window[2], -1.), (1, window[3], -1.)] {
        let inside = |p: &[f32; 2]| (p[axis] - limit) * sign >= 0.;
        let mut next = Vec::with_capacity(kept.len() + 2);
        for (i, a) in kept.iter().enumerate() {
            let b = &kept[(i + 1) % kept.len()];
            if inside(a) {
                next.push(*a);
            }
            if inside(a) != inside(b) {
                let t = (limit - a[axis]) / (b[axis] - a[axis]);
                next.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
            }
        }
        kept = next;
    }
    kept
}

/// A projective map of the plane, row-major 3x3.
#[derive(Clone, Copy, Debug)]
pub struct Plane(pub [f32; 9]);

impl Plane {
    /// Scale, then turn by `radians` (clockwise on screen), about `from`, which lands on `to`.
    #[must_use]
    pub fn turn(from: [f32; 2], to: [f32; 2], scale: f32, radians: f32) -> Self {
        let (s, c) = (radians.sin() * scale, radians.cos() * scale);
        Self([c, -s, to[0] - c * from[0] + s * from[1], s, c, to[1] - s * from[0] - c * from[1], 0., 0., 1.])
    }

    /// The map that takes the corners of a `width` x `height` sheet to `quad`.
    #[must_use]
    pub fn onto(width: f32, height: f32, quad: Quad) -> Self {
        // Heckbert's square-to-quad, with the sheet's size multiplied in.
        let [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = quad;
        let (dx1, dx2, dx3) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
        let (dy1, dy2, dy3) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
        let denominator = dx1 * dy2 - dx2 * dy1;
        let g = (dx3 * dy2 - dx2 * dy3) / denominator;
        let h = (dx1 * dy3 - dx3 * dy1) / denominator;
        Self([
            (x1 - x0 + g * x1) / width,
            (x3 - x0 + h * x3) / height,
            x0,
            (y1 - y0 + g * y1) / width,
            (y3 - y0 + h * y3) / height,
            y0,
            g / width,
            h / height,
            1.,
        ])
    }

    /// Where a point goes.
    #[must_use]
    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let m = &self.0;
        let w = m[6] * x + m[7] * y + m[8];
        [(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w]
    }

    /// First `self`, then `next`.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let mut product = [0.; 9];
        for (i, cell) in product.iter_mut().enumerate() {
            *cell = (0..3).map(|k| next.0[i / 3 * 3 + k] * self.0[k * 3 + i % 3]).sum();
        }
        Self(product)
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let adjugate = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let scale = 1. / adjugate[8];
        Self(adjugate.map(|v| v * scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_goes_onto_its_quad_and_back() {
        let quad = [[10., 20.], [210., 35.], [190., 140.], [5., 120.]];
        let map = Plane::onto(300., 100., quad);
        for (from, to) in quad_of([0., 0., 300., 100.]).into_iter().zip(quad) {
            let there = map.apply(from);
            let back = map.inverse().apply(there);
            assert!((there[0] - to[0]).abs() < 0.01 && (there[1] - to[1]).abs() < 0.01, "{there:?} is not {to:?}");
            assert!((back[0] - from[0]).abs() < 0.05 && (back[1] - from[1]).abs() < 0.05, "{back:?} is not {from:?}");
        }
    }

    #[test]
    fn clipping_keeps_what_is_inside() {
        let square = quad_of([-10., -10., 10., 10.]);
        assert_eq!(area_of(&clip(&square, [0., 0., 100., 100.])), 100.);
        assert!(clip(&square, [50., 50., 100., 100.]).is_empty());
    }
}
