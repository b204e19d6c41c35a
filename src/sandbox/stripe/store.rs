//! All of Stripe's objects, in memory behind one lock, journaled before any answer leaves.
//!
//! Objects are kept as Stripe's own JSON. Members that start with `_` are ours and never leave (`expand::public`).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{ApiError, Delivery, faults::Fault, idempotency::Reply, requests::Requests};
use crate::sandbox::{Settings, journal::Journal};

/// What the lock guards.
#[derive(Debug, Default)]
pub struct State {
    objects: HashMap<String, Value>,
    /// Ids per `object` word, oldest first.
    order: HashMap<String, Vec<String>>,
    /// The same of those that name another object in a member, by that one's id: looking through thousands of invoices for
    /// a customer's would take longer than all that is done with them.
    naming: HashMap<String, HashMap<String, Vec<String>>>,
    /// Stored answers by idempotency key.
    pub(super) replies: HashMap<String, Reply>,
    /// Keys whose first request is still running.
    pub(super) in_flight: HashSet<String>,
    /// Webhooks to send and sent, by a number that grows.
    pub(super) deliveries: BTreeMap<u64, Delivery>,
    /// Faults waiting for their request or webhook.
    pub(super) faults: Vec<Fault>,
    /// `request` member of the events that the running call causes.
    pub(super) request: Value,
    /// Base of the hosted pages.
    pub base_url: String,
    /// The configured receiver of webhooks is told of events, beside the registered endpoints.
    pub(super) sends_webhooks: bool,
    /// Seconds by which the sandbox is ahead of real time.
    pub(super) ahead: i64,
    /// The test clock of the running call's customer: its frozen time.
    pub(super) frozen: Option<i64>,
    /// What was asked, for who wants to see it; not journaled.
    pub(super) requests: Requests,
    unsaved: Vec<Value>,
}

/// The shared handle.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<(State, Journal)>,
    changed: Notify,
}

impl Store {
    /// Opens the journal of `settings`, or starts empty.
    pub fn open(settings: &Settings, base_url: &str) -> anyhow::Result<Self> {
        let (mut journal, lines) = Journal::open(settings.state_file.as_deref())?;
        let mut state = State { base_url: base_url.to_owned(), sends_webhooks: !settings.webhook_url.is_empty(), ..State::default() };
        for line in lines {
            state.replay(line);
        }
        journal.rewrite(&state.lines())?;
        Ok(Self(Arc::new(Inner { state: Mutex::new((state, journal)), changed: Notify::new() })))
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().0)
    }

    /// Changes the state: everything that `change` put is in the journal before this returns, in one write, so a
    /// killed process has all of a call or nothing of it.
    pub fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut guard = self.lock();
        let (state, journal) = &mut *guard;
        let result = change(state);
        let lines = std::mem::take(&mut state.unsaved);
        if let Err(error) = journal.append(&lines) {
            tracing::error!(%error, "the sandbox cannot write its state; it goes on in memory");
        }
        drop(guard);
        self.0.changed.notify_one();
        result
    }

    /// Waits until something was written since the last wait. For one waiter: the webhook sender.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, (State, Journal)> {
        // A panic under the lock is a failed call of a test double; the others go on.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds or replaces an object (by its `id`).
    pub fn put(&mut self, object: Value) {
        self.unsaved.push(json!({ "object": object }));
        self.place(object);
    }

    /// Removes an object for good.
    pub fn remove(&mut self, id: &str) {
        self.unsaved.push(json!({ "gone": id }));
        self.forget(id);
    }

    /// Any object by its id, as it is kept.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.objects.get(id)
    }

    /// An object of one kind, or Stripe's 404.
    pub fn find(&self, kind: &str, id: &str) -> Result<Value, ApiError> {
        let found = self.get(id).filter(|object| object["object"] == kind);
        found.cloned().ok_or_else(|| ApiError::missing(kind, id))
    }

    /// All objects of one kind, newest first.
    pub fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let ids = self.order.get(kind).map(Vec::as_slice).unwrap_or_default();
        ids.iter().rev().filter_map(|id| self.objects.get(id))
    }

    /// Those of one kind that name another object in a member (or once did), newest first.
    pub fn naming(&self, kind: &str, other: &str) -> impl Iterator<Item = &Value> {
        let ids = self.naming.get(other).and_then(|kinds| kinds.get(kind)).map(Vec::as_slice).unwrap_or_default();
        ids.iter().rev().filter_map(|id| self.objects.get(id))
    }

    /// The deliveries, oldest first.
    pub fn deliveries(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.deliveries.values()
    }

    /// The faults that wait.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Forgets whose request it was: what follows was done by a person on a hosted page.
    pub fn by_hand(&mut self) {
        self.request = json!({"id": null, "idempotency_key": null});
    }

    /// Keeps how far ahead of real time the sandbox is.
    pub(super) fn put_ahead(&mut self, seconds: i64) {
        self.unsaved.push(json!({ "ahead": seconds }));
        self.ahead = seconds;
    }

    /// Keeps a delivery.
    pub(super) fn put_delivery(&mut self, delivery: Delivery) {
        self.unsaved.push(json!({ "delivery": delivery }));
        self.deliveries.insert(delivery.number, delivery);
    }

    /// Keeps the answer to an idempotency key.
    pub(super) fn put_reply(&mut self, reply: Reply) {
        self.unsaved.push(json!({ "reply": reply }));
        self.replies.insert(reply.key.clone(), reply);
    }

    fn place(&mut self, object: Value) {
        let (Some(id), Some(kind)) = (object["id"].as_str(), object["object"].as_str()) else { return };
        let id = id.to_owned();
        if !self.objects.contains_key(&id) {
            self.order.entry(kind.to_owned()).or_default().push(id.clone());
        }
        for other in object.as_object().into_iter().flat_map(|members| members.values()).filter_map(Value::as_str) {
            if other != id && is_id(other) {
                let ids = self.naming.entry(other.to_owned()).or_default().entry(kind.to_owned()).or_default();
                if !ids.contains(&id) {
                    ids.push(id.clone());
                }
            }
        }
        self.objects.insert(id, object);
    }

    fn forget(&mut self, id: &str) {
        if let Some(object) = self.objects.remove(id)
            && let Some(ids) = object["object"].as_str().and_then(|kind| self.order.get_mut(kind))
        {
            ids.retain(|other| other != id);
        }
    }

    fn replay(&mut self, mut line: Value) {
        if let Some(seconds) = line["ahead"].as_i64() {
            self.ahead = seconds;
        } else if let Some(id) = line["gone"].as_str() {
            let id = id.to_owned();
            self.forget(&id);
        } else if line["object"].is_object() {
            self.place(line["object"].take());
        } else if let Ok(delivery) = serde_json::from_value::<Delivery>(line["delivery"].take()) {
            self.deliveries.insert(delivery.number, delivery);
        } else if let Ok(reply) = serde_json::from_value::<Reply>(line["reply"].take()) {
            self.replies.insert(reply.key.clone(), reply);
        }
    }

    /// The state as a fresh journal, each kind in its order.
    fn lines(&self) -> Vec<Value> {
        let ids = self.order.values().flatten();
        let objects = ids.filter_map(|id| self.objects.get(id)).map(|object| json!({ "object": object }));
        let deliveries = self.deliveries.values().map(|delivery| json!({ "delivery": delivery }));
        let replies = self.replies.values().map(|reply| json!({ "reply": reply }));
        let clock = std::iter::once(json!({ "ahead": self.ahead }));
        clock.chain(objects).chain(deliveries).chain(replies).collect()
    }
}

/// A fresh id: `in_` and 24 letters, as Stripe's.
pub fn new_id(prefix: &str) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letters: String = (0..24).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect();
    format!("{prefix}_{letters}")
}

/// Whether [`new_id`] may have made it.
fn is_id(text: &str) -> bool {
    text.rsplit_once('_').is_some_and(|(_, letters)| letters.len() == 24 && letters.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// `own`'s members laid over `base`'s.
pub fn over(mut base: Value, own: Value) -> Value {
    if let (Value::Object(all), Value::Object(own)) = (&mut base, own) {
        all.extend(own);
    }
    base
}

/// An object whose members, named by words apart by spaces, are null: Stripe's answers show each member, set or not.
pub fn nulls(names: &str) -> Value {
    names.split_whitespace().map(|name| (name.to_owned(), Value::Null)).collect()
}
