//! Inception v3. The auxiliary classifier serves training only; its weights may be in the file.

use tch::Tensor;

use crate::vision::torch::{
    layers::{Conv, Layer, Linear, Shape, max_pool, pooled, relu, sequence},
    weights::Weights,
};

const EPS: f64 = 1e-3;

pub fn build(w: &Weights<'_>, classes: Option<i64>) -> Layer {
    w.ignore("AuxLogits.");
    let conv = |name: &str, shape: Shape| unit(w, name, shape);
    let pool = || Box::new(|x: &Tensor| max_pool(x, 3, 2, 0, false)) as Layer;
    sequence(vec![
        conv("Conv2d_1a_3x3", Shape::new(3, 32, 3).stride(2).padding(0)),
        conv("Conv2d_2a_3x3", Shape::new(32, 32, 3).padding(0)),
        conv("Conv2d_2b_3x3", Shape::new(32, 64, 3)),
        pool(),
        conv("Conv2d_3b_1x1", Shape::new(64, 80, 1)),
        conv("Conv2d_4a_3x3", Shape::new(80, 192, 3).padding(0)),
        pool(),
        a(w, "Mixed_5b", 192, 32),
        a(w, "Mixed_5c", 256, 64),
        a(w, "Mixed_5d", 288, 64),
        b(w, "Mixed_6a", 288),
        c(w, "Mixed_6b", 128),
        c(w, "Mixed_6c", 160),
        c(w, "Mixed_6d", 160),
        c(w, "Mixed_6e", 192),
        d(w, "Mixed_7a", 768),
        e(w, "Mixed_7b", 1280),
        e(w, "Mixed_7c", 2048),
        Box::new(pooled),
        Linear::last(w, "fc", 2048, classes),
    ])
}

fn unit(w: &Weights<'_>, name: &str, shape: Shape) -> Layer {
    Conv::normed(w, &format!("{name}.conv"), &format!("{name}.bn"), shape, EPS).then(relu)
}

/// Convolutions in a row: the branch called `name`, numbered from 1 where there are several.
fn branch(w: &Weights<'_>, block: &str, name: &str, shapes: &[Shape]) -> Layer {
    let named = |(i, shape): (usize, &Shape)| match shapes.len() {
        1 => unit(w, &format!("{block}.{name}"), *shape),
        _ => unit(w, &format!("{block}.{name}_{}", i + 1), *shape),
    };
    sequence(shapes.iter().enumerate().map(named).collect())
}

/// The mean of each 3x3 square, edges counted as if zeros were round the map, then 1x1.
fn averaged(w: &Weights<'_>, block: &str, inputs: i64, outputs: i64) -> Layer {
    let conv = branch(w, block, "branch_pool", &[Shape::new(inputs, outputs, 1)]);
    Box::new(move |x| conv(&x.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None)))
}

fn halved() -> Layer {
    Box::new(|x| max_pool(x, 3, 2, 0, false))
}

/// The channels of all branches, one after the other.
fn joined(branches: Vec<Layer>) -> Layer {
    Box::new(move |x| Tensor::cat(&branches.iter().map(|branch| branch(x)).collect::<Vec<_>>(), 1))
}

fn a(w: &Weights<'_>, name: &str, inputs: i64, pool: i64) -> Layer {
    joined(vec![
        branch(w, name, "branch1x1", &[Shape::new(inputs, 64, 1)]),
        branch(w, name, "branch5x5", &[Shape::new(inputs, 48, 1), Shape::new(48, 64, 5)]),
        branch(w, name, "branch3x3dbl", &[Shape::new(inputs, 64, 1), Shape::new(64, 96, 3), Shape::new(96, 96, 3)]),
        averaged(w, name, inputs, pool),
    ])
}

fn b(w: &Weights<'_>, name: &str, inputs: i64) -> Layer {
    let last = Shape::new(96, 96, 3).stride(2).padding(0);
    joined(vec![
        branch(w, name, "branch3x3", &[Shape::new(inputs, 384, 3).stride(2).padding(0)]),
        branch(w, name, "branch3x3dbl", &[Shape::new(inputs, 64, 1), Shape::new(64, 96, 3), last]),
        halved(),
    ])
}

fn c(w: &Weights<'_>, name: &str, width: i64) -> Layer {
    let across = |inputs, outputs| Shape::oblong(inputs, outputs, [1, 7]);
    let down = |inputs, outputs| Shape::oblong(inputs, outputs, [7, 1]);
    let double = [Shape::new(768, width, 1), down(width, width), across(width, width), down(width, width), across(width, 192)];
    joined(vec![
        branch(w, name, "branch1x1", &[Shape::new(768, 192, 1)]),
        branch(w, name, "branch7x7", &[Shape::new(768, width, 1), across(width, width), down(width, 192)]),
        branch(w, name, "branch7x7dbl", &double),
        averaged(w, name, 768, 192),
    ])
}

fn d(w: &Weights<'_>, name: &str, inputs: i64) -> Layer {
    let narrow = Shape::new(inputs, 192, 1);
    let last = |outputs| Shape::new(192, outputs, 3).stride(2).padding(0);
    let seven = [narrow, Shape::oblong(192, 192, [1, 7]), Shape::oblong(192, 192, [7, 1]), last(192)];
    joined(vec![branch(w, name, "branch3x3", &[narrow, last(320)]), branch(w, name, "branch7x7x3", &seven), halved()])
}

fn e(w: &Weights<'_>, name: &str, inputs: i64) -> Layer {
    let conv = |part: &str, shape| unit(w, &format!("{name}.{part}"), shape);
    let fork = |part: &str| {
        let (across, down) = (Shape::oblong(384, 384, [1, 3]), Shape::oblong(384, 384, [3, 1]));
        joined(vec![conv(&format!("{part}a"), across), conv(&format!("{part}b"), down)])
    };
    let three = vec![conv("branch3x3_1", Shape::new(inputs, 384, 1)), fork("branch3x3_2")];
    let double = [conv("branch3x3dbl_1", Shape::new(inputs, 448, 1)), conv("branch3x3dbl_2", Shape::new(448, 384, 3))];
    let double = double.into_iter().chain([fork("branch3x3dbl_3")]).collect();
    let one = branch(w, name, "branch1x1", &[Shape::new(inputs, 320, 1)]);
    joined(vec![one, sequence(three), sequence(double), averaged(w, name, inputs, 192)])
}
