//! Letters, articles, invoices: columns of running text with headings, rules, tables, figures and a code here and there.

use crate::vision::train::{
    canvas::mix,
    dice::Dice,
    layouts::form::{Pen, choices},
    material::Material,
    sheet::{Sheet, ink_on, paper, short_text},
    text::Style,
    words,
};

/// A page of `width` x `height` pixels.
pub fn document<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32) -> Sheet<'a> {
    let sheet_paper = paper(dice);
    let mut sheet = Sheet::new(material, width, height, sheet_paper);
    let ink = ink_on(dice, sheet_paper);
    let (face, script) = sheet.voice(dice);
    let body = Style::new(face, dice.log(9., 26.), ink);
    let (title_face, _) = if dice.chance(0.5) { (face, script) } else { sheet.voice(dice) };
    let heading = Style::new(title_face, body.em * dice.float(1.2, 3.), ink);
    let margin = dice.float(0.03, 0.12) * width;
    let columns = if width > 500. { dice.int(1, 3) } else { 1 };
    let gutter = body.em * dice.float(1.5, 3.);
    let column = (width - 2. * margin - gutter * (columns - 1) as f32) / columns as f32;
    let mut top = margin;
    if dice.chance(0.7) {
        let text = heading.fit(&script.caption(dice), width - 2. * margin);
        sheet.line(&heading, margin, top, &text);
        top += heading.height() * dice.float(1.2, 2.);
    }
    for i in 0..columns {
        let left = margin + i as f32 * (column + gutter);
        let mut y = top;
        while y < height - margin - body.height() {
            let area = [left, y, left + column, height - margin];
            let lines = dice.int(1, 12);
            y = match dice.int(0, 13) {
                0..=4 => sheet.paragraph(dice, &body, script, area, lines),
                5 | 6 => {
                    let sub = Style { em: body.em * dice.float(1.05, 1.8), ..heading };
                    let text = sub.fit(&script.caption(dice), column);
                    sheet.line(&sub, left, y, &text);
                    y + sub.height() * 1.5
                }
                7 | 8 => table(&mut sheet, dice, &body, area, lines),
                9 => bullets(&mut sheet, dice, &body, area, lines),
                10 => choices(&mut sheet, dice, &Pen { body, accent: ink, script }, area),
                11 => {
                    let side = column.min(height - margin - y) * dice.float(0.3, 1.);
                    let place = [left + dice.float(0., column - side), y, left + column, y + side];
                    sheet.code(dice, place, dice_fill(side))[3] + body.em
                }
                12 => {
                    let tall = dice.float(20., 120.).min(height - margin - y);
                    let pale = mix(ink, sheet_paper, dice.float(0., 0.7));
                    let wide = column * dice.float(0.3, 1.);
                    sheet.decoy(dice, [left, y, left + wide, y + tall], pale);
                    y + tall + body.em
                }
                _ => {
                    sheet.canvas.rule([left, left + column, y + 2.], dice.float(1., 3.), [4., dice.float(-4., 4.)], ink);
                    y + body.em
                }
            } + body.em * dice.float(0.2, 1.2);
        }
    }
    sheet
}

/// Small codes fill their place, large ones leave some air.
fn dice_fill(side: f32) -> f32 {
    if side < 120. { 1. } else { 0.9 }
}

/// Rows of words, numbers and prices, with or without rules. Gives the y under it.
pub fn table(sheet: &mut Sheet<'_>, dice: &mut Dice, body: &Style<'_>, area: [f32; 4], rows: i32) -> f32 {
    let [left, mut y, right, bottom] = area;
    let columns = (((right - left) / (body.em * 9.)) as i32).clamp(1, 5);
    let wide = (right - left) / columns as f32;
    let pitch = body.height() * dice.float(1.2, 2.2);
    let (ruled, framed) = (dice.chance(0.5), dice.chance(0.3));
    let pale = mix(body.ink, sheet.canvas.at(left, y), 0.5);
    let script = words::Script::pick(dice, body.face.scripts());
    for _ in 0..rows + 1 {
        if y + pitch > bottom {
            break;
        }
        for i in 0..columns {
            let x = left + i as f32 * wide;
            let text = if i == 0 { script.caption(dice) } else { words::number(dice) };
            let text = body.fit(&text, wide - body.em * 1.6);
            let inset = (pitch - body.height()) / 2.;
            if i > 0 && dice.chance(0.7) {
                sheet.line_right(body, x + wide - body.em * 0.8, y + inset, &text);
            } else {
                sheet.line(body, x + body.em * 0.3, y + inset, &text);
            }
            if framed {
                sheet.canvas.frame([x, y, x + wide + 1., y + pitch + 1.], 1., pale);
            }
        }
        y += pitch;
        if ruled && !framed {
            sheet.canvas.fill([left, y - 1., right, y], pale, 1.);
        }
    }
    y
}

fn bullets(sheet: &mut Sheet<'_>, dice: &mut Dice, body: &Style<'_>, area: [f32; 4], rows: i32) -> f32 {
    let [left, mut y, right, bottom] = area;
    let script = words::Script::pick(dice, body.face.scripts());
    let square = dice.chance(0.5);
    for _ in 0..rows.min(7) {
        if y + body.height() > bottom {
            break;
        }
        let (side, middle) = (body.em * 0.3, y + body.height() * 0.55);
        if square {
            let side = body.em * 0.4;
            sheet.canvas.fill([left, middle - side / 2., left + side, middle + side / 2.], body.ink, 1.);
        } else {
            sheet.canvas.disc(left + side, middle, side / 2., body.ink, 1.);
        }
        let text = body.fit(&short_text(dice, script), right - left - body.em * 1.6);
        sheet.line(body, left + body.em * 1.3, y, &text);
        y += body.height() * 1.4;
    }
    y
}
