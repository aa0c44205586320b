//! Makes the files in `tests/captures` again: what a real Open vSwitch sends, message by message.
//!
//! It starts an Open vSwitch of its own (other sockets, other database, a datapath and ports that
//! exist in its memory only), asks it for everything, and then stands in for a switch while
//! `ovs-ofctl` sends what a controller sends. No root, no network; `ovsdb-tool`, `ovsdb-server`,
//! `ovs-vswitchd`, `ovs-vsctl`, `ovs-appctl` and `ovs-ofctl` must be installed.
//!
//!     cargo run -p rust_openflow --example record [FOLDER]

mod controller;
mod ovs;
mod switch;
mod v10;
mod v13;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where captures go, and what they are.
pub(crate) struct Folder {
    path: PathBuf,
    readme: String,
}

impl Folder {
    fn new(path: PathBuf, version: &str) -> io::Result<Folder> {
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(Folder { path, readme: format!("\n## OpenFlow {version}\n\n") })
    }

    /// Keeps messages that follow each other on a connection.
    pub(crate) fn keep(&mut self, name: &str, how: &str, messages: &[u8]) -> io::Result<()> {
        fs::write(self.path.join(format!("{name}.bin")), messages)?;
        let line = format!("- `{name}`: {how}.");
        // What is kept again under its name replaces what was kept before.
        if !self.readme.lines().any(|said| said == line) {
            writeln!(self.readme, "{line}").expect("a string takes everything");
        }
        Ok(())
    }

    /// A byte of what was kept.
    pub(crate) fn byte(&self, name: &str, place: usize) -> io::Result<u8> {
        let bytes = fs::read(self.path.join(format!("{name}.bin")))?;
        bytes.get(place).copied().ok_or_else(|| io::Error::other(format!("{name} is too short")))
    }
}

const INTRODUCTION: &str = "\
# What Open vSwitch sends

Each file is one message, or the messages that together answer one question, as they came from Open
vSwitch 3.1.0. `cargo run -p rust_openflow --example record` makes all of them, and this page, again. The
bridge has ports p1 and p2 (type `dummy`), datapath id 0000000000000abc, and the flow entries, groups and
meters that were added before the question.
";

fn main() -> io::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"));
    let ovs = ovs::Ovs::start()?;
    let mut readme = INTRODUCTION.to_owned();
    let mut of10 = Folder::new(folder.join("v10"), "1.0")?;
    v10::record(&ovs, &mut of10)?;
    switch::record(&ovs, "OpenFlow10", v10::COMMANDS, &mut of10)?;
    readme.push_str(&of10.readme);
    let mut of13 = Folder::new(folder.join("v13"), "1.3")?;
    v13::record(&ovs, &mut of13)?;
    switch::record(&ovs, "OpenFlow13", v13::COMMANDS, &mut of13)?;
    readme.push_str(&of13.readme);
    fs::write(folder.join("README.md"), readme)
}
