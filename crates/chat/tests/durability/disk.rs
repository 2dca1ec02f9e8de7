//! What a disk holds after a loss of power, from all that a process wrote and synced. It must never
//! be kinder than a disk may be.
//!
//! Only what was synced is sure. Of each write since, the disk may hold all, nothing, or some of its
//! sectors; the length of a file and the names in a directory are as after some of the calls. What
//! was written before a sync that failed is lost for good, although the process still reads it (Linux
//! marks such pages as clean, so a later sync does not write them), or it is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::batches::Directory;
use crate::factor;
use crate::trace::Call;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// What a loss of power may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsure {
    /// That a file or a directory has a name.
    Name,
    /// A sector, or the length of a file.
    Content,
}

/// Whether it reached the disk.
pub type Fate = dyn FnMut(Unsure) -> bool;

/// A disk with files: what is on it for sure, and what was done since.
#[derive(Default)]
pub struct Disk {
    files: Vec<Content>,
    /// As the process sees them.
    names: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    /// Changes of names since their directory was synced; those of one call come together.
    since: Vec<Vec<(String, Option<Entry>)>>,
    /// What is to be synced reaches the disk although the sync fails.
    pub keeps_what_fails: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(usize),
    Directory,
}

#[derive(Default, Clone)]
struct Content {
    durable: Vec<u8>,
    since: Vec<Call>,
}

/// The name of the directory that something is in; that of all has none.
fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Disk {
    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::Make(name) if self.names.contains_key(name) => {}
            Call::Make(name) => {
                self.files.push(Content::default());
                let file = Entry::File(self.files.len() - 1);
                self.rename(vec![(name.clone(), Some(file))]);
            }
            Call::MakeDirectory(name) => self.rename(vec![(name.clone(), Some(Entry::Directory))]),
            Call::Unlink(name) => self.rename(vec![(name.clone(), None)]),
            Call::Rename(from, to) => {
                let file = self.names.get(from).copied();
                assert_eq!(parent(from), parent(to), "it moves to another directory");
                self.rename(vec![(from.clone(), None), (to.clone(), file)]);
            }
            Call::Write(name, ..) | Call::Truncate(name, _) => {
                self.file(name).since.push(call.clone());
            }
            Call::Sync(name) if name.is_empty() || self.is_directory(name) => {
                let within =
                    |change: &mut Vec<(String, Option<Entry>)>| parent(&change[0].0) == name;
                for change in self.since.extract_if(.., within) {
                    rename(&mut self.durable, change);
                }
            }
            Call::Sync(name) => {
                let file = self.file(name);
                for call in std::mem::take(&mut file.since) {
                    change(&mut file.durable, &call, || true);
                }
            }
            Call::NotSynced(name) if self.keeps_what_fails => self.apply(&Call::Sync(name.clone())),
            Call::NotSynced(name) if name.is_empty() || self.is_directory(name) => {}
            Call::NotSynced(name) => self.file(name).since.clear(),
            Call::Said(_) => {}
        }
    }

    fn rename(&mut self, change: Vec<(String, Option<Entry>)>) {
        self.since.push(change.clone());
        rename(&mut self.names, change);
    }

    fn is_directory(&self, name: &str) -> bool {
        self.names.get(name) == Some(&Entry::Directory)
    }

    fn file(&mut self, name: &str) -> &mut Content {
        match self.names.get(name) {
            Some(Entry::File(file)) => &mut self.files[*file],
            other => panic!("{name} is {other:?}"),
        }
    }

    /// What of it is there after a loss of power, as `fate` decides of each thing that is not sure.
    pub fn lose_power(&self, directory: &Path, fate: &mut Fate) {
        let mut names = self.durable.clone();
        for change in &self.since {
            if fate(Unsure::Name) {
                rename(&mut names, change.clone());
            }
        }
        // A directory comes before what is in it.
        for (name, entry) in names {
            let path = directory.join(&name);
            match entry {
                _ if !path.parent().is_some_and(Path::exists) => {}
                Entry::Directory => fs::create_dir(path).unwrap(),
                Entry::File(file) => {
                    let file = &self.files[file];
                    let mut bytes = file.durable.clone();
                    for call in &file.since {
                        change(&mut bytes, call, || fate(Unsure::Content));
                    }
                    fs::write(path, bytes).unwrap();
                }
            }
        }
    }
}

fn rename(names: &mut BTreeMap<String, Entry>, change: Vec<(String, Option<Entry>)>) {
    for (name, entry) in change {
        match entry {
            Some(entry) => names.insert(name, entry),
            None => names.remove(&name),
        };
    }
}

/// Does to `bytes` what `call` has done, but only those sectors that `reaches` the disk.
fn change(bytes: &mut Vec<u8>, call: &Call, mut reaches: impl FnMut() -> bool) {
    match call {
        Call::Write(_, offset, written) => {
            let mut done = 0;
            while done < written.len() {
                let at = offset + done;
                let len = (SECTOR - at % SECTOR).min(written.len() - done);
                if reaches() {
                    bytes.resize(bytes.len().max(at + len), 0);
                    bytes[at..at + len].copy_from_slice(&written[done..done + len]);
                }
                done += len;
            }
        }
        Call::Truncate(_, len) if reaches() => bytes.resize(*len, 0),
        _ => {}
    }
}

/// Has the power fail before and after each sync, whenever the process has said something, and at
/// some moments between, each time in several ways. `check` gets what the disk holds then, and the
/// calls that were done by then. How often it was.
pub fn lose_power_often(
    disk: &mut Disk,
    calls: &[Call],
    dice: &mut fastrand::Rng,
    mut check: impl FnMut(&Path, &[Call]),
) -> usize {
    let mut losses = 0;
    for (index, call) in calls.iter().enumerate() {
        let next = calls.get(index + 1);
        let is_sync = |call: Option<&Call>| matches!(call, Some(Call::Sync(_)));
        disk.apply(call);
        let often = factor() > 1 || dice.u32(0..12) == 0;
        if !(is_sync(Some(call)) || is_sync(next) || often || matches!(call, Call::Said(_))) {
            continue;
        }
        let mut fates: Vec<Box<Fate>> = vec![
            Box::new(|_| false),
            Box::new(|_| true),
            // Files without content.
            Box::new(|unsure| unsure == Unsure::Name),
        ];
        for _ in 0..2 * factor() {
            let mut dice = dice.fork();
            let share = dice.f64();
            fates.push(Box::new(move |_| dice.f64() < share));
        }
        for mut fate in fates {
            let after = Directory::in_memory();
            disk.lose_power(after.path(), &mut fate);
            check(after.path(), &calls[..=index]);
            losses += 1;
        }
    }
    losses
}
