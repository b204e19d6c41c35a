//! Signs and stickers: single lines and codes anywhere over a texture, with patches, outlines and decoys between.

use crate::vision::train::{
    backdrop,
    canvas::{Ink, luma},
    dice::Dice,
    fonts::FontBook,
    sheet::{Sheet, ink_on, short_text},
    text::Style,
};

/// A picture of `width` x `height` pixels with `many` things at most; 0 draws nothing to find.
pub fn scatter<'a>(dice: &mut Dice, fonts: &'a FontBook, width: f32, height: f32, many: i32) -> Sheet<'a> {
    let mut sheet = Sheet::new(fonts, width, height, [128; 3]);
    backdrop::texture(&mut sheet.canvas, dice);
    let mut taken: Vec<[f32; 4]> = Vec::new();
    for i in 0..many + dice.int(0, 8) {
        let wide = dice.log(30., width * 0.9);
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
        } else if tall > wide * 0.35 && dice.chance(0.75) || dice.chance(0.15) {
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
