//! What lies under the things to find: textures that have stripes, grids and grain of their own.

use image::Rgb;

use super::{
    canvas::{Canvas, Ink, mix},
    dice::Dice,
};

/// Covers the whole sheet with a texture: plain, gradient, cloudy, wood, weave, tiles, stripes or a blurred scene.
pub fn texture(canvas: &mut Canvas, dice: &mut Dice) {
    let (w, h) = canvas.size();
    // Tables, walls and cloth are seldom of a pure colour.
    let grey = [dice.int(0, 255) as u8; 3];
    let a = mix(grey, dice.colour(), dice.float(0., 0.7));
    let b = mix(a, dice.colour(), dice.float(0.1, 0.6));
    match dice.int(0, 8) {
        0 => canvas.fill([0., 0., w, h], a, 1.),
        1 => canvas.gradient([0., 0., w, h], a, b, dice.chance(0.5)),
        2 | 3 => cloud(canvas, dice, a, b),
        4 | 5 => wood(canvas, dice, a, b),
        6 => weave(canvas, dice, a, b),
        7 => tiles(canvas, dice, a, b),
        _ => {
            cloud(canvas, dice, a, b);
            for _ in 0..dice.int(3, 12) {
                blob(canvas, dice);
            }
        }
    }
    if dice.chance(0.5) {
        grain(canvas, dice);
    }
}

/// Smooth noise of several scales between two colours.
fn cloud(canvas: &mut Canvas, dice: &mut Dice, a: Ink, b: Ink) {
    let mut layers = Vec::new();
    let mut cell = dice.log(30., 300.);
    let mut weight = 1.;
    while cell > 3. && layers.len() < 4 {
        layers.push((Lattice::new(dice, canvas.size(), cell), weight));
        cell /= dice.float(2., 4.);
        weight *= dice.float(0.3, 0.7);
    }
    let total: f32 = layers.iter().map(|(_, weight)| weight).sum();
    for (x, y, pixel) in canvas.image.enumerate_pixels_mut() {
        let value: f32 = layers.iter().map(|(layer, weight)| layer.at(x as f32, y as f32) * weight).sum();
        *pixel = Rgb(mix(a, b, value / total));
    }
}

/// Long streaks with knots of noise, across or down.
fn wood(canvas: &mut Canvas, dice: &mut Dice, a: Ink, b: Ink) {
    let size = canvas.size();
    let (across, fine) = (dice.chance(0.5), dice.log(2., 14.));
    let stretch = dice.float(15., 60.);
    let streaks = Lattice::new(dice, size, fine);
    let bend = Lattice::new(dice, size, 150.);
    let amount = dice.float(0., 60.);
    for (x, y, pixel) in canvas.image.enumerate_pixels_mut() {
        let (x, y) = (x as f32, y as f32);
        let (along, over) = if across { (x, y) } else { (y, x) };
        let value = streaks.at(along / stretch, over + bend.at(x, y) * amount);
        *pixel = Rgb(mix(a, b, value));
    }
}

/// Threads over and under, or a checked cloth.
fn weave(canvas: &mut Canvas, dice: &mut Dice, a: Ink, b: Ink) {
    let (px, py) = (dice.log(3., 40.), dice.log(3., 40.));
    let soft = dice.chance(0.5);
    for (x, y, pixel) in canvas.image.enumerate_pixels_mut() {
        let (u, v) = ((x as f32 / px * std::f32::consts::PI).sin(), (y as f32 / py * std::f32::consts::PI).sin());
        let value = if soft { (u * v + 1.) / 2. } else { f32::from(u8::from(u > 0.) + u8::from(v > 0.)) / 2. };
        *pixel = Rgb(mix(a, b, value));
    }
}

/// Bricks, keys of a keyboard, or graph paper.
fn tiles(canvas: &mut Canvas, dice: &mut Dice, a: Ink, b: Ink) {
    let (w, h) = canvas.size();
    canvas.fill([0., 0., w, h], a, 1.);
    let (tw, th) = (dice.log(12., 90.), dice.log(10., 70.));
    let (gap, radius, shift) = (dice.float(1., 6.), dice.float(0., 6.), if dice.chance(0.5) { tw / 2. } else { 0. });
    let mut y = 0.;
    let mut row = 0;
    while y < h {
        let mut x = if row % 2 == 1 { -shift } else { 0. };
        while x < w {
            let ink = mix(b, dice.colour(), 0.08);
            canvas.rounded([x, y, x + tw - gap, y + th - gap], radius, ink, 1.);
            x += tw;
        }
        y += th;
        row += 1;
    }
}

fn blob(canvas: &mut Canvas, dice: &mut Dice) {
    let (w, h) = canvas.size();
    let (x, y, radius) = (dice.float(0., w), dice.float(0., h), dice.log(10., 160.));
    let (ink, alpha) = (dice.colour(), dice.float(0.2, 1.));
    if dice.chance(0.5) {
        canvas.disc(x, y, radius, ink, alpha);
    } else {
        let tall = radius * dice.log(0.3, 2.);
        canvas.rounded([x - radius, y - tall, x + radius, y + tall], dice.float(0., 20.), ink, alpha);
    }
}

fn grain(canvas: &mut Canvas, dice: &mut Dice) {
    let strength = dice.float(2., 14.);
    for pixel in canvas.image.pixels_mut() {
        let change = dice.float(-strength, strength);
        pixel.0 = pixel.0.map(|v| (f32::from(v) + change).clamp(0., 255.) as u8);
    }
}

/// Random values on a grid, read smoothly between its points.
struct Lattice {
    cell: f32,
    columns: usize,
    values: Vec<f32>,
}

impl Lattice {
    fn new(dice: &mut Dice, (w, h): (f32, f32), cell: f32) -> Self {
        // A margin for textures that bend the coordinates.
        let columns = ((w + 100.) / cell) as usize + 3;
        let rows = ((h + 100.) / cell) as usize + 3;
        Self { cell, columns, values: (0..columns * rows).map(|_| dice.float(0., 1.)).collect() }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x / self.cell, y / self.cell);
        let (i, j) = (x as usize, y as usize);
        let smooth = |t: f32| t * t * (3. - 2. * t);
        let (u, v) = (smooth(x - i as f32), smooth(y - j as f32));
        let get = |i: usize, j: usize| self.values[(j * self.columns + i).min(self.values.len() - 1)];
        let top = get(i, j) * (1. - u) + get(i + 1, j) * u;
        let low = get(i, j + 1) * (1. - u) + get(i + 1, j + 1) * u;
        top * (1. - v) + low * v
    }
}
