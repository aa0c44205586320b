use std::env;
use std::path::{Path, PathBuf};

use super::Error;

/// A program of ours, by name: beside the one that is running (for tests: one folder up), or on
/// `PATH`.
///
/// # Errors
/// [`Error::Missing`].
pub fn find(name: &str) -> Result<PathBuf, Error> {
    let own = env::current_exe().ok();
    // cargo puts test programs into `deps/`, beside which the programs are.
    let beside = own.iter().flat_map(|own| own.ancestors().skip(1).take(2)).map(Path::to_owned);
    let on_path = env::var_os("PATH").unwrap_or_default();
    let folders = beside.chain(env::split_paths(&on_path).collect::<Vec<_>>());
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates.find(|path| is_program(path)).ok_or_else(|| Error::Missing {
        program: name.to_owned(),
        remedy: "build all programs with `cargo build --workspace`, or install nearcast whole",
    })
}

/// A program of the system's, by name; the `sbin` folders count even where `PATH` lacks them.
pub fn find_system(name: &str) -> Option<PathBuf> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let folders = env::split_paths(&on_path).chain(system);
    folders.map(|folder| folder.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file()
}
