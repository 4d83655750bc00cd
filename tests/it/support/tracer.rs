//! Runs a program under `ptrace` and kills it at an exact place, before the n-th of chosen system calls; or has that call
//! fail.
//!
//! The program is the one that people run and knows nothing of this. What a process leaves behind at its sudden end is
//! what its system calls have done so far, so dying before each of them in turn is dying everywhere, and more often than
//! once for each statement.

use std::{io::Write, process::Command, sync::mpsc, thread, time::Duration};

use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace::{self, Event, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// Which system calls count, by their numbers.
pub type Counted = fn(i64) -> bool;

/// How a program ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its process id, which it does not have any more.
    pub pid: i32,
    /// Calls that counted and were made or, the last one, just not made.
    pub calls: u64,
    /// Its exit code, if it came to one; otherwise it was killed.
    pub code: Option<i32>,
}

/// What SQLite does to its files.
pub fn file_calls(number: i64) -> bool {
    const CALLS: [i64; 7] = [
        libc::SYS_pread64,
        libc::SYS_pwrite64,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_ftruncate,
        libc::SYS_fcntl,
        libc::SYS_unlink,
    ];
    CALLS.contains(&number)
}

/// What a client does with its connection to a server.
pub fn socket_calls(number: i64) -> bool {
    [libc::SYS_connect, libc::SYS_sendto, libc::SYS_recvfrom].contains(&number)
}

/// Everything by which files come to be, besides what SQLite does to them, and the connection to a server.
pub fn creating_calls(number: i64) -> bool {
    const CALLS: [i64; 8] = [
        libc::SYS_openat,
        libc::SYS_write,
        libc::SYS_chmod,
        libc::SYS_fchmod,
        libc::SYS_link,
        libc::SYS_linkat,
        libc::SYS_rename,
        libc::SYS_mmap,
    ];
    file_calls(number) || socket_calls(number) || CALLS.contains(&number)
}

/// What becomes of a call that is about to be made.
enum Fate {
    /// It is made.
    Made,
    /// The process dies before it.
    Death,
    /// It is not made, and answers with an error.
    Fails(Errno),
}

/// Runs a command to its end, or to its death before the `fatal`-th call that counts. Its output must go to files.
///
/// # Panics
/// When processes may not be traced here.
pub fn run(command: &Command, counted: Counted, fatal: Option<u64>) -> Ended {
    let mut calls = 0;
    let (pid, code) = trace(command, None, |_, call| {
        if !i64::try_from(call.orig_rax).is_ok_and(counted) {
            return Fate::Made;
        }
        calls += 1;
        if Some(calls) == fatal { Fate::Death } else { Fate::Made }
    });
    Ended { pid, calls, code }
}

/// How a program ended of which one call failed.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Calls that counted.
    pub calls: u64,
    /// Its exit code; nothing when it hung and was killed.
    pub code: Option<i32>,
    /// The call that failed, if it came to it: its number, the file, and the error.
    pub failed: Option<String>,
}

/// Runs a command to its end, while the `faulty`-th call to a file or a connection that it makes after its first `rmdir`
/// fails. Whoever is not at its end after `patience` is killed. What the runtime does for itself (wake-ups, memory,
/// sleeping) never fails, nor does closing.
///
/// # Panics
/// When processes may not be traced here.
pub fn run_broken(command: &Command, faulty: Option<u64>, patience: Duration) -> Broken {
    let (mut calls, mut begun, mut failed) = (0, false, None);
    let (_, code) = trace(command, Some(patience), |thread, call| {
        let number = i64::try_from(call.orig_rax).unwrap_or(-1);
        if !begun {
            begun = number == libc::SYS_rmdir;
            return Fate::Made;
        }
        let Some((file, errors)) = own_work(thread, number, call.rdi) else { return Fate::Made };
        calls += 1;
        if Some(calls) != faulty {
            return Fate::Made;
        }
        let error = errors[usize::try_from(calls).unwrap_or(0) % errors.len()];
        failed = Some(format!("{number} {file} {error}"));
        Fate::Fails(error)
    });
    Broken { calls, code, failed }
}

/// The file or connection of a call that is the program's own work, and errors that the call may have.
fn own_work(thread: Pid, number: i64, first: u64) -> Option<(String, &'static [Errno])> {
    const BY_PATH: [i64; 15] = [
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_mkdir,
        libc::SYS_link,
        libc::SYS_rename,
        libc::SYS_renameat2,
        libc::SYS_unlink,
        libc::SYS_unlinkat,
        libc::SYS_chmod,
    ];
    const READS: [i64; 8] = [
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_getdents64,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_fcntl,
        libc::SYS_flock,
    ];
    const WRITES: [i64; 8] = [
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_pwrite64,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_ftruncate,
        libc::SYS_fallocate,
        libc::SYS_fchmod,
    ];
    const TALKS: [i64; 6] = [
        libc::SYS_connect,
        libc::SYS_sendto,
        libc::SYS_recvfrom,
        libc::SYS_sendmsg,
        libc::SYS_recvmsg,
        libc::SYS_accept4,
    ];
    if number == libc::SYS_socket {
        return Some(("socket".to_owned(), &[Errno::EMFILE]));
    }
    if BY_PATH.contains(&number) {
        return Some(("path".to_owned(), &[Errno::EIO, Errno::ENOSPC, Errno::EACCES]));
    }
    if !READS.contains(&number) && !WRITES.contains(&number) && !TALKS.contains(&number) {
        return None;
    }
    let file = std::fs::read_link(format!("/proc/{thread}/fd/{first}")).ok()?.display().to_string();
    if file.starts_with("socket:") {
        // The mode of a socket is set by `fcntl`, which has no such errors.
        let talks = !READS.contains(&number) || [libc::SYS_read, libc::SYS_readv].contains(&number);
        return talks.then_some((file, &[Errno::ECONNRESET, Errno::ETIMEDOUT][..]));
    }
    // Pipes and the wake-ups of the runtime have no path.
    if !file.starts_with('/') || file.starts_with("/dev/") {
        return None;
    }
    Some((file, if WRITES.contains(&number) { &[Errno::ENOSPC, Errno::EIO] } else { &[Errno::EIO] }))
}

/// Runs a command and decides about each of its calls. Gives its process id and its exit code, if it came to one.
#[expect(clippy::zombie_processes, reason = "it is waited for, though not by way of this handle")]
fn trace(
    command: &Command,
    patience: Option<Duration>,
    mut decide: impl FnMut(Pid, &libc::user_regs_struct) -> Fate,
) -> (i32, Option<i32>) {
    // A shell that waits for a line first, so that the tracer is there before the program.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read -r _ && exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().stdin(std::process::Stdio::piped());
    for (name, value) in command.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    command.get_current_dir().map(|folder| shell.current_dir(folder));
    shell.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = shell.spawn().expect("a shell");
    let main = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let options = Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options).expect("a process may trace its children");
    ptrace::interrupt(main).expect("the shell stops");
    let mut pipe = child.stdin.take().expect("its input");
    pipe.write_all(b"\n").expect("the shell listens");
    drop(pipe);

    // Dropped at the end, and then nobody is killed any more.
    let (_over, waiting) = mpsc::channel::<()>();
    if let Some(patience) = patience {
        thread::spawn(move || {
            if waiting.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill(main, Signal::SIGKILL);
            }
        });
    }
    let mut is_program = false;
    let mut failing: Option<(Pid, Errno)> = None;
    loop {
        // Only what this thread started: other tests have children as well.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let (thread, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => {
                return (main.as_raw(), Some(code));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                assert!(signal == Signal::SIGKILL || patience.is_some(), "{signal}");
                return (main.as_raw(), None);
            }
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                if let Some((_, error)) = failing.take_if(|(failing, _)| *failing == thread) {
                    change(thread, |registers| registers.rax = i64::from(-(error as i32)).cast_unsigned());
                } else if is_program && let Some(call) = entered(thread) {
                    match decide(thread, &call) {
                        Fate::Made => {}
                        Fate::Death => kill(main, Signal::SIGKILL).expect("it is still there"),
                        Fate::Fails(error) => {
                            // A call that there is not; what it answers is set when it returns.
                            change(thread, |registers| registers.orig_rax = u64::MAX);
                            failing = Some((thread, error));
                        }
                    }
                }
                (thread, None)
            }
            Ok(WaitStatus::PtraceEvent(thread, _, event)) => {
                is_program |= event == Event::PTRACE_EVENT_EXEC as i32;
                (thread, None)
            }
            Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => panic!("the traced program cannot be waited for: {error}"),
        };
        match ptrace::syscall(thread, signal) {
            // A thread that was killed meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => panic!("the traced program cannot go on: {error}"),
        }
    }
}

/// The system call that a stopped thread is about to make; nothing when it returns from one or is dead.
fn entered(thread: Pid) -> Option<libc::user_regs_struct> {
    let info = ptrace::syscall_info(thread).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    ptrace::getregs(thread).ok()
}

/// Changes the registers of a stopped thread, unless it was killed meanwhile.
fn change(thread: Pid, change: impl FnOnce(&mut libc::user_regs_struct)) {
    if let Ok(mut registers) = ptrace::getregs(thread) {
        change(&mut registers);
        let _ = ptrace::setregs(thread, registers);
    }
}
