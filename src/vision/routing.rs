//! Which model answers whom: `models/routing.toml`, checked against the models that are there.
//!
//! Without the file, a call gets the newest version of the model that it names, and the first model of its task by name
//! when it names none.

use std::{cmp::Reverse, collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    ModelState, Target,
    loaded::Loaded,
    registry::{ModelInfo, Task},
};

/// The file's name in the folder of models.
pub const FILE: &str = "routing.toml";

/// What `routing.toml` says; unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Routing {
    /// The model of a task, `name` or `name/version`, for calls that name none.
    tasks: BTreeMap<Task, String>,
    /// By the name of a model.
    models: BTreeMap<String, Rule>,
}

/// What calls to one model become. A call that names `name/version` gets exactly that, whatever stands here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rule {
    /// Parts of the accounts by version: `{ "1" = 90, "2" = 10 }`. The newest version gets all when there are none.
    versions: BTreeMap<String, u32>,
    /// Models that compute the same picture after the answer, in idle moments, to be compared with it.
    shadows: Vec<String>,
    /// Who answers when the model's queue is full, or it fails.
    fallback: Option<String>,
}

/// Which models answer a call. They stay loaded as long as a route holds them.
#[derive(Clone, Debug)]
pub struct Route {
    pub(super) model: Arc<Loaded>,
    pub(super) fallback: Option<Arc<Loaded>>,
    pub(super) shadows: Vec<Arc<Loaded>>,
}

impl Route {
    /// The model that is asked first.
    #[must_use]
    pub fn model(&self) -> &Arc<ModelInfo> {
        &self.model.info
    }

    /// Whether one of its models would take a call now.
    ///
    /// # Errors
    /// How long the first one is likely to be full.
    pub(super) fn room(&self) -> Result<(), Duration> {
        match (self.model.queue.room(), &self.fallback) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(fallback)) if fallback.queue.room().is_ok() => Ok(()),
            (Err(retry_after), _) => Err(retry_after),
        }
    }

    /// The size of picture that all its models are content with.
    pub(super) fn target(&self) -> Target {
        let others = self.fallback.iter().chain(&self.shadows).map(|model| model.info.input.resize.target());
        others.fold(self.model.info.input.resize.target(), Target::and)
    }
}

/// No model of that name does that task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no model {name:?} for {task}; there are: {known}")]
pub struct UnknownModel {
    name: String,
    task: Task,
    known: String,
}

/// The models and the rules as of one moment; replaced whole.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By name, then by version with the newest first.
    pub models: Vec<Arc<Loaded>>,
    /// Checked against `models`.
    pub routing: Routing,
    /// What is wrong in the folder, by `name/version` or file.
    pub problems: BTreeMap<String, String>,
}

impl Routing {
    /// The rules of `folder`; none when it has no such file.
    ///
    /// # Errors
    /// When it cannot be read or has unknown keys; the text says where.
    pub fn read(folder: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text.parse(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Every model and version that it names must be there and do the task that it is named for.
    ///
    /// # Errors
    /// The first that is not; the text names the key.
    pub fn check(&self, models: &[Arc<Loaded>]) -> Result<(), String> {
        for (task, name) in &self.tasks {
            let model = find(models, name).ok_or_else(|| format!("tasks.{task}: there is no model {name:?}"))?;
            if model.info.task != *task {
                return Err(format!("tasks.{task}: {name:?} does {}", model.info.task));
            }
        }
        self.models.iter().try_for_each(|(name, rule)| rule.check(name, models))
    }

    /// A version that no rule leads to and that is not the newest of its model is only for calls that name it.
    #[must_use]
    pub fn leads_to(&self, name: &str, version: &str) -> bool {
        let exact = format!("{name}/{version}");
        let named = |other: &String| *other == exact;
        self.tasks.values().any(named)
            || self.models.get(name).is_some_and(|rule| rule.versions.contains_key(version))
            || self.models.values().any(|rule| rule.shadows.iter().any(named) || rule.fallback.as_ref().is_some_and(named))
    }
}

impl std::str::FromStr for Routing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())
    }
}

impl Rule {
    fn check(&self, name: &str, models: &[Arc<Loaded>]) -> Result<(), String> {
        let model = find(models, name).ok_or_else(|| format!("models.{name}: there is no such model"))?;
        for version in self.versions.keys() {
            if find(models, &format!("{name}/{version}")).is_none() {
                return Err(format!("models.{name}.versions: there is no version {version:?}"));
            }
        }
        if !self.versions.is_empty() && self.versions.values().all(|parts| *parts == 0) {
            return Err(format!("models.{name}.versions: at least one needs a part above 0"));
        }
        let others = self.shadows.iter().map(|other| ("shadows", other)).chain(self.fallback.iter().map(|other| ("fallback", other)));
        for (key, other) in others {
            let found = find(models, other).ok_or_else(|| format!("models.{name}.{key}: there is no model {other:?}"))?;
            if found.info.task != model.info.task {
                return Err(format!("models.{name}.{key}: {other:?} does {}, {name} does {}", found.info.task, model.info.task));
            }
        }
        Ok(())
    }

    /// The version of an account: always the same one while the parts stay, on every replica. When parts move, only the
    /// accounts at the border move with them.
    fn version(&self, account: u128, name: &str) -> Option<&String> {
        let hash = Sha256::new().chain_update(account.to_be_bytes()).chain_update(name).finalize();
        let hash = u64::from_be_bytes(hash[..8].try_into().expect("a slice of eight"));
        let total: u64 = self.versions.values().map(|parts| u64::from(*parts)).sum();
        let mut point = (u128::from(hash) * u128::from(total)) >> 64;
        self.versions.iter().find_map(|(version, parts)| {
            let inside = point < u128::from(*parts);
            point = point.saturating_sub(u128::from(*parts));
            inside.then_some(version)
        })
    }
}

impl Catalog {
    /// The models of a call.
    ///
    /// # Errors
    /// When the model is not there or does something else; the text names those that do.
    pub fn route(&self, task: Task, name: Option<&str>, account: u128) -> Result<Route, UnknownModel> {
        let wanted = name.or_else(|| self.routing.tasks.get(&task).map(String::as_str));
        let first = || self.models.iter().find(|model| model.info.task == task);
        let named = match wanted {
            Some(name) => find(&self.models, name).filter(|model| model.info.task == task),
            None => first(),
        };
        let model = named.ok_or_else(|| self.unknown(task, name))?;
        let rule = self.routing.models.get(&model.info.name);
        let Some(rule) = rule.filter(|_| wanted.is_none_or(|name| !name.contains('/'))) else {
            return Ok(Route { model: Arc::clone(model), fallback: None, shadows: Vec::new() });
        };
        let version =
            rule.version(account, &model.info.name).and_then(|version| find(&self.models, &format!("{}/{version}", model.info.name)));
        let model = version.unwrap_or(model);
        let other = |name: &String| find(&self.models, name).filter(|other| other.id != model.id).cloned();
        Ok(Route {
            model: Arc::clone(model),
            fallback: rule.fallback.as_ref().and_then(other),
            shadows: rule.shadows.iter().filter_map(other).collect(),
        })
    }

    /// What serves, and what is wrong.
    #[must_use]
    pub fn states(&self) -> Vec<ModelState> {
        let mut problems = self.problems.clone();
        let serving = self.models.iter().map(|model| {
            let id = model.info.id();
            let problem = problems.remove(&id);
            ModelState { id, serving: true, problem, bytes: model.bytes, waiting: model.queue.waiting() }
        });
        let mut states: Vec<ModelState> = serving.collect();
        let refused = problems.into_iter();
        states.extend(refused.map(|(id, problem)| ModelState { id, serving: false, problem: Some(problem), bytes: 0, waiting: 0 }));
        states
    }

    fn unknown(&self, task: Task, name: Option<&str>) -> UnknownModel {
        let mut known: Vec<&str> = self.models.iter().filter(|m| m.info.task == task).map(|m| m.info.name.as_str()).collect();
        known.dedup();
        UnknownModel { name: name.unwrap_or_default().to_owned(), task, known: known.join(", ") }
    }
}

/// `name/version`, or the newest version of `name`.
fn find<'a>(models: &'a [Arc<Loaded>], name: &str) -> Option<&'a Arc<Loaded>> {
    let (name, version) = name.split_once('/').map_or((name, None), |(name, version)| (name, Some(version)));
    models.iter().find(|model| model.info.name == name && version.is_none_or(|version| model.info.version == version))
}

/// By name, then by version with the newest first: "10" is newer than "9", and names that are no numbers are the oldest.
pub fn sort(models: &mut [Arc<Loaded>]) {
    models.sort_by_cached_key(|model| (model.info.name.clone(), Reverse(age(&model.info.version))));
}

/// Greater is newer.
pub fn age(version: &str) -> (u64, String) {
    (version.parse().unwrap_or(0), version.to_owned())
}
