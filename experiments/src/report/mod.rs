//! The report of an experiment: a self-contained page, figures as files, and a table for the
//! terminal, all made from `result.json` alone.

mod command;
mod files;
mod headline;
pub(crate) mod html;
mod page;
mod table;
mod terminal;
#[cfg(test)]
mod tests;

pub use command::{Args, build, main};
pub(crate) use files::{REPORT_FILE, publish};
pub use html::escape;
pub use table::{WayRow, way_rows};
pub use terminal::summary;
