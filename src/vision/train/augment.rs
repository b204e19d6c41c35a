//! Cuts a training crop out of a scene: another scale, angle, light and quality each time.

use image::{RgbImage, codecs::jpeg::JpegEncoder};

use super::{
    dice::Dice,
    geometry::{Plane, hull_of},
    scene::Scene,
    sheet::{CLASSES, Object, TEXT},
    warp,
};

/// A `side` x `side` crop of `scene` with its objects; their quads may reach outside.
#[must_use]
pub fn augment(scene: &Scene, dice: &mut Dice, side: u32) -> Scene {
    let map = motion(scene, dice, side as f32);
    let outside = if dice.chance(0.5) { [0; 3].map(|_| dice.int(0, 255) as u8) } else { [127; 3] };
    let mut image = warp::cut(&scene.image, &map, side, side, outside);
    light(&mut image, dice);
    if dice.chance(0.2) {
        let sigma = dice.float(0.3, 1.1);
        image = image::imageops::fast_blur(&image, sigma);
    }
    if dice.chance(0.3) {
        noise(&mut image, dice);
    }
    if dice.chance(0.35) {
        image = through_jpeg(image, dice.int(25, 90) as u8);
    }
    let objects = scene.objects.iter().map(|object| object.moved(&map));
    let frame = side as f32;
    let near = |o: &Object| {
        let [x0, y0, x1, y1] = hull_of(&o.quad);
        x1 > 0. && y1 > 0. && x0 < frame && y0 < frame
    };
    Scene { image, objects: objects.filter(near).collect() }
}

/// Scale, angle and lean of the crop; it looks at a thing four times out of five, at all kinds of
/// code and at boxes to tick more often than at lines.
fn motion(scene: &Scene, dice: &mut Dice, side: f32) -> Plane {
    let scale = dice.log(0.55, 1.7);
    let degrees = match dice.int(0, 19) {
        0..=11 => 0.,
        12..=16 => dice.float(-3., 3.),
        17 | 18 => dice.float(-10., 10.),
        _ => 90. * dice.int(1, 3) as f32 + dice.float(-2., 2.),
    };
    let (w, h) = (scene.image.width() as f32, scene.image.height() as f32);
    let rare: Vec<usize> = (TEXT + 1..CLASSES.len()).filter(|&class| scene.objects.iter().any(|o| o.class == class)).collect();
    let centre = if !rare.is_empty() && dice.chance(0.6) {
        let class = *dice.pick(&rare);
        let alike: Vec<&Object> = scene.objects.iter().filter(|o| o.class == class).collect();
        middle(alike[dice.index(alike.len())])
    } else if !scene.objects.is_empty() && dice.chance(0.6) {
        middle(dice.pick(&scene.objects))
    } else {
        [dice.float(0., w), dice.float(0., h)]
    };
    // The crop stays mostly on the scene, and the thing anywhere in the crop.
    let half = side / scale / 2.;
    let place = |c: f32, whole: f32, dice: &mut Dice| {
        let wanted = c + dice.float(-half, half) * 0.8;
        if half * 2. < whole { wanted.clamp(half, whole - half) } else { whole / 2. + dice.float(-0.2, 0.2) * half }
    };
    let centre = [place(centre[0], w, dice), place(centre[1], h, dice)];
    let turn = Plane::turn(centre, [side / 2.; 2], scale, degrees.to_radians());
    if dice.chance(0.8) {
        return turn;
    }
    let lean = side * 0.05;
    let corners = [[0., 0.], [side, 0.], [side, side], [0., side]].map(|[x, y]| [x + dice.normal() * lean, y + dice.normal() * lean]);
    turn.then(&Plane::onto(side, side, corners))
}

fn middle(object: &Object) -> [f32; 2] {
    [0, 1].map(|axis| object.quad.iter().map(|p| p[axis]).sum::<f32>() / 4.)
}

/// Contrast, brightness, gamma, tint, grey, inversion, and a lamp from one side.
fn light(image: &mut RgbImage, dice: &mut Dice) {
    let (contrast, shift, gamma) = (dice.float(0.6, 1.25), dice.float(-35., 35.), dice.log(0.7, 1.4));
    let tint = [0; 3].map(|_| if dice.chance(0.5) { dice.float(0.88, 1.1) } else { 1. });
    let (grey, invert) = (dice.chance(0.15), dice.chance(0.07));
    let plain = dice.chance(0.25);
    let table: Vec<[u8; 3]> = (0..256)
        .map(|v| {
            let value = (v as f32 / 255.).powf(gamma) * 255.;
            tint.map(|t| if plain { v as u8 } else { (((value - 128.) * contrast + 128. + shift) * t).clamp(0., 255.) as u8 })
        })
        .collect();
    let lamp = dice.chance(0.25).then(|| (dice.float(-0.35, 0.35), dice.float(-0.35, 0.35)));
    let (w, h) = (image.width() as f32, image.height() as f32);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let mut rgb = [0, 1, 2].map(|c| table[usize::from(pixel.0[c])][c]);
        if grey {
            let level = (u32::from(rgb[0]) * 77 + u32::from(rgb[1]) * 150 + u32::from(rgb[2]) * 29) >> 8;
            rgb = [level as u8; 3];
        }
        if invert {
            rgb = rgb.map(|v| 255 - v);
        }
        if let Some((a, b)) = lamp {
            let factor = 1. + a * (x as f32 / w - 0.5) * 2. + b * (y as f32 / h - 0.5) * 2. - a.abs().max(b.abs()) * 0.5;
            rgb = rgb.map(|v| (f32::from(v) * factor).clamp(0., 255.) as u8);
        }
        pixel.0 = rgb;
    }
}

fn noise(image: &mut RgbImage, dice: &mut Dice) {
    let strength = dice.float(2., 18.);
    // A short table of noise walked in a scrambled order is enough, and ten times faster than drawing each.
    let table: Vec<i16> = (0..1021).map(|_| (dice.normal() * strength) as i16).collect();
    let mut at = dice.index(1021);
    for value in image.as_mut() {
        at = (at + 373) % 1021;
        *value = (i16::from(*value) + table[at]).clamp(0, 255) as u8;
        if at == 17 {
            at = dice.index(1021);
        }
    }
}

/// The picture after saving and loading.
pub fn through_jpeg(image: RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Vec::new();
    let saved = image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality));
    let loaded = saved.and_then(|()| image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg));
    loaded.map_or(image, |picture| picture.to_rgb8())
}
