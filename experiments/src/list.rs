//! `nearcast list`: what there is to run.

use std::process::ExitCode;

use nearcast_topologies::{Choice, Topology};

use crate::Failure;

/// `nearcast list`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the topologies that come with nearcast.
pub fn main(_: &Args) -> Result<ExitCode, Failure> {
    println!("topologies:");
    for name in nearcast_topologies::names() {
        let topology = Topology::named(name, &Choice::default())?;
        let hosts: Vec<&str> = topology.hosts.iter().map(|host| host.name.as_str()).collect();
        let switches: Vec<&str> = topology.switches.iter().map(|s| s.name.as_str()).collect();
        println!("  {name:<10} hosts {}; switches {}", hosts.join(" "), switches.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}
