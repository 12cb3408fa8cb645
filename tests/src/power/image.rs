//! A folder on a disk that may forget, as a record fills it, and what a power cut leaves of it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::file::Content;
use super::record::{Act, Handle, Record, SHARED, Tick};

/// What becomes of that which was not made durable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// All of it is lost.
    Lost,
    /// All of it is there: the cut does no more than a kill.
    Kept,
    /// What came before a change is there, and nothing after it: a disk that keeps the order.
    Until(u64),
    /// Each sector is with this chance what it was, and else what it was some time before.
    Torn(f64),
}

/// A file or a folder.
#[derive(Debug, Clone)]
enum Node {
    File(Content),
    Folder { synced: Names, now: Names },
}

type Names = BTreeMap<OsString, usize>;

/// A change of one folder's names: what each names from now on.
#[derive(Debug, Clone)]
struct Named {
    number: u64,
    folder: usize,
    names: Vec<(OsString, Option<usize>)>,
}

/// The place of the next write through an open file, and what that does.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u64,
    appends: bool,
    syncs: bool,
}

/// The disk below one folder.
///
/// What lies below `data` in it forgets; what lies beside it is as if kept elsewhere, and is always as it was
/// at the moment of the cut.
#[derive(Debug)]
pub(super) struct Disk<'r> {
    record: &'r Record,
    root: PathBuf,
    nodes: Vec<Node>,
    /// Changes of names that are not durable.
    named: Vec<Named>,
    /// By file and number. A number that is given anew has its place anew.
    places: HashMap<(usize, u32), Place>,
    /// Acts that have begun and not ended, with the number of the first change after their beginning.
    under_way: BTreeMap<usize, u64>,
    changes: u64,
    ticks: usize,
}

/// What a power cut leaves.
#[derive(Debug, Default)]
pub(super) struct Image {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Sectors that are not what they were.
    pub(super) sectors_lost: usize,
    /// Changes of names that are not there.
    pub(super) names_lost: usize,
}

/// The folder, in the root of a disk, that forgets.
pub(super) const FORGETS: &str = "data";

impl<'r> Disk<'r> {
    /// The disk as it was when the record began: `before` holds what then stood in `root`, all of it durable.
    pub(super) fn new(record: &'r Record, before: &Path, root: &Path) -> Result<Self> {
        let mut disk = Self {
            record,
            root: root.to_owned(),
            nodes: Vec::new(),
            named: Vec::new(),
            places: HashMap::new(),
            under_way: BTreeMap::new(),
            changes: 0,
            ticks: 0,
        };
        disk.scan(before)?;
        Ok(disk)
    }

    fn scan(&mut self, folder: &Path) -> Result<usize> {
        let place = self.add(Node::Folder { synced: Names::new(), now: Names::new() });
        let mut names = Names::new();
        for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let node = if kind.is_dir() {
                self.scan(&entry.path())?
            } else if kind.is_file() {
                self.add(Node::File(Content::durable(fs::read(entry.path())?)))
            } else {
                continue;
            };
            names.insert(entry.file_name(), node);
        }
        self.nodes[place] = Node::Folder { synced: names.clone(), now: names };
        Ok(place)
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    const fn next(&mut self) -> u64 {
        self.changes += 1;
        self.changes - 1
    }

    /// What a path names now.
    fn find(&self, path: &Path) -> Result<Option<usize>> {
        let mut node = 0;
        for part in path.strip_prefix(&self.root)?.components() {
            let Node::Folder { now, .. } = &self.nodes[node] else { return Ok(None) };
            match now.get(part.as_os_str()) {
                Some(found) => node = *found,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    fn file(&self, path: &Path) -> Result<usize> {
        self.find(path)?.with_context(|| format!("{} is written and was never made", path.display()))
    }

    fn content(&mut self, node: usize) -> Result<&mut Content> {
        match &mut self.nodes[node] {
            Node::File(content) => Ok(content),
            Node::Folder { .. } => bail!("a folder is written"),
        }
    }

    fn name(&mut self, path: &Path, names: Vec<(OsString, Option<usize>)>) -> Result<()> {
        let parent = path.parent().context("a folder")?;
        let folder = self.find(parent)?.with_context(|| format!("{} is not there", parent.display()))?;
        let number = self.next();
        let Node::Folder { now, .. } = &mut self.nodes[folder] else {
            bail!("{} is a file", parent.display())
        };
        for (name, node) in &names {
            set(now, name, *node);
        }
        self.named.push(Named { number, folder, names });
        Ok(())
    }

    /// Goes on to a moment of the record.
    pub(super) fn go_on(&mut self, to: usize) -> Result<()> {
        while self.ticks < to {
            match self.record.ticks[self.ticks] {
                Tick::Begun(act) => {
                    self.under_way.insert(act, self.changes);
                }
                Tick::Ended(act) => {
                    let since = self.under_way.remove(&act).context("an act that never began")?;
                    self.done(&self.record.acts[act], since)?;
                }
            }
            self.ticks += 1;
        }
        Ok(())
    }

    /// What an act has done that began when there were `since` changes.
    fn done(&mut self, act: &Act, since: u64) -> Result<()> {
        match act {
            Act::Open { file, truncates, appends, syncs } => {
                let node = if let Some(node) = self.find(&file.path)? {
                    node
                } else {
                    let node = self.add(Node::File(Content::default()));
                    self.name(&file.path, vec![(name_of(&file.path)?, Some(node))])?;
                    node
                };
                if *truncates && self.content(node)?.length() > 0 {
                    let number = self.next();
                    self.content(node)?.resize(number, 0);
                }
                let place = Place { at: 0, appends: *appends, syncs: *syncs };
                self.places.insert((node, file.number), place);
            }
            Act::Write { file, at, bytes } => self.write(file, *at, bytes.clone())?,
            Act::Seek { file, to } => {
                let node = self.find(&file.path)?;
                if let Some(place) = node.and_then(|node| self.places.get_mut(&(node, file.number))) {
                    place.at = *to;
                }
            }
            Act::Resize { file, length } => self.resize(file, *length)?,
            Act::Allocate { file, length } => {
                let node = self.file(&file.path)?;
                if *length > self.content(node)?.length() {
                    self.resize(file, *length)?;
                }
            }
            Act::Sync { path } => self.sync(path, since)?,
            Act::Rename { from, to } => {
                // Sockets are not kept here. Had a file been missed, the comparison at the end would find it.
                if let Some(node) = self.find(from)? {
                    self.name(from, vec![(name_of(from)?, None), (name_of(to)?, Some(node))])?;
                }
            }
            Act::Remove { path } => {
                if self.find(path)?.is_some() {
                    self.name(path, vec![(name_of(path)?, None)])?;
                }
            }
            Act::MakeFolder { path } => {
                let node = self.add(Node::Folder { synced: Names::new(), now: Names::new() });
                self.name(path, vec![(name_of(path)?, Some(node))])?;
            }
        }
        Ok(())
    }

    fn write(&mut self, file: &Handle, at: Option<u64>, bytes: Vec<u8>) -> Result<()> {
        let node = self.file(&file.path)?;
        let place = self.places.get(&(node, file.number)).copied();
        let place =
            place.with_context(|| format!("{} is written and was not opened", file.path.display()))?;
        let length = self.content(node)?.length();
        let at = at.unwrap_or(if place.appends { length } else { place.at });
        let end = at + bytes.len() as u64;
        let number = self.next();
        self.content(node)?.write(number, at, bytes, place.syncs);
        self.places.insert((node, file.number), Place { at: end, ..place });
        Ok(())
    }

    fn resize(&mut self, file: &Handle, length: u64) -> Result<()> {
        let (node, number) = (self.file(&file.path)?, self.next());
        self.content(node)?.resize(number, length);
        Ok(())
    }

    /// Makes durable what was done to a file, or to the names of a folder, before the sync began.
    fn sync(&mut self, path: &Path, before: u64) -> Result<()> {
        let Some(node) = self.find(path)? else { return Ok(()) };
        let Self { nodes, named, .. } = self;
        match &mut nodes[node] {
            Node::File(content) => content.sync(before),
            Node::Folder { synced, .. } => named.retain(|one| {
                let durable = one.folder == node && one.number < before;
                if durable {
                    one.names.iter().for_each(|(name, node)| set(synced, name, *node));
                }
                !durable
            }),
        }
        Ok(())
    }

    /// What is left when the power is cut now. Of writes that are under way, all or nothing or a part.
    pub(super) fn cut(&self, seed: u64, only: impl Fn(&Path) -> bool) -> Result<Image> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut with = self.with_what_is_under_way()?;
        let fate = with.fate(&mut rng);
        // A disk may lose names in any way, a file system that keeps a journal the last ones.
        let kept = match fate {
            Fate::Torn(_) => rng.random_range(0..=with.named.len()),
            _ => fate.keep(0, &with.named.iter().map(|one| one.number).collect::<Vec<_>>(), &mut rng),
        };
        let mut image = Image { names_lost: with.named.len() - kept, ..Image::default() };
        // What is kept elsewhere forgets nothing.
        let Node::Folder { now: beside, .. } = &with.nodes[0] else { bail!("no folder") };
        let beside: Names = beside.iter().filter(|(name, _)| *name != FORGETS).map(own).collect();
        image.all_of(&with, &beside, Path::new(""), &mut |content| content.now(), &only)?;
        for node in 0..with.nodes.len() {
            if let Node::Folder { synced, now } = &mut with.nodes[node] {
                now.clone_from(synced);
            }
        }
        for Named { folder, names, .. } in with.named.drain(..kept) {
            if let Node::Folder { now, .. } = &mut with.nodes[folder] {
                for (name, node) in &names {
                    set(now, name, *node);
                }
            }
        }
        let Node::Folder { now, .. } = &with.nodes[0] else { bail!("no folder") };
        let forgets: Names = now.iter().filter(|(name, _)| *name == FORGETS).map(own).collect();
        let mut sectors_lost = 0;
        let mut left = |content: &Content| {
            let left = content.cut(fate, &mut rng);
            sectors_lost += left.sectors_lost;
            left.bytes
        };
        image.all_of(&with, &forgets, Path::new(""), &mut left, &only)?;
        image.sectors_lost = sectors_lost;
        image.spoil_shared(&mut rng);
        Ok(image)
    }

    /// A copy in which the acts that are under way have been done, and nothing is durable for that.
    fn with_what_is_under_way(&self) -> Result<Disk<'r>> {
        let mut with = Disk {
            record: self.record,
            root: self.root.clone(),
            nodes: self.nodes.clone(),
            named: self.named.clone(),
            places: self.places.clone(),
            under_way: BTreeMap::new(),
            changes: self.changes,
            ticks: self.ticks,
        };
        for (act, since) in &self.under_way {
            match &self.record.acts[*act] {
                Act::Sync { .. } => {}
                // Not before it has ended.
                Act::Write { file, at, bytes } => {
                    let node = with.file(&file.path)?;
                    if let Some(place) = with.places.get_mut(&(node, file.number)) {
                        place.syncs = false;
                    }
                    with.write(file, *at, bytes.clone())?;
                }
                act => with.done(act, *since)?,
            }
        }
        Ok(with)
    }

    fn fate(&self, rng: &mut StdRng) -> Fate {
        let first = self.named.first().map_or(self.changes, |one| one.number);
        match rng.random_range(0..8) {
            0 | 1 => Fate::Lost,
            2 => Fate::Kept,
            3 | 4 => Fate::Until(rng.random_range(first.min(self.changes.saturating_sub(16))..=self.changes)),
            chance => Fate::Torn([0.2, 0.5, 0.9][chance - 5]),
        }
    }

    /// Compares the disk with the folder that is there when the command has ended: had the record missed
    /// anything, they would differ.
    pub(super) fn compare(&self) -> Result<()> {
        let there = Disk::new(self.record, &self.root, &self.root)?;
        let (mut here, mut other) = (Image::default(), Image::default());
        for (image, disk) in [(&mut here, self), (&mut other, &there)] {
            let Node::Folder { now, .. } = &disk.nodes[0] else { bail!("no folder") };
            image.all_of(disk, now, Path::new(""), &mut |content| content.now(), &|_| true)?;
        }
        ensure!(
            here.folders == other.folders,
            "the record has the folders {:?}, there are {:?}",
            here.folders,
            other.folders
        );
        let names = |image: &Image| image.files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        ensure!(
            names(&here) == names(&other),
            "the record has {:?}, there are {:?}",
            names(&here),
            names(&other)
        );
        for ((path, here), (_, there)) in here.files.iter().zip(&other.files) {
            let is_unsure = self.record.unsure.iter().any(|(_, unsure)| unsure.ends_with(path));
            let same = here == there || is_unsure || path.file_name() == Some(OsStr::new(SHARED));
            ensure!(same, "{} is not what was recorded of it", path.display());
        }
        Ok(())
    }
}

fn own((name, node): (&OsString, &usize)) -> (OsString, usize) {
    (name.clone(), *node)
}

fn set(names: &mut Names, name: &OsStr, node: Option<usize>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

fn name_of(path: &Path) -> Result<OsString> {
    Ok(path.file_name().with_context(|| format!("{} has no name", path.display()))?.to_owned())
}

impl Image {
    fn all_of(
        &mut self,
        disk: &Disk<'_>,
        names: &Names,
        folder: &Path,
        left: &mut impl FnMut(&Content) -> Vec<u8>,
        only: &impl Fn(&Path) -> bool,
    ) -> Result<()> {
        for (name, node) in names {
            let path = folder.join(name);
            if !only(&path) {
                continue;
            }
            match &disk.nodes[*node] {
                Node::File(content) => self.files.push((path, left(content))),
                Node::Folder { now, .. } => {
                    self.folders.push(path.clone());
                    self.all_of(disk, now, &path, left, only)?;
                }
            }
        }
        Ok(())
    }

    /// What processes shared in memory may have reached the disk at any time, and is nothing to rely on.
    fn spoil_shared(&mut self, rng: &mut StdRng) {
        for (path, bytes) in &mut self.files {
            if path.file_name() == Some(OsStr::new(SHARED)) && rng.random_bool(0.7) {
                rng.fill_bytes(bytes);
            }
        }
    }

    /// Puts it into a folder, which is made.
    pub(super) fn put(&self, into: &Path) -> Result<()> {
        fs::create_dir_all(into)?;
        for folder in &self.folders {
            fs::create_dir_all(into.join(folder))?;
        }
        for (path, bytes) in &self.files {
            fs::write(into.join(path), bytes).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}
