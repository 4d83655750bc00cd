//! Workers: processes of our own program that run what the server's process must not.
//!
//! A worker is the program itself, started with one hidden argument. It reads programs and answers from its standard input
//! and writes questions and outcomes to its standard output; it has an empty environment and nothing else open. Its memory
//! is bounded twice: it watches its own size and ends an evaluation that grows too large, and the system refuses it more.
//! Whatever happens to it, the server only sees a pipe that closes.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{ExitCode, Stdio},
    sync::{
        Arc, Condvar, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use monty_types::{BASELINE_MEMORY, LIVE_MEMORY};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
};

use super::{
    Error, ErrorKind, Host, HostError, Limits, Outcome, Program, Scope, Variables,
    asking::{Deadline, answer},
    compile,
    session::{Ask, Reply, Session, Turn, patience},
};

/// The argument that makes the program a worker.
pub const ARGUMENT: &str = "expression-worker";
/// How many evaluations a worker serves.
const SERVES: usize = 10_000;
/// What a worker may have beyond an evaluation's memory: its own, and the stack of the compiler.
const OVERHEAD: u64 = 112 << 20;
/// How long a worker may take to start.
const START: Duration = Duration::from_secs(5);
/// The largest message.
const LARGEST: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
enum Order {
    Start { source: String, variables: Variables, scope: Box<Scope>, limits: Limits },
    Reply(Result<Reply, HostError>),
}

#[allow(clippy::large_enum_variant, reason = "each lives for one step; a box would cost more than it saves")]
#[derive(Serialize, Deserialize)]
enum Report {
    Ready,
    Ask(Ask),
    Done(Box<Outcome>),
    Failed(Error),
}

/// A running worker. Dropping it kills it.
struct Worker {
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
    served: usize,
}

struct Pool {
    idle: Mutex<Vec<Worker>>,
    /// As many at once as there are processors: they compute, they do not wait.
    places: Semaphore,
}

static POOL: LazyLock<Pool> = LazyLock::new(|| Pool {
    idle: Mutex::default(),
    places: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from).max(2)),
});

fn failed(what: impl std::fmt::Display) -> Error {
    Error { kind: ErrorKind::Sandbox(what.to_string()), line: None }
}

/// The program to start: this very one, or where a test or a tool has the library in it, the one beside it.
fn program() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().map_err(failed)?;
    if own.file_stem().is_some_and(|name| name == "gatewright") {
        // The running file, even if another has taken its place since.
        let running = PathBuf::from("/proc/self/exe");
        return Ok(if running.exists() { running } else { own });
    }
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("gatewright"))
        .find(|beside| beside.is_file())
        .ok_or_else(|| failed("there is no `gatewright` program beside this one to start a worker from"))
}

impl Worker {
    async fn start() -> Result<Self, Error> {
        let mut child = Command::new(program()?)
            .arg(ARGUMENT)
            .env_clear()
            // The allocator must not set memory aside beforehand: the system would then not see what is used of it.
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .env("MIMALLOC_DISALLOW_ARENA_ALLOC", "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("the worker has no pipes"));
        };
        let mut worker = Self { _child: child, input, output, served: 0 };
        match tokio::time::timeout(START, worker.receive()).await {
            Ok(Ok(Report::Ready)) => Ok(worker),
            _ => Err(failed("the worker did not start")),
        }
    }

    async fn send(&mut self, order: &Order) -> Result<(), Error> {
        let bytes = serde_json::to_vec(order).map_err(failed)?;
        let length = u32::try_from(bytes.len()).map_err(failed)?;
        let mut frame = Vec::with_capacity(bytes.len() + 4);
        frame.extend(length.to_le_bytes());
        frame.extend(bytes);
        self.input.write_all(&frame).await.map_err(failed)
    }

    async fn receive(&mut self) -> Result<Report, Error> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length).await.map_err(failed)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(failed)?;
        if length > LARGEST {
            return Err(failed("the worker says too much"));
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).await.map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(failed)
    }
}

/// Evaluates a program in a worker.
pub(super) async fn evaluate(
    program: &Program,
    scope: Scope,
    host: &dyn Host,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Outcome, Error> {
    let late = |_| deadline.missed();
    let _place = tokio::time::timeout(deadline.left(), POOL.places.acquire()).await.map_err(late)?.map_err(failed)?;
    let idle = POOL.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let start = Order::Start {
        source: program.0.source.clone(),
        variables: program.0.variables.clone(),
        scope: Box::new(scope),
        limits: *limits,
    };
    let mut worker = match idle {
        Some(mut worker) => match worker.send(&start).await {
            Ok(()) => worker,
            // It died while it was idle.
            Err(_) => fresh(&start).await?,
        },
        None => fresh(&start).await?,
    };
    let mut calls = 0;
    let mut patience = patience(limits);
    loop {
        let since = Instant::now();
        let report = match tokio::time::timeout(patience.min(deadline.left()), worker.receive()).await {
            Err(_) => return Err(Error { kind: ErrorKind::Timeout(limits.compute), line: None }),
            // Whoever goes beyond what the system allows it ends without a word.
            Ok(Err(_)) => return Err(Error { kind: ErrorKind::Memory(limits.memory), line: None }),
            Ok(Ok(report)) => report,
        };
        patience = patience.saturating_sub(since.elapsed()).max(Duration::from_millis(1));
        let result = match report {
            Report::Ask(ask) => {
                calls += 1;
                let reply = answer(host, ask, calls, limits, deadline).await?;
                worker.send(&Order::Reply(reply)).await?;
                continue;
            }
            Report::Ready => return Err(failed("the worker started twice")),
            Report::Done(outcome) => Ok(*outcome),
            Report::Failed(error) => Err(error),
        };
        worker.served += 1;
        let worn = matches!(&result, Err(Error { kind: ErrorKind::Memory(_) | ErrorKind::Timeout(_), .. }));
        if !worn && worker.served < SERVES {
            POOL.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
        return result;
    }
}

async fn fresh(start: &Order) -> Result<Worker, Error> {
    let mut worker = Worker::start().await?;
    worker.send(start).await?;
    Ok(worker)
}

/// The life of a worker, until its standard input ends.
///
/// Exits with 0 then, with 1 if it cannot be bounded or is spoken to wrongly.
pub fn main() -> ExitCode {
    let Some((size, resident)) = own_size() else { return ExitCode::FAILURE };
    let watch = Watch::start(resident);
    let mut bound = 0;
    if write(&Report::Ready).is_none() {
        return ExitCode::FAILURE;
    }
    while let Some(order) = read::<Order>() {
        let Order::Start { source, variables, scope, limits } = order else { return ExitCode::FAILURE };
        if bound == 0 {
            // Once only: a process can lower its bound, not raise it.
            bound = size + OVERHEAD + u64::try_from(limits.memory).unwrap_or(u64::MAX >> 1);
            if setrlimit(Resource::RLIMIT_AS, bound, bound).is_err() {
                return ExitCode::FAILURE;
            }
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        }
        let program = match compile(&source, &variables) {
            Ok(program) => program,
            Err(_) => {
                let error = failed("the worker cannot compile the expression");
                if write(&Report::Failed(error)).is_none() {
                    return ExitCode::FAILURE;
                }
                continue;
            }
        };
        let working = watch.work();
        let (mut session, mut turn) = Session::start(&program, *scope, limits, limits.memory);
        loop {
            let report = match turn {
                Turn::Done(outcome) => Report::Done(outcome),
                Turn::Failed(error) => Report::Failed(error),
                Turn::Ask(ask) => Report::Ask(ask),
            };
            let asks = matches!(report, Report::Ask(_));
            if write(&report).is_none() {
                return ExitCode::FAILURE;
            }
            if !asks {
                break;
            }
            match read() {
                Some(Order::Reply(reply)) => turn = session.resume(reply),
                _ => return ExitCode::FAILURE,
            }
        }
        drop(working);
    }
    ExitCode::SUCCESS
}

fn read<T: DeserializeOwned>() -> Option<T> {
    let mut input = std::io::stdin().lock();
    let mut length = [0; 4];
    input.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).ok()?];
    input.read_exact(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn write(report: &Report) -> Option<()> {
    let bytes = serde_json::to_vec(report).ok()?;
    let mut output = std::io::stdout().lock();
    output.write_all(&u32::try_from(bytes.len()).ok()?.to_le_bytes()).ok()?;
    output.write_all(&bytes).ok()?;
    output.flush().ok()
}

/// Address space and resident memory of this process, in bytes.
fn own_size() -> Option<(u64, usize)> {
    // Pages are 4 KiB wherever this file exists and the figures below matter; larger pages make the watch stricter.
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').map(|pages| pages.parse::<u64>().unwrap_or_default());
    let (size, resident) = (pages.next()? * PAGE, pages.next()? * PAGE);
    Some((size, usize::try_from(resident).ok()?))
}

/// Tells the sandbox's language how large the process is, again and again while it works.
struct Watch {
    working: Arc<(Mutex<bool>, Condvar)>,
    ended: Arc<AtomicBool>,
}

impl Watch {
    fn start(resident: usize) -> Self {
        BASELINE_MEMORY.store(resident, Ordering::Relaxed);
        let watch = Self { working: Arc::default(), ended: Arc::default() };
        let (working, ended) = (watch.working.clone(), watch.ended.clone());
        std::thread::spawn(move || {
            let (lock, wake) = &*working;
            while !ended.load(Ordering::Relaxed) {
                let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
                drop(wake.wait_while(guard, |working| !*working).unwrap_or_else(PoisonError::into_inner));
                if let Some((_, resident)) = own_size() {
                    LIVE_MEMORY.store(resident, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        watch
    }

    fn work(&self) -> Working<'_> {
        // What the process has become since is its own, not the evaluation's.
        if let Some((_, resident)) = own_size() {
            BASELINE_MEMORY.store(resident, Ordering::Relaxed);
            LIVE_MEMORY.store(resident, Ordering::Relaxed);
        }
        self.set(true);
        Working(self)
    }

    fn set(&self, working: bool) {
        *self.working.0.lock().unwrap_or_else(PoisonError::into_inner) = working;
        self.working.1.notify_all();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.set(true);
    }
}

/// An evaluation is going on.
struct Working<'a>(&'a Watch);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
