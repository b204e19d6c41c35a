//! The folder of models while the program runs: what changed is loaded beside what serves, and swapped in whole.
//!
//! A change counts when two looks in a row saw the same, so that files that are still being copied are left alone. One
//! thread looks and loads; no request waits for it.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use super::{
    batcher::Batcher,
    loaded::{Loaded, Loader},
    look::{Look, fingerprint, id_of, look, names_of, versions},
    registry::OpenError,
    routing::{self, Catalog, Routing, age, sort},
};

/// Where the catalog of the moment is. Readers copy the pointer and hold no lock.
pub type Shelf = Arc<RwLock<Arc<Catalog>>>;

/// The folder, and what of it serves.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    loader: Loader,
    batcher: Batcher,
    /// Most bytes of weights; no limit when none.
    memory: Option<u64>,
    shelf: Shelf,
    state: Mutex<State>,
}

/// A folder with the thread that looks at it, which ends when this is dropped.
#[derive(Debug)]
pub struct Watched {
    folder: Arc<Folder>,
    _ends_when_dropped: Option<Sender<()>>,
}

#[derive(Debug, Default)]
struct State {
    last: Look,
    /// What was last loaded or refused.
    tried: Look,
    serving: BTreeMap<PathBuf, Arc<Loaded>>,
    routing: Routing,
    /// Why versions are not served as they stand in the folder.
    refused: BTreeMap<PathBuf, String>,
    /// What else is wrong: with the folder, its routing file, versions that are gone.
    problems: BTreeMap<String, String>,
}

impl Folder {
    /// Loads every version below `path` and puts the catalog on the shelf.
    ///
    /// # Errors
    /// When any is wrong, or one that calls lead to has no room: the start stops rather than serve half.
    pub fn open(path: &Path, loader: Loader, memory: Option<u64>, batcher: &Batcher, shelf: Shelf) -> Result<Self, OpenError> {
        let folder = Self { path: path.to_owned(), loader, batcher: batcher.clone(), memory, shelf, state: Mutex::default() };
        folder.start(&mut folder.state())?;
        Ok(folder)
    }

    fn start(&self, state: &mut State) -> Result<(), OpenError> {
        let wrong = |problem| OpenError::Manifest { path: self.path.join(routing::FILE), problems: vec![problem] };
        state.last = look(&self.path)?;
        state.tried = state.last.clone();
        state.routing = Routing::read(&self.path).map_err(wrong)?;
        let all: Vec<PathBuf> = versions(&state.last, &self.path).cloned().collect();
        for version in in_order(&all, &all, &state.routing) {
            match self.load(state, &version) {
                Err(OpenError::Memory { .. }) if !is_needed(&version, &all, &state.routing) => {}
                loaded => loaded?,
            }
        }
        state.routing.check(&sorted(&state.serving)).map_err(wrong)?;
        self.publish(state);
        Ok(())
    }

    /// Starts the thread; none when `poll` is zero.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn watch(self, poll: Duration) -> std::io::Result<Watched> {
        let folder = Arc::new(self);
        if poll.is_zero() {
            return Ok(Watched { folder, _ends_when_dropped: None });
        }
        let (alive, gone) = mpsc::channel::<()>();
        let watched = Arc::clone(&folder);
        let watch = move || {
            while gone.recv_timeout(poll) == Err(RecvTimeoutError::Timeout) {
                watched.step(&mut watched.state());
            }
        };
        std::thread::Builder::new().name("models".into()).spawn(watch)?;
        Ok(Watched { folder, _ends_when_dropped: Some(alive) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, state: &mut State) {
        match look(&self.path) {
            Ok(look) => {
                state.problems.clear();
                self.take_over(state, &look);
                self.route(state, &look);
                self.remove(state, &look);
                state.last = look;
            }
            // A share that is away for a moment takes no model with it.
            Err(error) => {
                state.problems.insert("folder".into(), error.to_string());
            }
        }
        self.publish(state);
    }

    /// Loads what is new or changed, and stood still since the last look.
    fn take_over(&self, state: &mut State, look: &Look) {
        state.refused.retain(|version, _| look.contains_key(version));
        let all: Vec<PathBuf> = versions(look, &self.path).cloned().collect();
        let stands = |version: &&PathBuf| state.last.get(*version) == look.get(*version);
        let changed = |version: &&PathBuf| state.tried.get(*version) != look.get(*version);
        let changed: Vec<PathBuf> = all.iter().filter(stands).filter(changed).cloned().collect();
        for version in in_order(&changed, &all, &state.routing) {
            state.tried.insert(version.clone(), look[&version]);
            // What is wrong is noted there; what serves goes on serving.
            let _noted = self.load(state, &version);
        }
    }

    /// Loads a version beside what serves, and puts it in its place.
    fn load(&self, state: &mut State, version: &Path) -> Result<(), OpenError> {
        let id = id_of(version);
        let loaded = self.open_within(state, version);
        let outcome = if loaded.is_ok() { "loaded" } else { "refused" };
        metrics::counter!("lensmeter_model_loads_total", "model" => id.clone(), "outcome" => outcome).increment(1);
        match loaded {
            Ok(_) if fingerprint(version).ok().as_ref() != state.tried.get(version) => {
                state.tried.remove(version);
                state.refused.insert(version.to_owned(), "its files changed while they were read".into());
            }
            Ok(loaded) => {
                tracing::info!(model = id, bytes = loaded.bytes, "loaded {id}");
                state.refused.remove(version);
                state.serving.insert(version.to_owned(), Arc::new(loaded));
            }
            Err(error) => {
                state.refused.insert(version.to_owned(), error.to_string());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Within the memory there is. When that is too little for a version that calls lead to, those that no call leads to
    /// without naming them are unloaded, the oldest first.
    fn open_within(&self, state: &mut State, version: &Path) -> Result<Loaded, OpenError> {
        let info = (self.loader.read)(&version.join("model.toml"))?;
        loop {
            let used: u64 = state.serving.values().map(|loaded| loaded.bytes).sum();
            let opened = self.loader.open(info.clone(), &self.batcher, self.memory.map(|memory| memory.saturating_sub(used)));
            let Err(OpenError::Memory { .. }) = &opened else { return opened };
            let all: Vec<PathBuf> = state.serving.keys().cloned().chain([version.to_owned()]).collect();
            if !is_needed(version, &all, &state.routing) {
                return opened;
            }
            let spare = all.iter().filter(|other| state.serving.contains_key(*other) && !is_needed(other, &all, &state.routing));
            let Some(oldest) = spare.min_by_key(|other| age(&names_of(other).1)) else { return opened };
            state.serving.remove(oldest);
            state.refused.insert(oldest.clone(), format!("unloaded to make room for {}", id_of(version)));
            self.publish(state);
        }
    }

    /// Takes over the routing file when it stands still and names only what is there.
    fn route(&self, state: &mut State, look: &Look) {
        let file = self.path.join(routing::FILE);
        if look.get(&file) != state.last.get(&file) {
            return;
        }
        let models = sorted(&state.serving);
        match Routing::read(&self.path).and_then(|routing| routing.check(&models).map(|()| routing)) {
            Ok(routing) => state.routing = routing,
            Err(problem) => drop(state.problems.insert(routing::FILE.into(), problem)),
        }
    }

    /// Lets go of versions whose folder is gone in two looks, unless a route leads to them.
    fn remove(&self, state: &mut State, look: &Look) {
        let gone = |path: &&PathBuf| !look.contains_key(*path) && !state.last.contains_key(*path);
        let gone: Vec<PathBuf> = state.serving.keys().filter(gone).cloned().collect();
        for version in gone {
            let id = id_of(&version);
            let Some(removed) = state.serving.remove(&version) else { continue };
            if let Err(problem) = state.routing.check(&sorted(&state.serving)) {
                state.problems.insert(id, format!("its folder is gone, and it still serves: {problem}"));
                state.serving.insert(version, removed);
                continue;
            }
            tracing::info!(model = id, "{id} was removed; it is unloaded when its last call ends");
            state.tried.remove(&version);
            // There may be room now.
            state.forget_refusals();
        }
    }

    fn publish(&self, state: &State) {
        let models = sorted(&state.serving);
        let refused = state.refused.iter().map(|(version, problem)| (id_of(version), problem.clone()));
        let problems: BTreeMap<String, String> = state.problems.clone().into_iter().chain(refused).collect();
        metrics::gauge!("lensmeter_models_loaded").set(models.len() as f64);
        metrics::gauge!("lensmeter_models_bytes").set(models.iter().map(|model| model.bytes).sum::<u64>() as f64);
        metrics::gauge!("lensmeter_model_problems").set(problems.len() as f64);
        let catalog = Arc::new(Catalog { models, routing: state.routing.clone(), problems });
        // Dropped after the lock is free again: the last handle of a model may go with it.
        let old = std::mem::replace(&mut *self.shelf.write().unwrap_or_else(PoisonError::into_inner), Arc::clone(&catalog));
        for (what, problem) in catalog.problems.iter().filter(|(what, problem)| old.problems.get(*what) != Some(*problem)) {
            tracing::error!(what, problem, "models: {what}: {problem}");
        }
    }
}

impl Watched {
    /// Looks once and takes over what has not changed since the last look, as the thread does.
    pub fn refresh(&self) {
        self.folder.step(&mut self.folder.state());
    }

    /// Looks twice now, and tries again what was refused.
    pub fn reload(&self) {
        /// Between the two looks.
        const PAUSE: Duration = Duration::from_millis(200);
        let mut state = self.folder.state();
        state.forget_refusals();
        self.folder.step(&mut state);
        std::thread::sleep(PAUSE);
        self.folder.step(&mut state);
    }
}

impl State {
    fn forget_refusals(&mut self) {
        let refused = &self.refused;
        self.tried.retain(|version, _| !refused.contains_key(version));
    }
}

fn sorted(serving: &BTreeMap<PathBuf, Arc<Loaded>>) -> Vec<Arc<Loaded>> {
    let mut models: Vec<_> = serving.values().cloned().collect();
    sort(&mut models);
    models
}

/// Whether a call can lead to it without naming its version: it is the newest of its model, or a route names it.
fn is_needed(version: &Path, all: &[PathBuf], routing: &Routing) -> bool {
    let (name, own) = names_of(version);
    let newest = all.iter().map(|other| names_of(other)).filter(|(other, _)| *other == name).all(|(_, other)| age(&other) <= age(&own));
    newest || routing.leads_to(&name, &own)
}

/// Those that calls lead to first, and of those the newest: the memory goes to them.
fn in_order(some: &[PathBuf], all: &[PathBuf], routing: &Routing) -> Vec<PathBuf> {
    let mut sorted = some.to_vec();
    sorted.sort_by_cached_key(|version| {
        let (name, own) = names_of(version);
        (Reverse(is_needed(version, all, routing)), name, Reverse(age(&own)))
    });
    sorted
}
