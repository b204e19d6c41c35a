//! Signs and stickers: single lines and codes anywhere over a texture, with patches, outlines and decoys between.

use crate::vision::train::{
    backdrop,
    canvas::{Ink, luma},
    dice::Dice,
    material::Material,
    sheet::{Sheet, ink_on, paper, short_text},
    text::Style,
    words,
};

/// A picture of `width` x `height` pixels with `many` things at most; 0 draws nothing to find.
pub fn scatter<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32, many: i32) -> Sheet<'a> {
    let mut sheet = Sheet::new(material, width, height, [128; 3]);
    backdrop::texture(&mut sheet.canvas, dice);
    let mut taken: Vec<[f32; 4]> = Vec::new();
    for i in 0..many + dice.int(0, 8) {
        let wide = dice.log(36., width * 0.9);
        let tall = (wide * dice.log(0.08, 1.1)).clamp(12., height * 0.6);
        let (x, y) = (dice.float(2., width - wide - 2.), dice.float(2., height - tall - 2.));
        let rect = [x, y, x + wide, y + tall];
        let clear = [x - 6., y - 6., x + wide + 6., y + tall + 6.];
        if taken.iter().any(|t| t[0] < clear[2] && clear[0] < t[2] && t[1] < clear[3] && clear[1] < t[3]) {
            continue;
        }
        taken.push(clear);
        if i >= many {
            let ink = dice.colour();
            sheet.decoy(dice, rect, ink);
        } else if tall > wide * 0.35 && dice.chance(0.85) || dice.chance(0.15) {
            sheet.code(dice, rect, 0.98);
        } else {
            sign(&mut sheet, dice, rect);
        }
    }
    sheet
}

fn sign(sheet: &mut Sheet<'_>, dice: &mut Dice, [x0, y0, x1, y1]: [f32; 4]) {
    let (face, script) = sheet.voice(dice);
    let ground: Ink = if dice.chance(0.4) {
        let ink = dice.colour();
        sheet.canvas.rounded([x0, y0, x1, y1], dice.float(0., 14.), ink, 1.);
        ink
    } else {
        sheet.canvas.at((x0 + x1) / 2., (y0 + y1) / 2.)
    };
    let ink = ink_on(dice, ground);
    let ink = if (luma(ink) - luma(ground)).abs() < 60. { if luma(ground) > 128. { [0; 3] } else { [255; 3] } } else { ink };
    let style = Style::new(face, ((y1 - y0) * 0.7).clamp(9., 110.), ink);
    let text = style.fit(&short_text(dice, script), (x1 - x0) * 0.96);
    let y = y0 + ((y1 - y0) - style.height()) / 2.;
    sheet.line(&style, x0 + 3., y, &text);
}

/// Rows of stickers, each with a code and perhaps a line of text, on one ground.
pub fn stickers<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32) -> Sheet<'a> {
    let mut sheet = Sheet::new(material, width, height, [128; 3]);
    if dice.chance(0.5) {
        backdrop::texture(&mut sheet.canvas, dice);
    } else {
        let ground = paper(dice);
        sheet.canvas.fill([0., 0., width, height], ground, 1.);
    }
    let pitch = dice.log(60., 260.);
    let mut y = 4.;
    while y + pitch < height {
        let mut x = 4.;
        while x + pitch < width {
            let rect = [x, y, x + pitch * dice.float(0.7, 0.96), y + pitch * dice.float(0.7, 0.96)];
            match dice.int(0, 9) {
                0 => {
                    let ink = dice.colour();
                    sheet.decoy(dice, rect, ink);
                }
                1 => sign(&mut sheet, dice, [rect[0], rect[1], rect[2], rect[1] + pitch * 0.3]),
                _ => {
                    let place = sheet.code(dice, rect, 1.);
                    if place[3] > place[1] + 20. && place[3] + 12. < rect[3] && dice.chance(0.7) {
                        caption(&mut sheet, dice, [place[0], place[3], rect[2], rect[3]]);
                    }
                }
            }
            x += pitch;
        }
        y += pitch;
    }
    sheet
}

/// One to three small lines under a code.
fn caption(sheet: &mut Sheet<'_>, dice: &mut Dice, [x0, y0, x1, y1]: [f32; 4]) {
    let (face, script) = sheet.voice(dice);
    let ground = sheet.canvas.at((x0 + x1) / 2., (y0 + y1) / 2.);
    let ink = if luma(ground) > 128. { [15; 3] } else { [240; 3] };
    let style = Style::new(face, dice.log(9., 20.), ink);
    let mut y = y0 + dice.float(0., 4.);
    for _ in 0..dice.int(1, 3) {
        if y + style.height() > y1 {
            return;
        }
        let length = dice.int(5, 12) as usize;
        let text = if dice.chance(0.6) { words::reference(dice, length) } else { short_text(dice, script) };
        sheet.line(&style, x0 + 2., y, &style.fit(&text, x1 - x0 - 4.));
        y += style.height() * dice.float(1.05, 1.4);
    }
}
