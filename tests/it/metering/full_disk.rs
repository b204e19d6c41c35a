//! PostgreSQL on a disk that is really full: a small one of its own, which only root may mount.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::served::Client;
use crate::support::db;
use crate::support::process;

/// A file system of so many megabytes in memory; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount.
    fn mount(megabytes: u32) -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the build's own folder");
        let size = format!("size={megabytes}m,mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "lensmeter-test"]).arg(&path).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        drop(fs::remove_dir(&path));
        None
    }

    /// Takes all that is left of it.
    fn fill(&self) {
        // `dd` ends when the disk is full, with an error that is the point.
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", "bs=64k", "status=none"]).arg(format!("of={}", self.filler().display()));
        assert!(!dd.stderr(std::process::Stdio::null()).status().expect("dd runs").success());
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process of PostgreSQL that is still ending keeps it busy.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
        drop(fs::remove_dir(&self.0));
    }
}

fn owner_can_reach(path: &Path) -> bool {
    // PostgreSQL runs as a user of its own, which cannot get into a checkout under /root.
    path.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|meta| meta.mode() & 0o001 != 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_disk_is_full_answers_503_and_charges_nothing() {
    let Some(disk) = Disk::mount(400) else {
        println!("skipped: a small disk cannot be mounted here; it takes root");
        return;
    };
    if !owner_can_reach(&disk.0) {
        println!("skipped: PostgreSQL's user cannot reach {}", disk.0.display());
        return;
    }
    let private = db::private_in(disk.0.join("cluster")).await;
    let db = &private.db;
    let server = process::serve(db).await;
    let client = Client::new(db, &server.url).await;
    for call in 0..10 {
        client.served(&format!("before {call}")).await;
    }

    disk.fill();
    let mut refused = Vec::new();
    for call in 0..400 {
        let key = format!("full {call}");
        let (status, problem) = client.call(&key).await;
        match status {
            // What PostgreSQL has taken of the disk before lasts for a while.
            200 => {}
            503 => {
                assert_eq!(problem["code"], "unavailable", "{problem}");
                refused.push(key);
            }
            other => panic!("{other}: {problem}"),
        }
        if refused.len() == 5 {
            break;
        }
    }
    assert_eq!(refused.len(), 5, "400 calls fitted into what PostgreSQL had left");

    disk.free();
    // A PostgreSQL that is about to give up does so now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    if !private.postmaster.runs() {
        println!("PostgreSQL gave up, as it does when it cannot write its log; it is started again");
        private.postmaster.start();
    }
    // Nobody knows of those whose COMMIT was cut short: their retry does.
    for key in &refused {
        client.eventually_served(key, Duration::from_secs(30)).await;
    }
    let billed = client.settle(db).await;
    println!("{} calls refused with 503 and served later, {billed} in all", refused.len());
}
