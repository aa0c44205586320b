//! Traces of who comes and goes, for `nearcast simulate`: `nearcast trace`.
//!
//! The trace that Liu et al. simulate with is not public. `make` generates one that has what is
//! published of it, and `show` holds any trace against that: a page, tables and figures, made from
//! [`Fit`](nearcast_sim::trace::Fit).

mod command;
mod csv;
mod figures;
mod page;
#[cfg(test)]
mod tests;

pub use command::{Args, main};
