//! A whole scene: a layout alone as a screenshot or scan has it, or laid on a texture at an angle as a photo has it.

use std::path::{Path, PathBuf};

use image::RgbImage;

use super::{
    backdrop,
    canvas::Canvas,
    decoys,
    dice::Dice,
    fonts::Split,
    geometry::{Plane, quad_of},
    layouts,
    material::Material,
    run::RunError,
    sheet::{Object, Sheet, TEXT},
    warp,
};

/// A picture and what is to be found on it.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The picture.
    pub image: RgbImage,
    /// Every line of text, code and box to tick on it; quads may reach over its edges.
    pub objects: Vec<Object>,
}

impl Scene {
    /// The scene a quarter further, clockwise.
    #[must_use]
    pub fn turned(&self) -> Self {
        let high = self.image.height() as f32;
        let turn = |object: &Object| Object { quad: object.quad.map(|[x, y]| [high - y, x]), ..*object };
        Self { image: image::imageops::rotate90(&self.image), objects: self.objects.iter().map(turn).collect() }
    }

    /// Turns half of the lines of text into their negative, as a marked line on a screen is and a title on a dark bar.
    pub fn highlight(&mut self, dice: &mut Dice) {
        let chosen = self.objects.iter().filter(|object| object.class == TEXT && dice.chance(0.5));
        chosen.for_each(|line| warp::invert(&mut self.image, line.quad));
    }
}

/// Draws a scene of `side` x `side` pixels. Equal seeds and fonts give equal scenes.
#[must_use]
pub fn draw(material: &Material, seed: u64, side: u32) -> Scene {
    let dice = &mut Dice::new(seed);
    let whole = side as f32;
    match dice.int(0, 27) {
        26 | 27 => alone(layouts::stickers(dice, material, whole, whole)),
        20 | 21 => alone(layouts::form(dice, material, whole, whole)),
        0..=3 => alone(layouts::screen(dice, material, whole, whole)),
        4 | 5 => alone(layouts::document(dice, material, whole, whole)),
        6 | 7 | 23 | 24 => {
            let many = dice.int(2, 16);
            alone(layouts::scatter(dice, material, whole, whole, many))
        }
        8 | 22 => alone(layouts::label(dice, material, whole, whole)),
        9 => alone(layouts::scatter(dice, material, whole, whole, 0)),
        _ => laid(dice, material, whole),
    }
}

fn alone(sheet: Sheet<'_>) -> Scene {
    Scene { image: sheet.canvas.image, objects: sheet.objects }
}

/// One to three sheets on a table or a wall, with shadow and perspective.
fn laid(dice: &mut Dice, material: &Material, whole: f32) -> Scene {
    let mut ground = Canvas::new(whole as u32, whole as u32, [128; 3]);
    backdrop::texture(&mut ground, dice);
    for _ in 0..dice.int(0, 4) {
        let (x, y, ink) = (dice.float(0., whole), dice.float(0., whole), dice.colour());
        let (w, h) = (dice.float(20., 200.), dice.float(20., 200.));
        decoys::decoy(&mut ground, dice, [x, y, x + w, y + h], ink);
    }
    let mut objects = Vec::new();
    let many = if dice.chance(0.7) { 1 } else { dice.int(2, 4) };
    let step = (many as f32).sqrt().ceil();
    for i in 0..many {
        let cell = whole / step;
        let wide = cell * dice.float(0.55, 1.05);
        let tall = cell * dice.float(0.4, 1.05);
        let sheet = match dice.int(0, 8) {
            8 => layouts::stickers(dice, material, wide, tall),
            7 => layouts::form(dice, material, wide, tall),
            0..=2 => layouts::label(dice, material, wide, tall),
            3 | 4 => layouts::receipt(dice, material, wide.min(tall * 0.7), tall),
            5 => layouts::document(dice, material, wide, tall),
            _ => layouts::screen(dice, material, wide, tall),
        };
        let middle = [cell * (i as f32 % step + 0.5), cell * ((i as f32 / step).floor() + 0.5)];
        lay(dice, &mut ground, &sheet, middle, &mut objects);
    }
    Scene { image: ground.image, objects }
}

fn lay(dice: &mut Dice, ground: &mut Canvas, sheet: &Sheet<'_>, middle: [f32; 2], objects: &mut Vec<Object>) {
    let (w, h) = sheet.canvas.size();
    let angle = if dice.chance(0.5) { dice.normal() * 0.03 } else { dice.float(-0.35, 0.35) };
    let turn = Plane::turn([w / 2., h / 2.], middle, 1., angle);
    let lean = dice.float(0., 0.06) * w.min(h);
    let quad = quad_of([0., 0., w, h]).map(|corner| {
        let [x, y] = turn.apply(corner);
        [x + dice.normal() * lean, y + dice.normal() * lean]
    });
    // A soft shadow: the sheet's outline, darkened, a few pixels away.
    let (sx, sy) = (dice.float(-8., 8.), dice.float(0., 10.));
    for spread in [6., 3., 0.] {
        let shifted = quad.map(|[x, y]| [x + sx + spread, y + sy + spread]);
        warp::shade(&mut ground.image, shifted, 0.88);
    }
    let map = Plane::onto(w, h, quad);
    warp::lay(&mut ground.image, &sheet.canvas.image, &map);
    objects.extend(sheet.objects.iter().map(|object| object.moved(&map)));
}

/// Draws `count` scenes with boxes round what is on them into `folder`, for the eye; gives the files' paths.
///
/// # Errors
/// When there are no fonts or a file cannot be written.
pub fn show(fonts: &Path, folder: &Path, count: u64) -> Result<Vec<PathBuf>, RunError> {
    const INKS: [[u8; 3]; 5] = [[230, 30, 30], [0, 170, 60], [30, 60, 230], [200, 0, 200], [255, 140, 0]];
    let material = Material::open(fonts, Split::Train)?;
    let draw_one = |seed: u64| {
        let scene = draw(&material, seed, 768);
        let mut canvas = Canvas { image: scene.image };
        for object in &scene.objects {
            for (i, &corner) in object.quad.iter().enumerate() {
                canvas.stroke(corner, object.quad[(i + 1) % 4], 1.5, INKS[object.class], 1.);
            }
        }
        let path = folder.join(format!("scene-{seed}.png"));
        canvas.image.save(&path).map_err(|e| RunError::File(path.clone(), std::io::Error::other(e)))?;
        Ok(path)
    };
    (0..count).map(draw_one).collect()
}
