//! Screens of programs and web pages, light and dark: bars, menus, cards, buttons, fields, tables, icons.

use crate::vision::train::{
    canvas::{Ink, luma, mix},
    decoys,
    dice::Dice,
    layouts::{
        document::table,
        form::{Pen, choices, keys},
    },
    material::Material,
    sheet::{Sheet, short_text},
    text::Style,
    words::Script,
};

struct Theme<'a> {
    ground: Ink,
    card: Ink,
    ink: Ink,
    pale: Ink,
    accent: Ink,
    body: Style<'a>,
    script: Script,
}

impl<'a> Theme<'a> {
    fn pen(&self) -> Pen<'a> {
        Pen { body: self.body, accent: self.accent, script: self.script }
    }
}

/// A screen of `width` x `height` pixels.
pub fn screen<'a>(dice: &mut Dice, material: &'a Material, width: f32, height: f32) -> Sheet<'a> {
    let dark = dice.chance(0.4);
    let grey = |dice: &mut Dice, low: i32, high: i32| {
        let base = dice.int(low, high);
        [0; 3].map(|_| (base + dice.int(-6, 6)).clamp(0, 255) as u8)
    };
    let ground = if dark { grey(dice, 8, 50) } else { grey(dice, 232, 255) };
    let card = if dark { grey(dice, 22, 70) } else { grey(dice, 240, 255) };
    let ink = if dark { grey(dice, 200, 250) } else { grey(dice, 5, 60) };
    let mut sheet = Sheet::new(material, width, height, ground);
    let (face, script) = sheet.voice(dice);
    let body = Style::new(face, dice.log(9.5, 22.), ink);
    let accent = mix(dice.colour(), if dark { [255; 3] } else { [0; 3] }, 0.2);
    let theme = Theme { ground, card, ink, pale: mix(ink, ground, dice.float(0.4, 0.8)), accent, body, script };
    let bar = body.height() * dice.float(1.8, 3.6);
    let mut left = 0.;
    let mut top = 0.;
    if dice.chance(0.8) {
        top_bar(&mut sheet, dice, &theme, width, bar);
        top = bar;
    }
    if width > 420. && dice.chance(0.55) {
        left = width * dice.float(0.16, 0.3);
        side_bar(&mut sheet, dice, &theme, [0., top, left, height]);
    }
    let columns = (((width - left) / dice.float(190., 520.)) as i32).clamp(1, 4);
    let wide = (width - left) / columns as f32;
    for i in 0..columns {
        let gap = theme.body.em * 0.6;
        let mut y = top + gap;
        while y < height - theme.body.height() * 2. {
            let tall = dice.float(60., 320.).min(height - y - gap);
            let x = left + i as f32 * wide;
            card_at(&mut sheet, dice, &theme, [x + gap, y, x + wide - gap, y + tall]);
            y += tall + gap;
        }
    }
    sheet
}

fn top_bar(sheet: &mut Sheet<'_>, dice: &mut Dice, theme: &Theme<'_>, width: f32, bar: f32) {
    let coloured = dice.chance(0.4);
    let ground = if coloured { theme.accent } else { theme.card };
    sheet.canvas.fill([0., 0., width, bar], ground, 1.);
    let ink = if coloured { readable(ground) } else { theme.ink };
    let style = Style { ink, ..theme.body };
    let y = (bar - style.height()) / 2.;
    let mut x = style.em;
    while x < width * 0.8 {
        if dice.chance(0.25) {
            decoys::icon(&mut sheet.canvas, dice, x, y, style.height(), ink);
            x += style.height() + style.em;
        } else {
            let text = style.fit(&theme.script.caption(dice), width - x - style.em);
            x = sheet.line(&style, x, y, &text) + style.em * dice.float(1.5, 4.);
        }
    }
}

fn side_bar(sheet: &mut Sheet<'_>, dice: &mut Dice, theme: &Theme<'_>, rect: [f32; 4]) {
    sheet.canvas.fill(rect, mix(theme.card, theme.ground, 0.5), 1.);
    let style = theme.body;
    let mut y = rect[1] + style.em;
    let icons = dice.chance(0.5);
    while y + style.height() < rect[3] {
        if dice.chance(0.1) {
            sheet.canvas.rounded([rect[0] + 4., y - 4., rect[2] - 4., y + style.height() + 4.], 6., theme.accent, 0.25);
        }
        let mut x = rect[0] + style.em;
        if icons {
            decoys::icon(&mut sheet.canvas, dice, x, y + 1., style.height() - 2., theme.pale);
            x += style.height() * 1.4;
        }
        let text = style.fit(&theme.script.caption(dice), rect[2] - x - style.em * 0.5);
        sheet.line(&style, x, y, &text);
        y += style.height() * dice.float(1.4, 2.6);
    }
}

fn card_at(sheet: &mut Sheet<'_>, dice: &mut Dice, theme: &Theme<'_>, rect: [f32; 4]) {
    let style = theme.body;
    if dice.chance(0.7) {
        sheet.canvas.rounded(rect, dice.float(0., 12.), theme.card, 1.);
        if dice.chance(0.5) {
            sheet.canvas.frame(rect, 1., mix(theme.pale, theme.card, 0.6));
        }
    }
    let pad = style.em * dice.float(0.5, 1.3);
    let [x0, mut y, x1, y1] = [rect[0] + pad, rect[1] + pad, rect[2] - pad, rect[3] - pad];
    if x1 - x0 < style.em * 3. {
        return;
    }
    if dice.chance(0.6) {
        let head = Style { em: style.em * dice.float(1., 2.2), ..style };
        if y + head.height() < y1 {
            let text = head.fit(&theme.script.caption(dice), x1 - x0);
            sheet.line(&head, x0, y, &text);
            y += head.height() * 1.5;
        }
    }
    let kind = dice.int(0, 13);
    while y + style.height() * 1.2 < y1 {
        let area = [x0, y, x1, y1];
        let lines = dice.int(1, 6);
        y = match kind {
            0..=2 => {
                sheet.paragraph(dice, &Style { ink: mix(theme.ink, theme.pale, 0.3), ..style }, theme.script, area, lines) + style.em * 0.5
            }
            3 | 4 => table(sheet, dice, &style, area, 9).max(y + style.height()),
            5 | 6 => field(sheet, dice, theme, area),
            11 | 12 => choices(sheet, dice, &theme.pen(), area).max(y + style.height()) + style.em * 0.5,
            13 => keys(sheet, dice, &theme.pen(), area).max(y + style.height()) + style.em * 0.5,
            7 => {
                let fill = dice.float(0.5, 1.);
                sheet.code(dice, area, fill)[3].max(y + style.height()) + style.em
            }
            8 => {
                let tall = (y1 - y).min(dice.float(40., 180.));
                let ink = if dice.chance(0.5) { theme.accent } else { theme.pale };
                sheet.decoy(dice, [x0, y, x1, y + tall], ink);
                y + tall + style.em
            }
            _ => {
                let side = style.height() * dice.float(0.8, 2.2);
                decoys::icon(&mut sheet.canvas, dice, x0, y, side, theme.accent);
                let text = style.fit(&short_text(dice, theme.script), x1 - x0 - side - style.em);
                sheet.line(&style, x0 + side + style.em * 0.7, y + (side - style.height()) / 2., &text);
                y + side.max(style.height()) + style.em * 0.6
            }
        };
    }
}

/// A caption with a box to type in, or a button. Gives the y under it.
fn field(sheet: &mut Sheet<'_>, dice: &mut Dice, theme: &Theme<'_>, [x0, mut y, x1, y1]: [f32; 4]) -> f32 {
    let style = theme.body;
    let tall = style.height() * dice.float(1.6, 2.6);
    if dice.chance(0.35) {
        let ground = theme.accent;
        let button = Style { ink: readable(ground), ..style };
        let text = button.fit(&theme.script.caption(dice), (x1 - x0) * 0.8);
        let wide = button.width(&text) + style.em * 2.;
        if y + tall < y1 {
            sheet.canvas.rounded([x0, y, (x0 + wide).min(x1), y + tall], dice.float(0., tall / 2.), ground, 1.);
            sheet.line(&button, x0 + style.em, y + (tall - style.height()) / 2., &text);
        }
        return y + tall + style.em;
    }
    let text = style.fit(&theme.script.caption(dice), x1 - x0);
    sheet.line(&Style { em: style.em * 0.85, ..style }, x0, y, &text);
    y += style.height() * 1.3;
    if y + tall < y1 {
        sheet.canvas.rounded([x0, y, x1, y + tall], 4., theme.pale, 0.3);
        if dice.chance(0.6) {
            let text = style.fit(&short_text(dice, theme.script), x1 - x0 - style.em);
            sheet.line(
                &Style { ink: mix(theme.ink, theme.pale, 0.5), ..style },
                x0 + style.em * 0.5,
                y + (tall - style.height()) / 2.,
                &text,
            );
        }
        y += tall;
    }
    y + style.em * 0.8
}

fn readable(ground: Ink) -> Ink {
    if luma(ground) > 140. { [15; 3] } else { [250; 3] }
}
