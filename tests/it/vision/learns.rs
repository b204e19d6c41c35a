//! The training code learns: the loss of one small batch falls when it is shown again and again.

use lensmeter::vision::{
    torch::network::{Elements, Precision},
    train::{
        augment::augment,
        dice::Dice,
        feed::Sample,
        fonts::Split,
        loss::{Batch, loss},
        material::Material,
        optimizer::Optimizer,
        scene,
        sheet::CLASSES,
        targets::targets,
    },
};
use tch::{Device, nn::VarStore};

const SIDE: u32 = 192;

/// A few crops; none where there are no fonts to draw them with.
fn batch() -> Option<Batch> {
    let Ok(fonts) = Material::open("/usr/share/fonts".as_ref(), Split::Train) else {
        eprintln!("skipped: no fonts on this machine to draw a batch with");
        return None;
    };
    // Tests run side by side, and several threads for each are slower than one.
    tch::set_num_threads(1);
    let sample = |seed: u64| {
        let crop = augment(&scene::draw(&fonts, seed, 320), &mut Dice::new(seed), SIDE);
        Sample { targets: targets(&crop), pixels: crop.image.into_raw() }
    };
    Some(Batch::new(&(1..5).map(sample).collect::<Vec<_>>(), SIDE))
}

#[test]
fn one_batch_is_learnt_by_heart() {
    let Some(batch) = batch() else { return };
    tch::manual_seed(3);
    let store = VarStore::new(Device::Cpu);
    let network = Elements::new(&store.root(), CLASSES.len());
    let mut optimizer = Optimizer::new(&store);
    let mut losses = Vec::new();
    for _ in 0..30 {
        let lost = loss(&network.forward(&batch.pictures, true, Precision::Full), &batch);
        losses.push((lost.total.double_value(&[]), lost.iou.double_value(&[])));
        assert!(optimizer.step(&lost.total, 2e-3).is_finite());
    }
    let (first, last) = (losses[0], losses[29]);
    assert!(last.0 < first.0 * 0.85 && last.1 > first.1 * 2., "loss {:.2} to {:.2}, IoU {:.2} to {:.2}", first.0, last.0, first.1, last.1);
}

#[test]
fn the_second_look_learns_while_the_map_rests() {
    let Some(batch) = batch() else { return };
    tch::manual_seed(3);
    let store = VarStore::new(Device::Cpu);
    let network = Elements::new(&store.root(), CLASSES.len());
    let variables = store.variables();
    let stem = || variables["stem.conv.weight"].copy();
    let mut optimizer = Optimizer::new(&store);
    optimizer.settle();
    let before = stem();
    let mut losses = Vec::new();
    for _ in 0..15 {
        let lost = loss(&network.look(&batch.pictures, Precision::Full), &batch);
        losses.push(lost.parts[4].double_value(&[]));
        assert!(optimizer.step(&lost.total, 2e-3).is_finite());
    }
    assert!(losses[14] < losses[0] * 0.8, "loss {:.3} to {:.3}", losses[0], losses[14]);
    assert_eq!(before, stem(), "nothing but the second look moves");
}

#[test]
fn equal_seeds_draw_equal_scenes() {
    let Ok(fonts) = Material::open("/usr/share/fonts".as_ref(), Split::Train) else {
        eprintln!("skipped: no fonts on this machine to draw with");
        return;
    };
    for seed in 0..4 {
        let (a, b) = (scene::draw(&fonts, seed, 256), scene::draw(&fonts, seed, 256));
        assert!(a.image == b.image && a.objects.len() == b.objects.len(), "scene {seed}");
    }
}
