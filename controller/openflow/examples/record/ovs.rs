//! An Open vSwitch that nobody else sees.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io, thread};

/// The daemons and their folder; both go with it.
pub(crate) struct Ovs {
    folder: PathBuf,
    daemons: Vec<Child>,
}

pub(crate) const BRIDGE: &str = "record0";

impl Ovs {
    pub(crate) fn start() -> io::Result<Ovs> {
        let folder = env::temp_dir().join(format!("openflow-record-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let mut ovs = Ovs { folder, daemons: Vec::new() };
        ovs.run("ovsdb-tool", &["create", "conf.db", "/usr/share/openvswitch/vswitch.ovsschema"])?;
        ovs.daemon("ovsdb-server", &["--remote=punix:db.sock", "--unixctl=db.ctl", "conf.db"])?;
        ovs.appears("db.sock")?;
        ovs.vsctl(&["--no-wait", "init"])?;
        ovs.daemon(
            "ovs-vswitchd",
            &["--enable-dummy", "--disable-system", "--unixctl=switch.ctl", "unix:db.sock"],
        )?;
        ovs.appears("switch.ctl")?;
        let port = ["--", "set", "Interface"];
        ovs.vsctl(
            &[
                &["add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=dummy"][..],
                &["fail_mode=secure", "protocols=OpenFlow10,OpenFlow13"],
                &["other-config:datapath-id=0000000000000abc"],
                &["other-config:hwaddr=02:00:00:00:0a:bc", "--", "add-port", BRIDGE, "p1"],
                &port,
                &["p1", "type=dummy", "ofport_request=1", "--", "add-port", BRIDGE, "p2"],
                &port,
                &["p2", "type=dummy", "ofport_request=2"],
            ]
            .concat(),
        )?;
        ovs.appears(&format!("{BRIDGE}.mgmt"))?;
        Ok(ovs)
    }

    /// Where `name` is in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR"] {
            command.env(variable, &self.folder);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<()> {
        let output = self.command(program, arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{program} {arguments:?}: {said}")))
    }

    pub(crate) fn vsctl(&self, arguments: &[&str]) -> io::Result<()> {
        self.run("ovs-vsctl", &[&["--db=unix:db.sock", "--timeout=10"], arguments].concat())
    }

    pub(crate) fn appctl(&self, arguments: &[&str]) -> io::Result<()> {
        let target = self.path("switch.ctl");
        let target = target.to_str().expect("a folder of temporary files is UTF-8");
        self.run("ovs-appctl", &[&["--timeout=10", "-t", target], arguments].concat())
    }

    /// A frame arrives at a port.
    pub(crate) fn receive(&self, port: &str, frame: &[u8]) -> io::Result<()> {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        self.appctl(&["netdev-dummy/receive", port, &hex])
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) -> io::Result<()> {
        let log = fs::File::create(self.path(&format!("{program}.log")))?;
        let child = self.command(program, arguments).stdout(Stdio::null()).stderr(log).spawn()?;
        self.daemons.push(child);
        Ok(())
    }

    fn appears(&self, name: &str) -> io::Result<()> {
        let path: &Path = &self.path(name);
        for _ in 0..500 {
            if path.exists() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other(format!("{name} did not appear within ten seconds")))
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            // It may have ended by itself, in which case there is nothing left to do.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
