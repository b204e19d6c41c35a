//! A page as a telephone would take it: on a table, at an angle, under a lamp, a little blurred, saved as a JPEG.

use super::{augment::through_jpeg, backdrop, canvas::Canvas, dice::Dice, geometry::Plane, scene::Scene, warp};

/// Longer side of a photo in pixels.
const LONG: f32 = 1280.;

/// Photographs `page`. Equal seeds give equal photos.
#[must_use]
pub fn photograph(page: &Scene, seed: u64) -> Scene {
    let dice = &mut Dice::new(seed);
    let (w, h) = (page.image.width() as f32, page.image.height() as f32);
    let (wide, tall) = if w >= h { (LONG, LONG * 0.75) } else { (LONG * 0.75, LONG) };
    let mut ground = Canvas::new(wide as u32, tall as u32, [120; 3]);
    backdrop::texture(&mut ground, dice);
    let scale = (wide / w).min(tall / h).min(1.) * dice.float(0.84, 0.9);
    let angle = dice.float(-0.06, 0.06);
    let turn = Plane::turn([w / 2., h / 2.], [wide / 2., tall / 2.], scale, angle);
    let lean = 0.025 * w.min(h) * scale;
    let quad = [[0., 0.], [w, 0.], [w, h], [0., h]].map(|corner| {
        let [x, y] = turn.apply(corner);
        [x + dice.float(-lean, lean), y + dice.float(-lean, lean)]
    });
    for depth in [14f32, 9., 5.] {
        warp::shade(&mut ground.image, quad.map(|[x, y]| [x + depth, y + depth]), 0.85);
    }
    let map = Plane::onto(w, h, quad);
    warp::lay(&mut ground.image, &page.image, &map);
    let lamp = [dice.float(0., wide), dice.float(0., tall)];
    let tint = [1., dice.float(0.94, 1.), dice.float(0.84, 1.)];
    let dark = dice.float(0.5, 0.75);
    for (x, y, pixel) in ground.image.enumerate_pixels_mut() {
        let far = (x as f32 - lamp[0]).hypot(y as f32 - lamp[1]) / (wide + tall);
        let (light, noise) = (dark + 0.4 * (1. - far), dice.normal() * 5.);
        (0..3).for_each(|c| pixel.0[c] = (f32::from(pixel.0[c]) * light * tint[c] + noise).clamp(0., 255.) as u8);
    }
    let image = image::imageops::fast_blur(&ground.image, 0.65);
    Scene { image: through_jpeg(image, 78), objects: page.objects.iter().map(|object| object.moved(&map)).collect() }
}
