//! A relay on loopback between libgit2 and a server.
//!
//! libgit2's own time limits are process-wide, and it offers none for bytes. Its connection is therefore led through a
//! socket of this process: the relay connects, counts, and cuts the connection when the budget ends, so that no server
//! can hold a thread. What ssh protects stays protected, since the relay only carries it.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::limits::{CONNECT, Limits, SILENCE};
use crate::{
    base::egress::{Egress, LOOK_UP, ResolveError},
    reconcile::content::{FetchError, FetchReason},
};

/// How long a thread waits before it looks whether it should end.
const TICK: Duration = Duration::from_millis(50);

/// A connection that stands, and the door through which libgit2 will come.
pub(super) struct Relay<'a> {
    server: TcpStream,
    door: TcpListener,
    limits: &'a Limits<'a>,
    place: String,
}

impl<'a> Relay<'a> {
    /// Connects to a server, if that is one that may be reached. libgit2 is never told the server's name or address, so
    /// it cannot go elsewhere.
    pub(super) fn connect(
        egress: &Egress,
        host: &str,
        port: u16,
        limits: &'a Limits<'a>,
        place: &dyn std::fmt::Display,
    ) -> Result<Relay<'a>, FetchError> {
        let unreachable = |what: String| FetchError::new(FetchReason::Unreachable, format!("{place}: {what}"));
        let mut last = format!("{host} has no address");
        for address in resolve(egress, host, port, limits, place)? {
            limits.check().map_err(|stop| limits.error(stop, place))?;
            match TcpStream::connect_timeout(&address, CONNECT.min(limits.left()).max(TICK)) {
                Ok(server) => {
                    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|door| {
                        door.set_nonblocking(true)?;
                        Ok(door)
                    });
                    let door = door.map_err(|error| {
                        FetchError::new(FetchReason::Local, format!("no socket on loopback can be opened: {error}"))
                    })?;
                    return Ok(Relay { server, door, limits, place: place.to_string() });
                }
                Err(error) => last = format!("{address} cannot be reached: {error}"),
            }
        }
        Err(unreachable(last))
    }

    /// Does `work`, which may connect once to the given port of loopback. The second value is why the connection was
    /// cut, when it was.
    pub(super) fn run<T>(self, work: impl FnOnce(u16) -> T) -> (T, Option<FetchError>) {
        let port = self.door.local_addr().map_or(0, |address| address.port());
        let (over, cut) = (AtomicBool::new(false), Mutex::new(None));
        let result = thread::scope(|scope| {
            scope.spawn(|| self.carry(&over, &cut));
            let result = work(port);
            over.store(true, Ordering::Relaxed);
            result
        });
        (result, cut.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn carry(&self, over: &AtomicBool, cut: &Mutex<Option<FetchError>>) {
        let client = loop {
            if over.load(Ordering::Relaxed) || self.limits.check().is_err() {
                return;
            }
            match self.door.accept() {
                Ok((client, _)) => break client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                Err(_) => return,
            }
        };
        // Accepted sockets do not inherit the listener's mode everywhere.
        let _ = client.set_nonblocking(false);
        let last = Mutex::new(Instant::now());
        thread::scope(|scope| {
            scope.spawn(|| self.copy(&client, &self.server, false, over, cut, &last));
            self.copy(&self.server, &client, true, over, cut, &last);
        });
    }

    /// Carries bytes one way until an end closes, the work is over, or the budget ends.
    fn copy(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        counted: bool,
        over: &AtomicBool,
        cut: &Mutex<Option<FetchError>>,
        last: &Mutex<Instant>,
    ) {
        let _ = from.set_read_timeout(Some(TICK));
        let _ = to.set_write_timeout(Some(SILENCE));
        let close = || {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        };
        let note = |error: FetchError| {
            cut.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            close();
        };
        let mut buffer = vec![0; 64 << 10];
        loop {
            if over.load(Ordering::Relaxed) {
                return close();
            }
            if let Err(stop) = self.limits.check() {
                return note(self.limits.error(stop, &self.place));
            }
            match from.read(&mut buffer) {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(length) => {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    if counted && let Err(stop) = self.limits.receive(length) {
                        return note(self.limits.error(stop, &self.place));
                    }
                    if to.write_all(&buffer[..length]).is_err() {
                        return close();
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
                {
                    if last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > SILENCE {
                        let message = format!("{}: the server has been silent for {SILENCE:?}", self.place);
                        return note(FetchError::new(FetchReason::TimedOut, message));
                    }
                }
                Err(_) => return close(),
            }
        }
    }
}

/// The addresses of a host. The look-up cannot be broken off, so a thread does it that is left behind when it hangs.
fn resolve(
    egress: &Egress,
    host: &str,
    port: u16,
    limits: &Limits<'_>,
    place: &dyn std::fmt::Display,
) -> Result<Vec<SocketAddr>, FetchError> {
    let (send, receive) = mpsc::channel();
    let (egress, name) = (egress.clone(), host.to_owned());
    let started = thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let _ = send.send(egress.resolve_blocking(&name, port));
    });
    started.map_err(|error| FetchError::new(FetchReason::Local, format!("no thread can be started: {error}")))?;
    let until = Instant::now() + LOOK_UP;
    loop {
        limits.check().map_err(|stop| limits.error(stop, place))?;
        match receive.recv_timeout(TICK) {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(error)) => {
                let reason = match error {
                    ResolveError::Refused(_) => FetchReason::Forbidden,
                    _ => FetchReason::Unreachable,
                };
                return Err(FetchError::new(reason, format!("{place}: {error}")));
            }
            Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() < until => {}
            Err(_) => {
                let error = ResolveError::TimedOut { host: host.to_owned() };
                return Err(FetchError::new(FetchReason::Unreachable, format!("{place}: {error}")));
            }
        }
    }
}
