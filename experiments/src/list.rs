//! `nearcast list`: what there is to run.

use std::process::ExitCode;

use nearcast_topologies::{Choice, Topology};

use crate::Failure;

/// `nearcast list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nearcast list")]
pub struct Args {}

/// Prints the experiments and topologies that come with nearcast.
pub fn main(_: &Args) -> Result<ExitCode, Failure> {
    println!("experiments:");
    for name in crate::scenario::names() {
        let scenario = crate::scenario::Scenario::find(name)?;
        let systems: Vec<&str> = scenario.systems.iter().map(|system| system.name()).collect();
        println!("  {name:<10} {}; {}", scenario.title, systems.join(", "));
    }
    println!("  {:<10} {}: `nearcast compare`", "compare", crate::run::COMPARED.join(", "));
    for name in crate::planetlab::names() {
        let found = crate::planetlab::MeshScenario::find(name)?;
        let scenario = found.ok_or("the experiments of the mesh are not there")?;
        let systems: Vec<&str> = scenario.systems.iter().map(|system| system.name()).collect();
        println!("  {name:<10} {}; {}", scenario.title, systems.join(", "));
    }
    println!("simulations, by `nearcast simulate`:");
    for name in crate::simulate::names() {
        println!("  {name:<21} {}", crate::simulate::SimScenario::find(name, &[])?.title);
    }
    println!("topologies:");
    for name in nearcast_topologies::names() {
        let topology = Topology::named(name, &Choice::default())?;
        let hosts: Vec<&str> = topology.hosts.iter().map(|host| host.name.as_str()).collect();
        let switches: Vec<&str> = topology.switches.iter().map(|s| s.name.as_str()).collect();
        println!("  {name:<10} hosts {}; switches {}", hosts.join(" "), switches.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}
