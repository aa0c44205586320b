//! Breaking things on purpose, from outside of every program of ours.

use nearcast_topologies::Topology;
use nix::sys::signal::Signal;

use super::stage::Stage;
use crate::Failure;
use crate::scenario::FaultKind;
use crate::world::find_system_program;

/// Above every priority that the controller uses.
const PRIORITY: u32 = 65_535;
/// What marks our own entry.
const COOKIE: &str = "0xfa11";
/// The table of peerings, and the range of peering addresses (docs/architecture.md).
const PEERING_TABLE: u32 = 1;
const VIRTUAL: &str = "10.254.0.0/16";

pub(super) fn inflict(stage: &Stage, fault: FaultKind) -> Result<(), Failure> {
    match fault {
        // Every entry of a peering matches an address of the virtual range; what leads to the next
        // table does not, and stays.
        FaultKind::Flows => {
            let peerings = format!("table={PEERING_TABLE},ip,nw_dst={VIRTUAL}");
            on_switches(stage, "del-flows", &peerings)
        }
        FaultKind::Group => on_switches(stage, "del-groups", ""),
        FaultKind::Datagrams => {
            let entry = format!(
                "cookie={COOKIE},table=0,priority={PRIORITY},udp,nw_dst={VIRTUAL},actions=drop"
            );
            on_switches(stage, "add-flow", &entry)
        }
        FaultKind::Controller => Ok(stage.controller.signal(Signal::SIGKILL)?),
    }
}

/// Undoes what can be undone; what the controller made, it has to make again itself.
pub(super) fn heal(stage: &Stage, fault: FaultKind) -> Result<(), Failure> {
    match fault {
        FaultKind::Datagrams => on_switches(stage, "del-flows", &format!("cookie={COOKIE}/-1")),
        FaultKind::Flows | FaultKind::Group | FaultKind::Controller => Ok(()),
    }
}

fn on_switches(stage: &Stage, verb: &str, what: &str) -> Result<(), Failure> {
    let program = find_system_program("ovs-ofctl")
        .ok_or("ovs-ofctl is not installed; apt install openvswitch-switch")?;
    let topology: &Topology = stage.world.topology();
    for switch in &topology.switches {
        let mut command = std::process::Command::new(&program);
        command.args(["-O", "OpenFlow13", verb, &stage.world.bridge(&switch.name)?]);
        if !what.is_empty() {
            command.arg(what);
        }
        let output = command.stdin(std::process::Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("ovs-ofctl {verb} failed: {}", said.trim()).into());
        }
    }
    Ok(())
}
