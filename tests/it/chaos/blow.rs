//! A process of ours that is killed at a point: after an answer of Stripe that it has not seen yet, or before a commit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::world::World;
use crate::support::postgres_proxy::{self, BeforeCommit};

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// After the sandbox gave the answer of this number, before the process has it.
    Answer(usize),
    /// Before the commit of this number reaches PostgreSQL.
    Commit(usize),
}

impl Blow {
    /// A point that nothing gets to.
    pub const NEVER: Self = Self::Answer(usize::MAX);

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer(_) => "after the answer to",
            Self::Commit(_) => "before the commit of",
        }
    }
}

/// Who is killed, and what it did until then.
pub struct Victim {
    blow: Blow,
    armed: AtomicBool,
    answers: AtomicUsize,
    commits: AtomicUsize,
    /// What it was about.
    killed: Mutex<Option<String>>,
    /// Ends it when dropped.
    process: Mutex<Option<Box<dyn Send>>>,
}

impl Victim {
    /// Nobody yet. Points are counted once it is [armed](Self::arm).
    pub fn of(blow: Blow) -> Arc<Self> {
        Arc::new(Self {
            blow,
            armed: AtomicBool::new(false),
            answers: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            killed: Mutex::default(),
            process: Mutex::default(),
        })
    }

    /// Steps between a process and both Stripe and PostgreSQL. Returns the settings that lead it there.
    pub async fn watch(self: &Arc<Self>, world: &World) -> [(&'static str, String); 3] {
        let (courier, victim) = (world.courier.clone(), self.clone());
        world.proxy.between(Arc::new(move |call| {
            let (courier, victim) = (courier.clone(), victim.clone());
            Box::pin(async move {
                let number = victim.count(&victim.answers);
                if victim.meets(Blow::Answer(number), &masked(&call)) {
                    // Nobody is there to hear it.
                    std::future::pending::<()>().await;
                }
                courier.lock().await.carry().await;
            })
        }));
        let victim = self.clone();
        let ask: BeforeCommit = Arc::new(move |_, about| {
            let number = victim.count(&victim.commits);
            !victim.is_over() && !victim.meets(Blow::Commit(number), about)
        });
        let database = postgres_proxy::start(&world.db.url, ask).await;
        [("DATABASE_URL", database), ("STRIPE_API_BASE", world.proxy.url.clone()), ("SMTP_URL", world.smtp.clone())]
    }

    /// Takes the process, which ends when it is dropped, as `start` makes it.
    pub fn take(&self, start: impl FnOnce() -> Box<dyn Send>) {
        // A blow waits until it is there.
        let mut process = self.process.lock().expect("no panic before");
        *process = Some(start());
    }

    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Ends the process if it still runs.
    pub fn end(&self) {
        drop(self.process.lock().expect("no panic before").take());
    }

    /// What it was about when it was killed.
    pub fn killed(&self) -> Option<String> {
        self.killed.lock().expect("no panic before").clone()
    }

    pub fn is_over(&self) -> bool {
        self.killed().is_some()
    }

    /// Answers and commits that it got to.
    pub fn reached(&self) -> (usize, usize) {
        (self.answers.load(Ordering::SeqCst), self.commits.load(Ordering::SeqCst))
    }

    fn count(&self, of: &AtomicUsize) -> usize {
        let armed = usize::from(self.armed.load(Ordering::SeqCst));
        of.fetch_add(armed, Ordering::SeqCst) + armed
    }

    /// Kills the process if this is the moment. True: it is dead.
    fn meets(&self, now: Blow, about: &str) -> bool {
        if self.blow != now || !self.armed.load(Ordering::SeqCst) {
            return false;
        }
        let mut process = self.process.lock().expect("no panic before");
        // Known before it dies: whoever misses it asks.
        *self.killed.lock().expect("no panic before") = Some(about.to_owned());
        drop(process.take());
        true
    }
}

/// A call without the ids in its path.
fn masked(call: &str) -> String {
    let part = |part: &str| if part.split_once('_').is_some_and(|(_, id)| id.len() > 13) { "…".to_owned() } else { part.to_owned() };
    call.split('/').map(part).collect::<Vec<_>>().join("/")
}
