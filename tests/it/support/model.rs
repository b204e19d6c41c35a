//! Models that no file holds: what they answer is written here.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use lensmeter::vision::backend::{Backend, Frame, Output, RawBox};
use lensmeter::vision::batcher::QueueLimits;
use lensmeter::vision::preprocess::{Input, Interpolation, Resize};
use lensmeter::vision::registry::{Architecture, Defaults};
use lensmeter::vision::{ModelInfo, Task};

/// A model as its folder would describe it, that sees pictures as they are.
pub fn info(name: &str, version: &str, task: Task, classes: &[&str]) -> ModelInfo {
    ModelInfo {
        name: name.into(),
        version: version.into(),
        task,
        architecture: Architecture::TorchScript,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        description: format!("{name} for tests."),
        license: None,
        price_hint: None,
        precision: None,
        input: Input {
            resize: Resize::Fit { max_side: 640, multiple: 32 },
            mean: [0.; 3],
            std: [1.; 3],
            interpolation: Interpolation::Bilinear,
            padding: 0,
        },
        output: None,
        defaults: Defaults::default(),
        limits: QueueLimits { batch: 1, queue: 1 },
        weights: "nowhere".into(),
    }
}

/// Answers every frame alike.
pub struct Always(pub Output);

impl Backend for Always {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        Ok(batch.iter().map(|_| self.0.clone()).collect())
    }
}

/// Fails at every frame.
pub struct Broken;

impl Backend for Broken {
    fn run(&mut self, _: &[Frame]) -> Result<Vec<Output>, String> {
        Err("the weights are bananas".into())
    }
}

/// Answers when it is let.
pub struct Slow(pub Gate);

impl Backend for Slow {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        self.0.pass();
        Ok(batch.iter().map(|_| Output::Row(vec![0.; 2])).collect())
    }
}

/// Shut until it is opened, once for all.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.1.wait_while(open, |open| !*open).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Three classes whose confidences are 0.6, 0.3 and 0.1.
pub fn classifier(name: &str, version: &str) -> (ModelInfo, Box<dyn Backend>) {
    let logits = [0.3f32, 0.6, 0.1].map(f32::ln).to_vec();
    (info(name, version, Task::Classify, &["cat", "dog", "fish"]), Box::new(Always(Output::Row(logits))))
}

/// Features 3 and 4, which is a vector of length 5.
pub fn embedder() -> (ModelInfo, Box<dyn Backend>) {
    (info("features", "1", Task::Embed, &[]), Box::new(Always(Output::Row(vec![3., 4.]))))
}

/// Two boxes of one cat, one of a dog, and one of nothing that it has a name for.
pub fn detector() -> (ModelInfo, Box<dyn Backend>) {
    let raw = |class, score, rect| RawBox { rect, class, score };
    let boxes = vec![
        raw(0, 0.9, [10., 10., 50., 50.]),
        raw(0, 0.7, [12., 10., 52., 50.]),
        raw(1, 0.8, [60., 20., 90., 200.]),
        raw(7, 0.9, [0., 0., 20., 20.]),
    ];
    (info("animals", "1", Task::Detect, &["cat", "dog"]), Box::new(Always(Output::Boxes(boxes))))
}
