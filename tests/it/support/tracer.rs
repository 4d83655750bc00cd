//! Runs a program under `ptrace` and kills it at an exact place: before the n-th of chosen system calls.
//!
//! The program is the one that people run and knows nothing of this. What a process leaves behind at its sudden end is
//! what its system calls have done so far, so dying before each of them in turn is dying everywhere, and more often than
//! once for each statement.

use std::{io::Write, process::Command};

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

/// Runs a command to its end, or to its death before the `fatal`-th call that counts. Its output must go to files.
///
/// # Panics
/// When processes may not be traced here.
#[expect(clippy::zombie_processes, reason = "it is waited for, though not by way of this handle")]
pub fn run(command: &Command, counted: Counted, fatal: Option<u64>) -> Ended {
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

    let mut calls = 0;
    let mut is_program = false;
    loop {
        // Only what this thread started: other tests have children as well.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let (thread, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => {
                return Ended { pid: main.as_raw(), calls, code: Some(code) };
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                assert_eq!(signal, Signal::SIGKILL);
                return Ended { pid: main.as_raw(), calls, code: None };
            }
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                if is_program && entered(thread).is_some_and(counted) {
                    calls += 1;
                    if Some(calls) == fatal {
                        kill(main, Signal::SIGKILL).expect("it is still there");
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

/// The number of the system call that a stopped thread is about to make; nothing when it returns from one or is dead.
fn entered(thread: Pid) -> Option<i64> {
    let info = ptrace::syscall_info(thread).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    i64::try_from(ptrace::getregs(thread).ok()?.orig_rax).ok()
}
