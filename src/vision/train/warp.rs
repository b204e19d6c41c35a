//! Moves pixels along a plane map, with as many samples as shrinking needs.

use image::{Rgb, RgbImage};

use super::geometry::{Plane, Quad, Rect, hull_of, quad_of};

/// Reads a picture between its pixels; none outside.
fn sample(image: &RgbImage, x: f32, y: f32) -> Option<[f32; 3]> {
    let (w, h) = (image.width() as i32, image.height() as i32);
    let (x, y) = (x - 0.5, y - 0.5);
    let (i, j) = (x.floor(), y.floor());
    if i < -1. || j < -1. || i >= w as f32 || j >= h as f32 {
        return None;
    }
    let (u, v) = (x - i, y - j);
    let raw = image.as_raw();
    let at = |i: i32, j: i32| {
        let start = ((j.clamp(0, h - 1) * w + i.clamp(0, w - 1)) * 3) as usize;
        &raw[start..start + 3]
    };
    let (i, j) = (i as i32, j as i32);
    let (a, b, c, d) = (at(i, j), at(i + 1, j), at(i, j + 1), at(i + 1, j + 1));
    let weights = [(1. - u) * (1. - v), u * (1. - v), (1. - u) * v, u * v];
    Some(
        [0, 1, 2].map(|k| {
            f32::from(a[k]) * weights[0] + f32::from(b[k]) * weights[1] + f32::from(c[k]) * weights[2] + f32::from(d[k]) * weights[3]
        }),
    )
}

/// How many source pixels one target pixel spans about `at`, as a count of samples a side: 1 to 3.
fn samples(back: &Plane, at: [f32; 2]) -> i32 {
    let (a, b) = (back.apply(at), back.apply([at[0] + 1., at[1]]));
    ((b[0] - a[0]).hypot(b[1] - a[1]) + 0.3).clamp(1., 3.) as i32
}

/// Lays `sheet` over `ground` where `map` puts it.
pub fn lay(ground: &mut RgbImage, sheet: &RgbImage, map: &Plane) {
    let corners = quad_of([0., 0., sheet.width() as f32, sheet.height() as f32]).map(|p| map.apply(p));
    let (back, hull) = (map.inverse(), hull_of(&corners));
    fill(ground, sheet, &back, hull, None);
}

/// A picture of `width` x `height` cut out of `source` along `map` (source to target); `outside` where there is nothing.
#[must_use]
pub fn cut(source: &RgbImage, map: &Plane, width: u32, height: u32, outside: [u8; 3]) -> RgbImage {
    let mut target = RgbImage::new(width, height);
    fill(&mut target, source, &map.inverse(), [0., 0., width as f32, height as f32], Some(outside));
    target
}

fn fill(target: &mut RgbImage, source: &RgbImage, back: &Plane, [x0, y0, x1, y1]: Rect, outside: Option<[u8; 3]>) {
    let n = samples(back, [(x0 + x1) / 2., (y0 + y1) / 2.]);
    let (w, h) = (target.width() as f32, target.height() as f32);
    for y in y0.max(0.) as u32..y1.ceil().clamp(0., h) as u32 {
        for x in x0.max(0.) as u32..x1.ceil().clamp(0., w) as u32 {
            let (mut sum, mut hits) = ([0.; 3], 0.);
            for k in 0..n * n {
                let offset = [(k % n) as f32, (k / n) as f32].map(|o| (o + 0.5) / n as f32);
                let [sx, sy] = back.apply([x as f32 + offset[0], y as f32 + offset[1]]);
                if let Some(colour) = sample(source, sx, sy) {
                    hits += 1.;
                    (0..3).for_each(|c| sum[c] += colour[c]);
                }
            }
            if hits > 0. {
                target.put_pixel(x, y, Rgb(sum.map(|v| (v / hits + 0.5) as u8)));
            } else if let Some(outside) = outside {
                target.put_pixel(x, y, Rgb(outside));
            }
        }
    }
}

/// Darkens the inside of a convex quad by a factor.
pub fn shade(image: &mut RgbImage, quad: Quad, factor: f32) {
    change(image, quad, |v| (f32::from(v) * factor) as u8);
}

/// Turns the inside of a convex quad into its negative.
pub fn invert(image: &mut RgbImage, quad: Quad) {
    change(image, quad, |v| 255 - v);
}

fn change(image: &mut RgbImage, quad: Quad, to: impl Fn(u8) -> u8) {
    let [x0, y0, x1, y1] = hull_of(&quad);
    let (w, h) = (image.width() as f32, image.height() as f32);
    for y in y0.clamp(0., h) as u32..y1.clamp(0., h) as u32 {
        for x in x0.clamp(0., w) as u32..x1.clamp(0., w) as u32 {
            let inside = (0..4).all(|i| {
                let (a, b) = (quad[i], quad[(i + 1) % 4]);
                (b[0] - a[0]) * (y as f32 - a[1]) - (b[1] - a[1]) * (x as f32 - a[0]) >= 0.
            });
            if inside {
                let pixel = image.get_pixel_mut(x, y);
                pixel.0 = pixel.0.map(&to);
            }
        }
    }
}
