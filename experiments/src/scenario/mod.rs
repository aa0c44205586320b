//! Scenarios: what an experiment runs, as TOML. Those that come with nearcast are in
//! `experiments/scenarios`; others are read from a path.

mod builtin;
mod file;

pub use builtin::names;
pub use file::{FaultKind, FaultPlan, Interval, Joins, PingPlan, Player, Scenario};

use std::path::Path;

use nearcast_topologies::Error;

impl Scenario {
    /// The scenario that `name` means: one of ours, or the path of a TOML file.
    ///
    /// # Errors
    /// A mistake in the file is answered with file, line, column and field.
    pub fn find(name: &str) -> Result<Scenario, Error> {
        if let Some(text) = builtin::text(name) {
            return Scenario::read(&format!("scenarios/{name}.toml"), text);
        }
        if !name.contains('/') && !name.ends_with(".toml") {
            let known = names().chain(crate::planetlab::names()).collect::<Vec<_>>().join(", ");
            return Err(Error::Choice {
                file: "nearcast".to_owned(),
                message: format!(
                    "there is no experiment `{name}`; there are {known}, or give the path of a .toml file"
                ),
            });
        }
        let text = std::fs::read_to_string(name)
            .map_err(|source| Error::Unreadable { path: Path::new(name).to_owned(), source })?;
        Scenario::read(name, &text)
    }
}
