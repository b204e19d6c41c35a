//! Models that are computed by nobody: they answer what their folder says, wait when held, fail when told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use lensmeter::vision::{
    ClassifyOptions, Findings, InferError, Inferred, Lane, ModelInfo, OpenError, Options, Picture, Route, Settings, Task, Vision,
    backend::{Backend, Frame, Output},
    batcher::QueueLimits,
    loaded::Loader,
    registry,
};

/// What the models of a test do, and did.
#[derive(Default)]
pub struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeSet<String>,
    failing: BTreeSet<String>,
    /// Frames of each batch, in their order.
    batches: BTreeMap<String, Vec<usize>>,
    loaded: BTreeMap<String, usize>,
}

impl Stage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while holding it")
    }

    /// From now on it starts what it is given and does not end.
    pub fn hold(&self, what: &str) {
        self.state().held.insert(what.into());
    }

    pub fn release(&self, what: &str) {
        self.state().held.remove(what);
        self.changed.notify_all();
    }

    pub fn fail(&self, model: &str) {
        self.state().failing.insert(model.into());
    }

    pub fn heal(&self, model: &str) {
        self.state().failing.remove(model);
    }

    /// Batches that it began.
    pub fn runs(&self, model: &str) -> usize {
        self.state().batches.get(model).map_or(0, Vec::len)
    }

    /// Frames that it was given.
    pub fn frames(&self, model: &str) -> usize {
        self.state().batches.get(model).map_or(0, |batches| batches.iter().sum())
    }

    /// How often it is in memory.
    pub fn loaded(&self, model: &str) -> usize {
        self.state().loaded.get(model).copied().unwrap_or(0)
    }

    fn wait_while_held(&self, what: &str) {
        let mut state = self.state();
        while state.held.contains(what) {
            state = self.changed.wait(state).expect("no test panics while holding it");
        }
    }
}

/// A model that answers one class, always.
struct Fake {
    stage: Arc<Stage>,
    id: String,
    class: usize,
    bytes: u64,
}

impl Fake {
    fn load(stage: &Arc<Stage>, id: String, class: usize, bytes: u64) -> Self {
        *stage.state().loaded.entry(id.clone()).or_default() += 1;
        Self { stage: Arc::clone(stage), id, class, bytes }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        *self.stage.state().loaded.entry(self.id.clone()).or_default() -= 1;
    }
}

impl Backend for Fake {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        self.stage.state().batches.entry(self.id.clone()).or_default().push(batch.len());
        self.stage.wait_while_held(&self.id);
        if self.stage.state().failing.contains(&self.id) {
            return Err("told to fail".into());
        }
        let row: Vec<f32> = (0..CLASSES).map(|class| if class == self.class { 9. } else { 0. }).collect();
        Ok(batch.iter().map(|_| Output::Row(row.clone())).collect())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn replicate(&self) -> Option<Box<dyn Backend>> {
        Some(Box::new(Self::load(&self.stage, self.id.clone(), self.class, self.bytes)))
    }
}

const CLASSES: usize = 10;
/// Of every model here.
pub const LIMITS: QueueLimits = QueueLimits { batch: 2, queue: 4 };

/// The shipped detector's description, told to be a classifier.
fn describe(version: &Path) -> Result<ModelInfo, OpenError> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/elements/1/model.toml");
    let text = |path: Option<&Path>| path.and_then(Path::file_name).expect("it has one").to_string_lossy().into_owned();
    Ok(ModelInfo {
        name: text(version.parent()),
        version: text(Some(version)),
        task: Task::Classify,
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        limits: LIMITS,
        weights: version.join("weights"),
        ..registry::read(&shipped)?
    })
}

/// A folder of models that a test may change, removed at the end.
pub struct Models(pub PathBuf);

impl Models {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("lensmeter-stage-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        Self(folder)
    }

    /// Adds or changes a version that answers `class`; a class that is no number cannot be loaded.
    pub fn put(&self, id: &str, class: &str) {
        let version = self.0.join(id);
        fs::create_dir_all(&version).expect("the temporary folder is writable");
        fs::write(version.join("weights"), class).expect("the temporary folder is writable");
        fs::write(version.join("model.toml"), "").expect("the temporary folder is writable");
    }

    pub fn remove(&self, id: &str) {
        fs::remove_dir_all(self.0.join(id)).expect("it is there");
    }

    pub fn routing(&self, text: &str) {
        fs::write(self.0.join("routing.toml"), text).expect("the temporary folder is writable");
    }

    pub fn settings(&self) -> Settings {
        Settings { models: self.0.clone(), ..Settings::default() }
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Loads what [`Models`] holds; each takes a megabyte.
pub fn loader(stage: &Arc<Stage>, workers: usize) -> Loader {
    let stage = Arc::clone(stage);
    let load = move |info: &ModelInfo, _: usize| -> Result<Box<dyn Backend>, Vec<String>> {
        let text = fs::read_to_string(&info.weights).map_err(|error| vec![error.to_string()])?;
        stage.wait_while_held(&format!("load {}", info.id()));
        let class = text.trim().parse().map_err(|_| vec![format!("{text:?} is no class")])?;
        Ok(Box::new(Fake::load(&stage, info.id(), class, 1 << 20)))
    };
    let read = |manifest: &Path| describe(manifest.parent().expect("it is in a folder"));
    Loader { read: Box::new(read), load: Box::new(load), devices: 1, workers }
}

pub fn start(models: &Models, stage: &Arc<Stage>) -> Vision {
    Vision::start_with(&models.settings(), loader(stage, 1)).expect("the folder is right")
}

/// A picture unlike that of another mark.
pub fn picture(mark: u8) -> Picture {
    Picture::new(64, 64, vec![mark; 64 * 64 * 3])
}

pub fn lane(account: u128) -> Lane {
    Lane { account, weight: 1, fresh: false }
}

pub fn route(vision: &Vision, model: &str, account: u128) -> Route {
    vision.route(Task::Classify, Some(model), account).expect("there is such a model")
}

pub async fn call(vision: &Vision, route: &Route, picture: &Picture, lane: Lane) -> Result<Inferred, InferError> {
    let options = Options::Classify(ClassifyOptions::default());
    vision.infer(route, picture, &options, lane, Instant::now() + Duration::from_secs(20)).await
}

/// The class that a call was answered.
pub fn class(answer: &Result<Inferred, InferError>) -> &str {
    match answer {
        Ok(Inferred { findings: Findings::Classes(classes), .. }) => &classes[0].class,
        other => panic!("no classes: {other:?}"),
    }
}

/// Until it is so; a test that waits in vain fails.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("ten seconds later, still not: {what}");
}
