//! Forms and lists with boxes to tick, and what looks like them: round buttons, switches, boxes for single letters, keys.

use crate::vision::train::{
    canvas::{Ink, mix},
    checkboxes::{Tickbox, character, radio, sign, switch},
    decoys,
    dice::Dice,
    fonts::Face,
    material::Material,
    sheet::{CHECKBOX, Object, Sheet, ink_on, paper, short_text},
    text::Style,
    words::{self, Script},
};

/// What one form is drawn with.
#[derive(Clone, Copy, Debug)]
pub struct Pen<'a> {
    /// Style of its text.
    pub body: Style<'a>,
    /// Colour of filled boxes.
    pub accent: Ink,
    /// What its text says.
    pub script: Script,
}

/// A form of `width` x `height` pixels.
pub fn form<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32) -> Sheet<'a> {
    let dark = dice.chance(0.2);
    let ground = if dark { [dice.int(10, 60) as u8; 3] } else { paper(dice) };
    let mut sheet = Sheet::new(material, width, height, ground);
    let ink = ink_on(dice, ground);
    let (face, script) = sheet.voice(dice);
    let body = Style::new(face, dice.log(9., 24.), ink);
    let accent = mix(dice.colour(), if dark { [255; 3] } else { [0; 3] }, 0.2);
    let pen = Pen { body, accent, script };
    let margin = width * dice.float(0.03, 0.1);
    let mut y = margin;
    if dice.chance(0.7) {
        let heading = Style { em: body.em * dice.float(1.2, 2.4), ..body };
        let text = heading.fit(&script.caption(dice), width - 2. * margin);
        sheet.line(&heading, margin, y, &text);
        y += heading.height() * 1.6;
    }
    while y < height - margin - body.height() * 1.5 {
        let area = [margin, y, width - margin, height - margin];
        y = match dice.int(0, 11) {
            0..=3 | 10 => choices(&mut sheet, dice, &pen, area),
            4 | 5 => survey(&mut sheet, dice, &pen, area),
            6 | 11 => letters(&mut sheet, dice, &pen, area),
            7 => keys(&mut sheet, dice, &pen, area),
            8 => {
                let lines = dice.int(1, 4);
                sheet.paragraph(dice, &body, script, area, lines)
            }
            _ => blank(&mut sheet, dice, &pen, area),
        } + body.em * dice.float(0.4, 1.5);
    }
    sheet
}

/// Boxes with their captions, in one or more columns, or ahead of the rows of a list. Gives the y under them.
pub fn choices(sheet: &mut Sheet<'_>, dice: &mut Dice, pen: &Pen<'_>, [left, mut y, right, bottom]: [f32; 4]) -> f32 {
    let body = pen.body;
    let ink = if dice.chance(0.5) { body.ink } else { mix(body.ink, sheet.canvas.at(left, y), dice.float(0.1, 0.65)) };
    let side = body.height() * dice.float(0.6, 1.5);
    let look = Tickbox::pick(dice, side, ink, pen.accent);
    let columns = dice.int(1, (((right - left) / (body.em * 7.)) as i32).clamp(1, 4));
    let wide = (right - left) / columns as f32;
    let pitch = look.side.max(body.height()) * dice.float(1.15, 2.2);
    let gap = look.side * dice.float(0.25, 1.);
    // 0 to 6 boxes, 7 characters; what is none: 8, 10, 14, 15 round buttons, 9 switches, 11 numbers, 12 letters, 13 icons.
    let (kind, before) = (dice.int(0, 15), dice.chance(0.12));
    let marks =
        dice.chance(0.3).then(|| (sheet.material.fonts.pick(dice), if dice.chance(0.5) { ink } else { dice.colour().map(|v| v / 2) }));
    let glyphs = sheet.material.fonts.pick(dice);
    let chosen = dice.float(0.1, 0.9);
    for row in 0..dice.int(1, 9) {
        if y + pitch > bottom {
            break;
        }
        for column in 0..columns {
            let x = left + column as f32 * wide;
            let text = if dice.chance(0.7) { pen.script.caption(dice) } else { short_text(dice, pen.script) };
            let room = wide - look.side * if kind == 9 { 2.1 } else { 1. } - gap * 2. - body.em * 0.3;
            let text = body.fit(&text, room);
            let (bx, by) = (if before { x + wide - look.side * 1.3 } else { x }, y + (pitch - look.side) / 2.);
            match kind {
                7 => {
                    if let Some(rect) = character(&mut sheet.canvas, dice, glyphs, [bx, by], look.side, ink) {
                        sheet.objects.push(Object::plain(CHECKBOX, rect));
                    }
                }
                8 | 10 | 14 | 15 => radio(&mut sheet.canvas, dice, bx, by, look.side, ink),
                9 => switch(&mut sheet.canvas, dice, bx, by, look.side, pen.accent),
                11 | 12 => {
                    let number = (row * columns + column + 1) as u32;
                    let letter = char::from_u32('a' as u32 + number % 26).unwrap_or('a');
                    let label = match (kind, dice.int(0, 2)) {
                        (11, 0) => format!("{number}"),
                        (11, _) => format!("{number}."),
                        (_, 0) => letter.to_uppercase().to_string(),
                        _ => format!("{letter})"),
                    };
                    sheet.line(&Style { ink, ..body }, bx, y + (pitch - body.height()) / 2., &label);
                }
                13 => decoys::icon(&mut sheet.canvas, dice, bx, by, look.side, ink),
                _ => match marks {
                    Some((face, pen)) => signed(sheet, dice, &look, [bx, by], (face, pen), chosen),
                    None => tick(sheet, dice, &look, bx, by, chosen),
                },
            }
            let shift = if before { 0. } else { look.side * if kind == 9 { 2.1 } else { 1. } + gap };
            sheet.line(&body, x + shift, y + (pitch - body.height()) / 2., &text);
        }
        y += pitch;
    }
    y
}

/// One box, chosen with this probability, and its object.
pub fn tick(sheet: &mut Sheet<'_>, dice: &mut Dice, look: &Tickbox, x: f32, y: f32, chosen: f32) {
    let chosen = dice.chance(chosen);
    let rect = look.draw(&mut sheet.canvas, dice, x, y, chosen);
    sheet.objects.push(Object::plain(CHECKBOX, rect));
}

/// One box whose mark is a sign of a font.
fn signed(sheet: &mut Sheet<'_>, dice: &mut Dice, look: &Tickbox, [x, y]: [f32; 2], (face, ink): (&Face, Ink), chosen: f32) {
    let rect = look.draw(&mut sheet.canvas, dice, x, y, false);
    if dice.chance(chosen) {
        sign(&mut sheet.canvas, dice, face, rect, ink);
    }
    sheet.objects.push(Object::plain(CHECKBOX, rect));
}

/// Questions with a row of boxes each, as in a survey or a list of duties; ruled or not. Gives the y under it.
fn survey(sheet: &mut Sheet<'_>, dice: &mut Dice, pen: &Pen<'_>, [left, mut y, right, bottom]: [f32; 4]) -> f32 {
    let body = pen.body;
    let side = body.height() * dice.float(0.6, 1.2);
    let look = Tickbox::pick(dice, side, body.ink, pen.accent);
    let columns = dice.int(1, 6);
    let cell = look.side * dice.float(1.4, 3.2);
    let boxes = right - columns as f32 * cell;
    if boxes - left < body.em * 3. {
        return y + body.height();
    }
    let pitch = look.side.max(body.height()) * dice.float(1.2, 2.);
    let (ruled, round, chosen) = (dice.chance(0.5), dice.chance(0.35), dice.float(0.1, 0.7));
    let pale = mix(body.ink, sheet.canvas.at(left, y), 0.5);
    for _ in 0..dice.int(2, 9) {
        if y + pitch > bottom {
            break;
        }
        let text = body.fit(&pen.script.sentence(dice, 60), boxes - left - body.em);
        sheet.line(&body, left, y + (pitch - body.height()) / 2., &text);
        for i in 0..columns {
            let x = boxes + i as f32 * cell + (cell - look.side) / 2.;
            if round {
                radio(&mut sheet.canvas, dice, x, y + (pitch - look.side) / 2., look.side, body.ink);
            } else {
                tick(sheet, dice, &look, x, y + (pitch - look.side) / 2., chosen);
            }
        }
        y += pitch;
        if ruled {
            sheet.canvas.fill([left, y - 1., right, y], pale, 1.);
        }
    }
    y
}

/// A field with a cell for each letter; some cells are filled in. Nothing to tick.
fn letters(sheet: &mut Sheet<'_>, dice: &mut Dice, pen: &Pen<'_>, [left, y, right, bottom]: [f32; 4]) -> f32 {
    let body = pen.body;
    let cell = body.height() * dice.float(1.1, 1.7);
    let many = (dice.int(4, 16)).min(((right - left) / cell) as i32);
    if y + cell + body.height() * 1.5 > bottom {
        return y + body.height();
    }
    let text = body.fit(&pen.script.caption(dice), right - left);
    sheet.line(&body, left, y, &text);
    let y = y + body.height() * 1.3;
    let filled = dice.int(0, many);
    for i in 0..many {
        let x = left + i as f32 * cell;
        sheet.canvas.frame([x, y, x + cell + 1., y + cell], 1., body.ink);
        if i < filled {
            let letter = words::reference(dice, 1);
            sheet.line_centred(&body, x + cell / 2., y + (cell - body.height()) / 2., &letter);
        }
    }
    y + cell
}

/// Keys of a calculator, days of a calendar: single letters and digits, in frames or without. Nothing to tick.
pub fn keys(sheet: &mut Sheet<'_>, dice: &mut Dice, pen: &Pen<'_>, [left, mut y, right, bottom]: [f32; 4]) -> f32 {
    let body = pen.body;
    let cell = body.height() * dice.float(1.2, 2.6);
    let columns = dice.int(3, 10).min(((right - left) / cell) as i32);
    let (framed, apart, round) = (dice.chance(0.6), dice.float(1., 6.), dice.float(0., 8.));
    let pale = mix(body.ink, sheet.canvas.at(left, y), 0.75);
    for row in 0..dice.int(2, 6) {
        if y + cell > bottom {
            break;
        }
        for i in 0..columns {
            let x = left + i as f32 * cell;
            if framed {
                sheet.canvas.rounded([x, y, x + cell - apart, y + cell - apart], round, pale, 1.);
            }
            let text = match dice.int(0, 3) {
                0 => (*dice.pick(&["O", "D", "0", "Q", "B", "8", "o", "口", "ロ", "田", "回", "□", "日", "C", "U", "I"])).to_owned(),
                1 => format!("{}", row * columns + i + 1),
                _ => words::reference(dice, 1),
            };
            let text = if text == "□" { "0".to_owned() } else { text };
            sheet.line_centred(&body, x + (cell - apart) / 2., y + (cell - apart - body.height()) / 2., &text);
        }
        y += cell;
    }
    y
}

/// A caption with a rule or a wide frame to write in.
fn blank(sheet: &mut Sheet<'_>, dice: &mut Dice, pen: &Pen<'_>, [left, y, right, bottom]: [f32; 4]) -> f32 {
    let body = pen.body;
    let tall = body.height() * dice.float(1.2, 2.4);
    if y + tall > bottom {
        return y + tall;
    }
    let text = body.fit(&pen.script.caption(dice), (right - left) * 0.45);
    let x = sheet.line(&body, left, y + (tall - body.height()) / 2., &text) + body.em * 0.6;
    let wide = ((right - x) * dice.float(0.4, 1.)).max(tall * 2.);
    if dice.chance(0.5) {
        sheet.canvas.fill([x, y + tall - 2., x + wide, y + tall - 1.], body.ink, 1.);
    } else {
        sheet.canvas.frame([x, y, (x + wide).min(right), y + tall], 1., body.ink);
    }
    if dice.chance(0.4) {
        let text = body.fit(&short_text(dice, pen.script), wide - body.em);
        sheet.line(&body, x + body.em * 0.4, y + (tall - body.height()) / 2., &text);
    }
    y + tall
}
