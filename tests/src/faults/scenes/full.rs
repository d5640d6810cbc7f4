//! The disk is full for a while: SQLite lies on a small file system that a filler takes up. The worker
//! says so, makes no call that it cannot write down, and goes on by itself when there is room again.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::restart::until_it_works;
use crate::{
    dice::Dice,
    faults::{Figures, Setting, Stage, Ways, stage::sqlite_in},
    vendors::Word,
    world::stopwatch,
};

const MEBIBYTES: u32 = 48;

/// A small file system of its own; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|e| e.to_string())?;
        let size = format!("size={MEBIBYTES}m");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match done {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes whatever room is left; how many bytes that was.
    fn fill(&self) -> u64 {
        let mut file =
            fs::File::options().create(true).append(true).open(self.filler()).expect("filler");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        file.metadata().map_or(0, |meta| meta.len())
    }

    /// What takes up the room.
    fn sizes(&self) -> String {
        let files = fs::read_dir(&self.0).expect("the disk").flatten();
        let size = |f: &fs::DirEntry| f.metadata().map_or(0, |meta| meta.len());
        let all: Vec<String> =
            files.map(|f| format!("{} {}", f.file_name().display(), size(&f))).collect();
        all.join(", ")
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("room");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // nobody is left to tell
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub(super) fn cannot() -> Option<String> {
    let folder = tempfile::tempdir().ok()?;
    Disk::mount(&folder.path().join("disk"))
        .err()
        .map(|why| format!("no small file system can be mounted: {why}"))
}

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 10) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting, setting.seed_of(n)).await);
    }
    figures.note("takeover: from the return of room to the next call");
    figures
}

async fn run(setting: &Setting, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().expect("folder");
    let disk = Disk::mount(&folder.path().join("disk")).expect("a small file system");
    let url = sqlite_in(&disk.0);
    let ways = Ways { people: setting.people(80, 150), people_per_call: 1, ..Ways::default() };
    let mut stage = Stage::on(setting, ways, folder, url).await;
    stage.vendors.behave(&Word::Latency { low: 20, high: 200 });
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    let peek = stage.peek().await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(dice.between(50, 500))).await;
        if peek.moving_tasks().await == 0 {
            break;
        }
        let said = stage.said().len();
        disk.fill();
        let out = peek.sending().await;
        let told = async || {
            // what became free meanwhile is taken as well
            disk.fill();
            let words = stage.said().split_off(said.min(stage.said().len()));
            words.contains("full") || words.contains("waits for the database")
        };
        stage.until("word about the disk", &mut [&mut worker], Duration::from_secs(30), told).await;
        tokio::time::sleep(Duration::from_millis(dice.between(500, 1_500))).await;
        if out > 0 {
            figures.trials += 1;
        } else {
            figures.missed += 1;
        }
        let sizes = disk.sizes();
        disk.make_room();
        figures.note(format!("bytes on the full disk: {sizes}"));
        let back = stopwatch();
        until_it_works(&stage, &mut worker).await;
        figures.takeovers.push(stopwatch() - back);
    }
    stage.finish(vec![worker], &mut figures).await;
    let whole = peek.text("PRAGMA integrity_check").await;
    assert_eq!(whole, "ok", "the database");
    drop((peek, stage));
    drop(disk);
    figures
}
