//! Shapes with the rhythm of text or codes that are neither: what keeps a detector from seeing them everywhere.

use super::{
    canvas::{Canvas, Ink},
    dice::Dice,
    geometry::Rect,
};

type Decoy = fn(&mut Canvas, &mut Dice, Rect, Ink);

const DECOYS: [Decoy; 15] = [
    hatching,
    checkers,
    dashes,
    dashes,
    frame,
    columns,
    curve,
    placeholders,
    grid,
    dots,
    |canvas, dice, [x0, y0, x1, y1], ink| {
        icon(canvas, dice, x0, y0, (x1 - x0).min(y1 - y0), ink);
    },
    scribble,
    noise,
    noise,
    bullseye,
];

/// Draws one of them inside `rect`.
pub fn decoy(canvas: &mut Canvas, dice: &mut Dice, rect: Rect, ink: Ink) {
    let draw = *dice.pick(&DECOYS);
    draw(canvas, dice, rect, ink);
}

/// Bars of one width and one pitch, unlike any barcode.
fn hatching(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let pitch = dice.float(3., 12.);
    let mut x = x0;
    while x + pitch / 2. < x1 {
        canvas.fill([x, y0, x + pitch / 2., y1], ink, 1.);
        x += pitch;
    }
}

/// A checkerboard.
fn checkers(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let cell = dice.float(3., 14.);
    for i in 0..((x1 - x0) / cell) as i32 {
        for j in (i % 2..((y1 - y0) / cell) as i32).step_by(2) {
            let (x, y) = (x0 + i as f32 * cell, y0 + j as f32 * cell);
            canvas.fill([x, y, x + cell, y + cell], ink, 1.);
        }
    }
}

/// Modules set at random, without the borders or the patterns that a code has; often mirrored, as sprites are.
fn noise(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let side = (x1 - x0).min(y1 - y0).min(260.);
    let cell = dice.log(2., 14.).min(side / 5.);
    let (n, share, mirrored) = ((side / cell) as i32, dice.float(0.25, 0.65), dice.chance(0.4));
    for row in 0..n {
        let line: Vec<bool> = (0..n).map(|_| dice.chance(share)).collect();
        for column in 0..n {
            let from = if mirrored && column * 2 >= n { n - 1 - column } else { column };
            if line[from as usize] {
                let (x, y) = (x0 + column as f32 * cell, y0 + row as f32 * cell);
                canvas.fill([x, y, x + cell, y + cell], ink, 1.);
            }
        }
    }
}

/// Squares in squares among random modules: a code of another kind, or a target.
fn bullseye(canvas: &mut Canvas, dice: &mut Dice, rect: Rect, ink: Ink) {
    let [x0, y0, x1, y1] = rect;
    let side = (x1 - x0).min(y1 - y0).min(200.);
    if dice.chance(0.6) {
        noise(canvas, dice, [x0, y0, x0 + side, y0 + side], ink);
    }
    let (cx, cy, cell) = (x0 + side / 2., y0 + side / 2., (side / 22.).max(1.));
    let ground = canvas.at(x0 - 2., y0 - 2.);
    for ring in (0..6).rev() {
        let half = (ring as f32 + 0.5) * cell;
        canvas.fill([cx - half, cy - half, cx + half, cy + half], if ring % 2 == 0 { ink } else { ground }, 1.);
    }
}

/// A dashed rule, across or down.
fn dashes(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let dash = dice.float(3., 14.);
    let gap = dash * dice.float(0.5, 1.5);
    if dice.chance(0.5) {
        let (thick, mut y) = (dice.float(1., 5.), y0);
        while y < y1 {
            canvas.fill([x0, y, x0 + thick, (y + dash).min(y1)], ink, 1.);
            y += dash + gap;
        }
        return;
    }
    canvas.rule([x0, x1, (y0 + y1) / 2.], dice.float(1., 5.), [dash, gap], ink);
}

/// An empty box; never one that could be ticked.
fn frame(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let small = (x1 - x0).min(y1 - y0) < 60.;
    let x1 = if small { x1.max(x0 + (y1 - y0) * 1.6) } else { x1 };
    canvas.frame([x0, y0, x1, y1], dice.float(1., 3.), ink);
}

/// Columns of a chart.
fn columns(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let n = dice.int(4, 14);
    let pitch = (x1 - x0) / n as f32;
    for i in 0..n {
        let (x, tall) = (x0 + pitch * i as f32, (y1 - y0) * dice.float(0.1, 1.));
        canvas.fill([x, y1 - tall, x + pitch * 0.7, y1], ink, 1.);
    }
}

/// A curve of a chart.
fn curve(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let n = dice.int(4, 20);
    let mut last = [x0, dice.float(y0, y1)];
    for i in 1..=n {
        let next = [x0 + (x1 - x0) * i as f32 / n as f32, dice.float(y0, y1)];
        canvas.stroke(last, next, dice.float(1., 3.), ink, 1.);
        last = next;
    }
}

/// Grey bars where text is still loading.
fn placeholders(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let tall = dice.float(5., 16.);
    let mut y = y0;
    while y + tall < y1 {
        canvas.rounded([x0, y, x0 + (x1 - x0) * dice.float(0.4, 1.), y + tall], tall / 2., ink, 0.3);
        y += tall * 2.;
    }
}

/// A ruled grid.
fn grid(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let (wide, tall) = (dice.float(8., 40.), dice.float(8., 30.));
    for i in 0..=((x1 - x0) / wide) as i32 {
        canvas.fill([x0 + i as f32 * wide, y0, x0 + i as f32 * wide + 1., y1], ink, 1.);
    }
    for j in 0..=((y1 - y0) / tall) as i32 {
        canvas.fill([x0, y0 + j as f32 * tall, x1, y0 + j as f32 * tall + 1.], ink, 1.);
    }
}

/// A few spots.
fn dots(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    for _ in 0..dice.int(2, 9) {
        let (x, y) = (dice.float(x0, x1), dice.float(y0, y1));
        canvas.disc(x, y, dice.float(1.5, 9.), ink, dice.float(0.4, 1.));
    }
}

/// A path of strokes: a map, a signature, a scratch.
fn scribble(canvas: &mut Canvas, dice: &mut Dice, [x0, y0, x1, y1]: Rect, ink: Ink) {
    let mut last = [dice.float(x0, x1), dice.float(y0, y1)];
    for _ in 0..dice.int(3, 14) {
        let next = [dice.float(x0, x1), dice.float(y0, y1)];
        canvas.stroke(last, next, dice.float(0.8, 3.5), ink, 1.);
        last = next;
    }
}

/// A small pictogram in a square.
pub fn icon(canvas: &mut Canvas, dice: &mut Dice, x: f32, y: f32, side: f32, ink: Ink) {
    let thick = (side * 0.09).max(1.);
    match dice.int(0, 5) {
        0 => canvas.disc(x + side / 2., y + side / 2., side / 2., ink, 1.),
        1 => (0..3).for_each(|i| {
            let y = y + side * (0.2 + 0.25 * i as f32);
            canvas.fill([x, y, x + side, y + thick], ink, 1.);
        }),
        2 => {
            canvas.disc(x + side / 2., y + side / 2., side / 2., ink, 1.);
            canvas.stroke([x + side * 0.25, y + side * 0.5], [x + side * 0.45, y + side * 0.7], thick, [255; 3], 1.);
            canvas.stroke([x + side * 0.45, y + side * 0.7], [x + side * 0.75, y + side * 0.3], thick, [255; 3], 1.);
        }
        3 => {
            canvas.stroke([x, y], [x + side, y + side], thick, ink, 1.);
            canvas.stroke([x + side, y], [x, y + side], thick, ink, 1.);
        }
        4 => {
            let points = [[x + side / 2., y], [x + side, y + side * 0.5], [x + side / 2., y + side], [x, y + side * 0.5]];
            (0..4).for_each(|i| canvas.stroke(points[i], points[(i + 1) % 4], thick, ink, 1.));
        }
        _ => {
            canvas.frame([x, y + side * 0.2, x + side, y + side * 0.8], thick, ink);
            canvas.stroke([x, y + side * 0.2], [x + side / 2., y + side * 0.55], thick, ink, 1.);
            canvas.stroke([x + side, y + side * 0.2], [x + side / 2., y + side * 0.55], thick, ink, 1.);
        }
    }
}
