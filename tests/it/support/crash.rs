//! PostgreSQL that dies at once, as when its machine does: the postmaster and all of its processes by SIGKILL, and its start
//! on what they left behind.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The server that runs on a data folder.
pub struct Postmaster {
    data: PathBuf,
}

impl Postmaster {
    pub fn of(data: PathBuf) -> Self {
        Self { data }
    }

    /// Kills the postmaster and its children at one instant. Returns how many processes that were.
    pub fn kill(&self) -> usize {
        let postmaster = self.pid().expect("the server runs");
        // Stopped first: from here on it forks no child that the list would miss.
        signal("-STOP", &[postmaster]);
        let mut all = children(postmaster);
        all.push(postmaster);
        signal("-KILL", &all);
        for _ in 0..200 {
            if all.iter().all(|&pid| !lives(pid)) {
                return all.len();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("PostgreSQL outlived SIGKILL: {all:?}");
    }

    /// Whether a server runs on the data.
    pub fn runs(&self) -> bool {
        self.pid().is_some_and(lives)
    }

    /// Starts it as it was started before, on the same port, and waits until it has recovered.
    pub fn start(&self) {
        let words = fs::read_to_string(self.data.join("postmaster.opts")).expect("it ran before");
        let (program, options) = words.trim().split_once(' ').expect("it had options");
        let owner = fs::metadata(&self.data).expect("the data are there");
        for _ in 0..20 {
            let mut start = Command::new(Path::new(program).with_file_name("pg_ctl"));
            start.arg("-D").arg(&self.data).args(["-w", "-t", "60", "-l"]).arg(self.data.with_file_name("log"));
            start.args(["-o", options, "start"]).uid(owner.uid()).gid(owner.gid()).current_dir("/").env_remove("PGDATA");
            // It keeps the descriptors it is given: none of them may be the test's.
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if start.status().expect("pg_ctl is there").success() {
                return;
            }
            // The kernel may still be tidying up after the dead: their shared memory is in the way until then.
            std::thread::sleep(Duration::from_millis(250));
        }
        let log = fs::read_to_string(self.data.with_file_name("log")).unwrap_or_default();
        panic!("PostgreSQL does not start again: {}", log.lines().rev().take(8).collect::<Vec<_>>().join("\n"));
    }

    fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
    }
}

fn signal(name: &str, pids: &[u32]) {
    // It also fails when one of them is gone already, which is no matter.
    Command::new("kill").arg(name).args(pids.iter().map(u32::to_string)).stderr(Stdio::null()).status().expect("kill runs");
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it, in parentheses, may hold anything.
    let mut rest = stat.rsplit_once(") ")?.1.split(' ');
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|&pid| stat(pid).is_some_and(|(_, of)| of == parent)).collect()
}
