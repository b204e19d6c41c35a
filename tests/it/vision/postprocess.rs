//! What becomes of the maps of a frame where two kinds of thing are seen in one place.

use lensmeter::vision::{
    backend::Maps,
    postprocess::{Kinds, Shape, Thresholds, shapes},
};

const COLUMNS: usize = 16;
const KINDS: Kinds = Kinds { classes: 5, text: Some(0), bars: Some(2), boxes: Some(4) };

/// Maps of 128 x 128 pixels where nothing is.
fn empty() -> Maps {
    let cells = COLUMNS * COLUMNS;
    Maps { columns: COLUMNS, rows: COLUMNS, scores: vec![0.; cells * 5], sides: vec![1.; cells * 4], mask: vec![0.; cells * 4] }
}

/// One cell says that a thing of `class` with this box is there.
fn say(maps: &mut Maps, class: usize, score: f32, cell: [usize; 2], [x0, y0, x1, y1]: [f32; 4]) {
    let (cells, at) = (COLUMNS * COLUMNS, cell[1] * COLUMNS + cell[0]);
    let (x, y) = (cell[0] as f32 * 8. + 4., cell[1] as f32 * 8. + 4.);
    maps.scores[class * cells + at] = score;
    for (side, distance) in [x - x0, y - y0, x1 - x, y1 - y].into_iter().enumerate() {
        maps.sides[side * cells + at] = distance;
    }
}

fn found(maps: &Maps) -> Vec<(usize, f32)> {
    let shapes = shapes(maps, KINDS, (128, 128), Thresholds { confidence: 0.3, iou: 0.5 });
    shapes.iter().map(|Shape { class, score, .. }| (*class, *score)).collect()
}

#[test]
fn a_sure_code_removes_the_text_inside_it_and_a_doubtful_one_does_not() {
    for (score, expected) in [(0.9, vec![(2, 0.9)]), (0.45, vec![(0, 0.8), (2, 0.45)])] {
        let mut maps = empty();
        say(&mut maps, 2, score, [8, 8], [20., 40., 110., 90.]);
        say(&mut maps, 0, 0.8, [6, 7], [30., 54., 80., 66.]);
        assert_eq!(found(&maps), expected);
    }
}

#[test]
fn a_sign_is_a_letter_or_a_box_to_tick() {
    for (letter, tick, expected) in [(0.7, 0.9, vec![(4, 0.9)]), (0.7, 0.4, vec![(0, 0.7)])] {
        let mut maps = empty();
        say(&mut maps, 0, letter, [6, 7], [44., 52., 60., 68.]);
        say(&mut maps, 4, tick, [7, 7], [45., 53., 61., 69.]);
        assert_eq!(found(&maps), expected);
    }
}

#[test]
fn the_pieces_of_a_long_barcode_are_one() {
    let mut maps = empty();
    say(&mut maps, 2, 0.9, [5, 8], [8., 50., 80., 90.]);
    say(&mut maps, 2, 0.8, [10, 8], [60., 51., 120., 90.]);
    let shapes = shapes(&maps, KINDS, (128, 128), Thresholds { confidence: 0.3, iou: 0.5 });
    assert_eq!(shapes.iter().map(|shape| shape.rect).collect::<Vec<_>>(), [[8., 50., 120., 90.]]);
}

#[test]
fn nothing_gives_nothing() {
    assert!(found(&empty()).is_empty());
}
