//! Many simulations over a grid of settings: `nearcast sweep`.
//!
//! A [`Plan`] is a scenario and what is varied of it. Each of its cells is one `nearcast simulate`
//! in a process of its own, in a folder that is called by the hash of what was asked for, so that
//! whoever comes later (the same command again, a task of a job array on another machine) sees
//! what is done. A [`Table`] puts the results of all cells together.

mod axis;
mod cell;
mod command;
mod parquet;
mod plan;
mod slurm;
mod table;

pub use axis::Axis;
pub use command::{Args, main};
pub use plan::{Cell, Plan};
pub use table::{Column, Table};
