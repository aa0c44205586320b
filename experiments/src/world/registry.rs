use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nearcast_topologies::TAG_LENGTH;
use serde::{Deserialize, Serialize};

use super::Error;

/// Where runs note what they made.
pub const RUN_FOLDER: &str = "/run/nearcast";

/// Every process of a run has this variable, with [`Entry::run`] in it.
pub(super) const RUN_VARIABLE: &str = "NEARCAST_RUN";

/// What a run has made on this machine so far: all that [`sweep`](super::sweep) may remove.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Unique on this machine, and in the environment of all the run's processes.
    pub run: String,
    /// What the names of its bridges and interfaces begin with.
    pub tag: String,
    /// The boot it belongs to; after another boot there is nothing left of it.
    pub boot: String,
    /// The process that runs it.
    pub owner: Identity,
    /// The processes it started. Each leads its own process group.
    pub processes: Vec<Identity>,
    /// Bridges in Open vSwitch.
    pub bridges: Vec<String>,
    /// Interfaces that appear in the machine's own namespace.
    pub interfaces: Vec<String>,
    /// The hosts' network namespaces, by inode.
    pub namespaces: Vec<u64>,
    /// Folders for sockets and the like, under [`RUN_FOLDER`].
    pub folders: Vec<PathBuf>,
}

/// A file that holds an [`Entry`], or should.
#[derive(Debug)]
pub struct Record {
    /// Where it is.
    pub path: PathBuf,
    /// What it says; an error if that is nothing of ours.
    pub entry: Result<Entry, Error>,
}

/// A process that cannot be confused with a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it was started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started: u64,
}

impl Identity {
    /// Of the process with this number; `None` if there is none.
    pub fn of(pid: i32) -> Option<Identity> {
        let started = Stat::read(pid)?.started;
        Some(Identity { pid, started })
    }

    /// Whether that very process exists and is not a zombie.
    pub fn is_alive(self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !stat.is_zombie)
    }
}

impl Entry {
    /// Whether the process that runs it is still there.
    pub fn is_live(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot) && self.owner.is_alive()
    }

    /// All that is noted under [`RUN_FOLDER`], live runs included.
    pub fn all() -> Result<Vec<Record>, Error> {
        let listing = match fs::read_dir(RUN_FOLDER) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::system(format!("list {RUN_FOLDER}"))(error)),
        };
        let paths = listing.filter_map(|item| item.ok().map(|item| item.path()));
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "run")).collect();
        paths.sort();
        Ok(paths.into_iter().map(|path| Record { entry: Entry::read(&path), path }).collect())
    }

    fn read(path: &Path) -> Result<Entry, Error> {
        let text = fs::read(path).map_err(Error::system(format!("read {}", path.display())))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::Record { path: path.to_owned(), message: error.to_string() })
    }
}

/// The record of a run that is going on.
#[derive(Debug)]
pub(super) struct Registry {
    path: PathBuf,
    entry: Mutex<Entry>,
}

impl Registry {
    /// Takes a tag that no other run has, and begins a record under it.
    pub(super) fn claim() -> Result<Registry, Error> {
        let folder = folder()?;
        let pid = std::process::id();
        let owner = Identity::of(pid as i32).expect("this process is in /proc");
        let boot = boot_id()?;

        for attempt in 0..TAGS {
            let tag = tag((pid.wrapping_add(attempt)) % TAGS);
            let run = format!("{tag}-{pid}-{}", owner.started);
            let entry = Entry {
                run,
                tag: tag.clone(),
                boot: boot.clone(),
                owner,
                processes: Vec::new(),
                bridges: Vec::new(),
                interfaces: Vec::new(),
                namespaces: Vec::new(),
                folders: Vec::new(),
            };
            // A hard link fails if the name is taken, and what it names is complete.
            let path = folder.join(format!("{tag}.run"));
            let draft = write_draft(&path, &entry)?;
            let linked = fs::hard_link(&draft, &path);
            let _ = fs::remove_file(&draft);
            match linked {
                Ok(()) => return Ok(Registry { path, entry: Mutex::new(entry) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Error::system(format!("make {}", path.display()))(error));
                }
            }
        }
        Err(Error::Command {
            command: format!("claim a tag in {RUN_FOLDER}"),
            message: "all are taken; `nearcast clean` frees those of dead runs".to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A copy of what is noted.
    pub(super) fn entry(&self) -> Entry {
        self.entry.lock().unwrap_or_else(|poison| poison.into_inner()).clone()
    }

    /// Changes the record. Note a thing before it is made where its name is known beforehand: a
    /// note of what was never made does no harm, a thing without a note stays forever.
    pub(super) fn note(&self, change: impl FnOnce(&mut Entry)) -> Result<(), Error> {
        let mut entry = self.entry.lock().unwrap_or_else(|poison| poison.into_inner());
        change(&mut entry);
        let draft = write_draft(&self.path, &entry)?;
        fs::rename(&draft, &self.path)
            .map_err(Error::system(format!("write {}", self.path.display())))
    }
}

/// `/run/nearcast`, made if need be.
pub(super) fn folder() -> Result<PathBuf, Error> {
    fs::create_dir_all(RUN_FOLDER).map_err(Error::system(format!("make {RUN_FOLDER}")))?;
    Ok(PathBuf::from(RUN_FOLDER))
}

pub(super) fn boot_id() -> Result<String, Error> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = fs::read_to_string(path).map_err(Error::system(format!("read {path}")))?;
    Ok(text.trim().to_owned())
}

/// What `/proc/PID/stat` says of a process.
pub(super) struct Stat {
    pub(super) group: i32,
    pub(super) started: u64,
    pub(super) is_zombie: bool,
}

impl Stat {
    pub(super) fn read(pid: i32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, which may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Stat {
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

/// How many tags there are: three digits of base 36.
const TAGS: u32 = 36 * 36 * 36;

fn tag(number: u32) -> String {
    let digit = |n: u32| char::from_digit(n % 36, 36).expect("a remainder of 36 is a digit");
    let tag: String =
        ['n', digit(number / 1296), digit(number / 36), digit(number)].iter().collect();
    debug_assert_eq!(tag.len(), TAG_LENGTH);
    tag
}

/// Writes beside `path`, to be linked or renamed there; a reader never sees half a record.
fn write_draft(path: &Path, entry: &Entry) -> Result<PathBuf, Error> {
    let draft = path.with_extension(format!(
        "draft{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let text = serde_json::to_vec_pretty(entry).expect("a record is plain data");
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&draft)?;
        file.write_all(&text)?;
        file.write_all(b"\n")
    };
    write().map_err(Error::system(format!("write {}", draft.display())))?;
    Ok(draft)
}
