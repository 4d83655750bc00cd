//! Keeps every declared source reconciled: one task a source, so that none waits for another.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch as value},
    task::JoinHandle,
    time::Instant,
};

use super::{
    attempt::{self, Attempted, Memory},
    settings::{self, Origin, Secret, Settings},
    surroundings::Surroundings,
    trigger::Trigger,
    watch::{self, Watch},
};

/// How often a process looks for requests and changed declarations.
const POLL: Duration = Duration::from_secs(1);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Triggers that a source keeps while it is busy; more of them ask for the same anyway.
const KEPT_TRIGGERS: usize = 16;

/// What the rest of the process says to the sources. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    hooks: value::Receiver<HashMap<String, Option<Secret>>>,
}

enum Command {
    One(String, Trigger),
    All(Trigger),
    Ready(String),
}

/// What is known about the hook of a source.
pub enum Hook {
    /// There is no such source.
    Unknown,
    /// The source takes no requests, because it has no secret.
    Closed,
    /// Requests must know this.
    Secret(Secret),
}

impl Handle {
    /// Triggers one source.
    pub async fn trigger(&self, source: &str, trigger: Trigger) {
        let _ = self.commands.send(Command::One(source.to_owned(), trigger)).await;
    }

    /// Triggers all sources.
    pub async fn trigger_all(&self, trigger: Trigger) {
        let _ = self.commands.send(Command::All(trigger)).await;
    }

    /// What a request to the hook of a source has to know.
    pub fn hook(&self, source: &str) -> Hook {
        match self.hooks.borrow().get(source) {
            None => Hook::Unknown,
            Some(None) => Hook::Closed,
            Some(Some(secret)) => Hook::Secret(secret.clone()),
        }
    }
}

/// Starts reconciling. It ends when `stop` says so or is dropped: fetches under way are called off, and what is being
/// planned or written comes to its end.
pub fn start(around: Surroundings, stop: value::Receiver<bool>) -> (Handle, JoinHandle<()>) {
    let (commands, inbox) = mpsc::channel(256);
    let (hooks_out, hooks) = value::channel(HashMap::new());
    let supervisor = Supervisor {
        around: Arc::new(around),
        workers: HashMap::new(),
        commands: commands.clone(),
        hooks: hooks_out,
        revision: None,
        requests: HashMap::new(),
        unreadable: HashSet::new(),
    };
    (Handle { commands, hooks }, tokio::spawn(supervisor.run(inbox, stop)))
}

struct Supervisor {
    around: Arc<Surroundings>,
    workers: HashMap<String, Worker>,
    commands: mpsc::Sender<Command>,
    hooks: value::Sender<HashMap<String, Option<Secret>>>,
    /// Revision of the store at which the declarations were read.
    revision: Option<i64>,
    /// Requests that were passed on, by source.
    requests: HashMap<String, i64>,
    /// Declarations that were complained about.
    unreadable: HashSet<String>,
}

struct Worker {
    settings: value::Sender<Arc<Settings>>,
    triggers: mpsc::Sender<Trigger>,
    task: JoinHandle<()>,
}

impl Supervisor {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut stop: value::Receiver<bool>) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look().await,
                command = inbox.recv() => match command {
                    Some(Command::One(source, trigger)) => self.pass(&source, trigger),
                    Some(Command::All(trigger)) => {
                        for worker in self.workers.values() {
                            let _ = worker.triggers.try_send(trigger.clone());
                        }
                    }
                    Some(Command::Ready(source)) => self.ready(&source),
                    None => break,
                },
                changed = stop.changed() => if changed.is_err() || *stop.borrow() { break },
            }
        }
        self.around.stopping.store(true, Ordering::Relaxed);
        // A worker ends when nobody can tell it anything any more.
        let tasks: Vec<JoinHandle<()>> = self
            .workers
            .drain()
            .map(|(_, worker)| {
                drop((worker.settings, worker.triggers));
                worker.task
            })
            .collect();
        for task in tasks {
            let _ = task.await;
        }
    }

    /// A trigger that finds the queue full is dropped: what is in the queue asks for the same.
    fn pass(&self, source: &str, trigger: Trigger) {
        if let Some(worker) = self.workers.get(source) {
            let _ = worker.triggers.try_send(trigger);
        }
    }

    fn ready(&self, source: &str) {
        for worker in self.workers.values() {
            if worker.settings.borrow().depends_on.iter().any(|name| name == source) {
                let _ = worker.triggers.try_send(Trigger::Dependency);
            }
        }
    }

    /// Looks for changed declarations and for requests.
    async fn look(&mut self) {
        let poll = match self.around.store.poll().await {
            Ok(poll) => poll,
            Err(error) => {
                tracing::error!(%error, "the database does not answer; sources wait");
                return;
            }
        };
        if self.revision != Some(poll.revision) {
            match settings::all(&self.around.store, &self.around.registry).await {
                Ok(declared) => {
                    self.revision = Some(poll.revision);
                    self.follow(declared);
                }
                Err(error) => tracing::error!(%error, "the declarations of sources cannot be read"),
            }
        }
        for (source, number) in poll.requested {
            let known = self.requests.insert(source.clone(), number);
            // What was asked before this process began is found by its first attempt.
            if known.is_some_and(|known| known != number) || known.is_none() && self.revision.is_some() {
                self.pass(&source, Trigger::Request { by: "gatewright reconcile".to_owned() });
            }
        }
    }

    fn follow(&mut self, declared: Vec<Result<Settings, settings::SettingsError>>) {
        let mut present = HashSet::new();
        let mut hooks = HashMap::new();
        for settings in declared {
            let settings = match settings {
                Ok(settings) => Arc::new(settings),
                Err(error) => {
                    let text = error.to_string();
                    if self.unreadable.insert(text.clone()) {
                        tracing::error!("{text}");
                    }
                    continue;
                }
            };
            present.insert(settings.name.clone());
            hooks.insert(settings.name.clone(), settings.hook_secret.clone());
            match self.workers.get(&settings.name) {
                Some(worker) => {
                    worker.settings.send_if_modified(|known| {
                        let changed = known.digest != settings.digest;
                        if changed {
                            *known = settings.clone();
                        }
                        changed
                    });
                }
                None => {
                    let worker = self.employ(settings.clone());
                    self.workers.insert(settings.name.clone(), worker);
                }
            }
        }
        self.workers.retain(|name, _| present.contains(name));
        self.hooks.send_replace(hooks);
    }

    fn employ(&self, settings: Arc<Settings>) -> Worker {
        let (settings_out, settings_in) = value::channel(settings);
        let (triggers, triggered) = mpsc::channel(KEPT_TRIGGERS);
        let work = work(self.around.clone(), settings_in, triggers.downgrade(), triggered, self.commands.downgrade());
        Worker { settings: settings_out, triggers, task: tokio::spawn(work) }
    }
}

/// The life of one source.
async fn work(
    around: Arc<Surroundings>,
    mut settings: value::Receiver<Arc<Settings>>,
    own: mpsc::WeakSender<Trigger>,
    mut triggers: mpsc::Receiver<Trigger>,
    supervisor: mpsc::WeakSender<Command>,
) {
    let mut memory = Memory::default();
    let mut trigger = Trigger::Start;
    let mut failures = 0_u32;
    let mut watching = Watching::default();
    loop {
        let current = settings.borrow_and_update().clone();
        watching.follow(&around, &current, &own);
        let began = Instant::now();
        let attempted = one(&around, &current, &mut memory, trigger.clone()).await;
        failures = match attempted {
            None | Some(Attempted::Failed(true)) => failures.saturating_add(1),
            _ => 0,
        };
        if matches!(attempted, Some(Attempted::Applied(_)))
            && let Some(supervisor) = supervisor.upgrade()
        {
            let _ = supervisor.send(Command::Ready(current.name.clone())).await;
        }
        let pause = match attempted {
            None | Some(Attempted::Failed(true)) => backoff(failures, current.interval),
            Some(Attempted::Busy) => POLL,
            Some(_) => current.interval,
        };
        let until = began + jittered(pause);
        trigger = tokio::select! {
            () = tokio::time::sleep_until(until) => Trigger::Interval,
            received = triggers.recv() => match received {
                Some(trigger) => trigger,
                None => return,
            },
            changed = settings.changed() => match changed {
                Ok(()) => Trigger::Declared,
                Err(_) => return,
            },
        };
        // Whatever else has come meanwhile asks for the same.
        while triggers.try_recv().is_ok() {}
    }
}

/// One attempt on a thread of its own, since planning computes for long; nothing when it could not be made.
async fn one(
    around: &Arc<Surroundings>,
    settings: &Arc<Settings>,
    memory: &mut Memory,
    trigger: Trigger,
) -> Option<Attempted> {
    let (around, settings, mut own) = (around.clone(), settings.clone(), std::mem::take(memory));
    let runtime = tokio::runtime::Handle::current();
    let name = settings.name.clone();
    let task = tokio::task::spawn_blocking(move || {
        let attempted = runtime.block_on(attempt::attempt(&around, &settings, &mut own, &trigger));
        (attempted, own)
    });
    match task.await {
        Ok((Ok(attempted), own)) => {
            *memory = own;
            Some(attempted)
        }
        Ok((Err(error), own)) => {
            *memory = own;
            tracing::error!(source = name, %error, "the attempt could not be made");
            None
        }
        Err(error) => {
            tracing::error!(source = name, %error, "the attempt broke off; please report this");
            None
        }
    }
}

/// The pause after a number of failures in a row.
fn backoff(failures: u32, interval: Duration) -> Duration {
    let pause = Duration::from_secs(1).saturating_mul(1_u32 << failures.saturating_sub(1).min(12));
    pause.min(LONGEST_PAUSE.max(interval))
}

/// The pause give or take a tenth, so that many processes and sources do not move in step.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [128_u8];
    // Without randomness they move in step, which is no more than unpleasant.
    let _ = getrandom::fill(&mut byte);
    pause.mul_f64(0.9 + f64::from(byte[0]) / 255.0 * 0.2)
}

/// The watch on a source's folders.
#[derive(Default)]
struct Watching {
    folders: Vec<PathBuf>,
    watches: Vec<Watch>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watching {
    /// Watches what the source reads, and nothing else any more.
    fn follow(&mut self, around: &Surroundings, settings: &Settings, triggers: &mpsc::WeakSender<Trigger>) {
        let folders = match &settings.origin {
            Origin::Directory { location, selection } => vec![location.join(&selection.folder)],
            Origin::File { .. } => around.folders.clone(),
            _ => Vec::new(),
        };
        let folders = if settings.suspended { Vec::new() } else { folders };
        if folders == self.folders {
            return;
        }
        self.end();
        for folder in &folders {
            match Watch::start(folder.clone(), watch::Options::default()) {
                Ok((watch, mut changes)) => {
                    let triggers = triggers.clone();
                    self.watches.push(watch);
                    self.tasks.push(tokio::spawn(async move {
                        while changes.changed().await.is_ok() {
                            let Some(triggers) = triggers.upgrade() else { return };
                            let _ = triggers.try_send(Trigger::Files);
                        }
                    }));
                }
                Err(error) => {
                    let folder = folder.display();
                    tracing::warn!(%folder, %error, "the folder cannot be watched; it is looked at in intervals");
                }
            }
        }
        self.folders = folders;
    }

    fn end(&mut self) {
        self.watches.clear();
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let interval = Duration::from_secs(60);
        let seconds: Vec<u64> = (1..12).map(|failures| backoff(failures, interval).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff(u32::MAX, Duration::from_secs(3600)).as_secs(), 3600);
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(10));
            assert!(pause >= Duration::from_secs(9) && pause <= Duration::from_secs(11), "{pause:?}");
        }
    }
}
