//! Till receipts and tickets: one narrow column, rows with a price at the right, dashes, a code at the end.

use crate::vision::train::{
    canvas::luma,
    dice::Dice,
    material::Material,
    sheet::{Sheet, ink_on, paper},
    text::Style,
    words,
};

/// A strip of `width` x `height` pixels.
pub fn receipt<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32) -> Sheet<'a> {
    let ground = paper(dice);
    let mut sheet = Sheet::new(material, width, height, ground);
    let (face, script) = sheet.voice(dice);
    let em = (width / dice.float(16., 34.)).clamp(9., 30.);
    let mut ink = ink_on(dice, ground);
    if luma(ground) - luma(ink) < 60. {
        ink = [20; 3];
    }
    let body = Style { tracking: if dice.chance(0.2) { 0.06 } else { 0. }, ..Style::new(face, em, ink) };
    let (left, right) = (width * 0.06, width * 0.94);
    let pitch = body.height() * dice.float(1.05, 1.5);
    let mut y = em;
    for _ in 0..dice.int(1, 4) {
        let head = Style { em: em * dice.float(0.9, 1.9), ..body };
        let text = if dice.chance(0.7) { script.caption(dice) } else { words::contact(dice) };
        let text = head.fit(&text, right - left);
        sheet.line_centred(&head, width / 2., y, &text);
        y += head.height() * 1.25;
    }
    let dash = dice.chance(0.5);
    while y < height - pitch {
        match dice.int(0, 15) {
            0 | 1 => {
                if dash {
                    sheet.canvas.rule([left, right, y + pitch * 0.4], 1.5, [em * 0.4, em * 0.3], ink);
                } else {
                    sheet.canvas.rule([left, right, y + pitch * 0.4], 1.5, [em, 0.], ink);
                }
            }
            2 => {
                let big = Style { em: em * dice.float(1.1, 1.7), ..body };
                let text = big.fit(&script.caption(dice), (right - left) * 0.5);
                sheet.line(&big, left, y, &text);
                let price = big.fit(&words::number(dice), (right - left) * 0.4);
                sheet.line_right(&big, right, y, &price);
                y += big.height() * 1.2 - pitch;
            }
            3 => {
                let text = body.fit(&script.sentence(dice, 30), right - left);
                sheet.line_centred(&body, width / 2., y, &text);
            }
            4 if y > height * 0.4 => {
                let side = (right - left) * dice.float(0.35, 0.9);
                let x = if dice.chance(0.6) { (width - side) / 2. } else { left };
                let place = [x, y, x + side, (y + side).min(height - 4.)];
                y = sheet.code(dice, place, 0.95)[3] + em * 0.4 - pitch;
            }
            _ => {
                let name = body.fit(&script.caption(dice), (right - left) * 0.58);
                sheet.line(&body, left, y, &name);
                let price = body.fit(&words::number(dice), (right - left) * 0.3);
                sheet.line_right(&body, right, y, &price);
            }
        }
        y += pitch;
    }
    sheet
}
