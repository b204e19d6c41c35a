//! Shipping labels, badges, type plates: cells cut out of cells, each with a caption and a value, or with a code.

use crate::vision::train::{
    canvas::Ink,
    dice::Dice,
    material::Material,
    sheet::{DATA_MATRIX, QR, Sheet, ink_on, paper, short_text},
    text::Style,
    words,
};

/// A label of `width` x `height` pixels.
pub fn label<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32) -> Sheet<'a> {
    let ground = paper(dice);
    let mut sheet = Sheet::new(material, width, height, ground);
    let ink = ink_on(dice, ground);
    let rule = if dice.chance(0.7) { dice.float(1., 4.) } else { 0. };
    let depth = dice.int(1, 4);
    cell(&mut sheet, dice, [6., 6., width - 6., height - 6.], ink, rule, depth);
    sheet
}

fn cell(sheet: &mut Sheet<'_>, dice: &mut Dice, rect: [f32; 4], ink: Ink, rule: f32, depth: i32) {
    let [x0, y0, x1, y1] = rect;
    let (w, h) = (x1 - x0, y1 - y0);
    if depth > 0 && w.max(h) > 130. && w.min(h) > 40. {
        let at = dice.float(0.3, 0.7);
        let across = if w > h * 1.6 {
            true
        } else if h > w * 1.6 {
            false
        } else {
            dice.chance(0.5)
        };
        let (a, b) = if across {
            let x = x0 + w * at;
            ([x0, y0, x, y1], [x, y0, x1, y1])
        } else {
            let y = y0 + h * at;
            ([x0, y0, x1, y], [x0, y, x1, y1])
        };
        cell(sheet, dice, a, ink, rule, depth - 1);
        cell(sheet, dice, b, ink, rule, depth - 1);
        return;
    }
    if rule > 0. {
        sheet.canvas.frame(rect, rule, ink);
    }
    let pad = 6. + rule;
    content(sheet, dice, [x0 + pad, y0 + pad, x1 - pad, y1 - pad], ink);
}

fn content(sheet: &mut Sheet<'_>, dice: &mut Dice, rect: [f32; 4], ink: Ink) {
    let [x0, y0, x1, y1] = rect;
    let (w, h) = (x1 - x0, y1 - y0);
    if w < 30. || h < 14. {
        return;
    }
    let square = w.min(h) > 44.;
    match dice.int(0, 12) {
        12 if square => {
            sheet.code(dice, rect, 1.);
        }
        0 | 1 if square => {
            sheet.matrix(dice, QR, rect, 1.);
        }
        2 | 3 if square => {
            sheet.matrix(dice, DATA_MATRIX, rect, 1.);
        }
        4 | 5 if w > 110. => {
            sheet.bars(dice, rect, 1.);
        }
        6 if square => sheet.decoy(dice, rect, ink),
        7 if h > 40. => {
            // White on black, as for a class of service.
            sheet.canvas.fill(rect, ink, 1.);
            let (face, script) = sheet.voice(dice);
            let style = Style::new(face, (h * 0.5).min(w / 4.).clamp(10., 90.), ink.map(|v| 255 - v));
            let text = style.fit(&short_text(dice, script), w * 0.9);
            sheet.line_centred(&style, (x0 + x1) / 2., y0 + (h - style.height()) / 2., &text);
        }
        8 if square => {
            let (face, _) = sheet.voice(dice);
            let length = dice.int(1, 4) as usize;
            let text = words::reference(dice, length);
            let style = Style::new(face, (h * 0.9).min(w / 0.7 / length as f32), ink);
            let text = style.fit(&text, w);
            sheet.line(&style, x0, y0, &text);
        }
        _ => {
            let (face, script) = sheet.voice(dice);
            let caption = Style::new(face, dice.log(8., 15.), ink);
            let text = caption.fit(&script.caption(dice), w);
            sheet.line(&caption, x0, y0, &text);
            let mut y = y0 + caption.height() * 1.3;
            let value = Style::new(face, (caption.em * dice.float(1., 3.)).min(h * 0.5), ink);
            while y + value.height() < y1 && dice.chance(0.8) {
                let text = value.fit(&short_text(dice, script), w);
                sheet.line(&value, x0, y, &text);
                y += value.height() * dice.float(1.1, 1.5);
            }
        }
    }
}
