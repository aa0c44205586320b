//! TLS with Open vSwitch: the right certificate, a wrong one, and none.
//!
//! The certificate of Open vSwitch is one for the whole daemon, so these tests have a daemon of
//! their own, with a datapath that forwards nothing.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{self, wait_for};
use crate::reserved::Reserved;

const BOUND: Duration = Duration::from_secs(20);
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Processes and files, which go when it is dropped.
struct Bench {
    folder: TempDir,
    children: Vec<Child>,
    listen: Reserved,
}

impl Bench {
    /// A database, a daemon, and a controller with a certificate of the authority `good`, which is
    /// the only one it believes.
    fn new() -> Bench {
        let folder = TempDir::new().expect("a temporary folder");
        let mut bench = Bench { folder, children: Vec::new(), listen: Reserved::new() };
        let path = bench.folder.path().to_owned();
        for authority in ["good", "bad"] {
            issue(&path, authority, &["switch", "nearcast-controller"]);
        }
        bench.run("ovsdb-tool", &["create", "conf.db", SCHEMA]);
        let database = ["conf.db", "--remote=punix:db.sock", "--unixctl=db.ctl"];
        bench.start("ovsdb-server", &database);
        wait_for("the database", BOUND, || path.join("db.sock").exists().then_some(()));
        bench.run("ovs-vsctl", &["--db=unix:db.sock", "--no-wait", "init"]);
        let dummy = ["unix:db.sock", "--unixctl=sw.ctl", "--disable-system", "--enable-dummy"];
        bench.start("ovs-vswitchd", &dummy);
        let address = bench.listen.address.to_string();
        let controller = env!("CARGO_BIN_EXE_nearcast-controller");
        let files = ["--tls-cert", "good-nearcast-controller.pem"];
        let more = ["--tls-key", "good-nearcast-controller.key", "--tls-ca", "good.pem"];
        let rest = ["--listen", &address, "--events", "events"];
        bench.start(controller, &[&files[..], &more, &rest].concat());
        wait_for("the controller to listen", BOUND, || {
            TcpStream::connect(bench.listen.address).ok()
        });
        bench
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        let folder = self.folder.path();
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(variable, folder);
        }
        command
    }

    fn start(&mut self, program: &str, arguments: &[&str]) {
        let name = Path::new(program).file_name().expect("a program").to_string_lossy();
        let log = File::create(self.folder.path().join(format!("{name}.log"))).expect("a log");
        let mut command = self.command(program, arguments);
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        self.children.push(child.unwrap_or_else(|error| panic!("{program}: {error}")));
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output().expect(program);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    }

    fn vsctl(&self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        self.run("ovs-vsctl", &[&["--db=unix:db.sock", "--timeout=20"], &words[..]].concat());
    }

    /// Has the daemon show a certificate of one authority and believe in another.
    fn switch_shows(&self, own: &str, believes: &str) {
        self.vsctl("--if-exists del-br s1");
        let path = self.folder.path().display();
        self.vsctl(&format!(
            "set-ssl {path}/{own}-switch.key {path}/{own}-switch.pem {path}/{believes}.pem"
        ));
        self.connect(&format!("ssl:{}", self.listen.address));
    }

    fn connect(&self, to: &str) {
        self.vsctl(&format!(
            "add-br s1 -- set bridge s1 datapath_type=dummy protocols=OpenFlow13 fail_mode=secure \
             other-config:datapath-id=000000000000715a other-config:disable-in-band=true -- \
             set-controller s1 {to} -- set controller s1 max_backoff=1000"
        ));
    }

    fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("events")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for one more event than there were before.
    fn event(&self, name: &str, about: &str, before: usize) -> usize {
        wait_for(&format!("{name}: {about}, got {:#?}", self.events()), BOUND, || {
            let all = self.events();
            let new = all.iter().skip(before);
            let found = |e: &Value| e["event"] == name && e.to_string().contains(about);
            new.into_iter().any(found).then_some(all.len())
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for log in ["nearcast-controller.log", "ovs-vswitchd.log"] {
                let log = std::fs::read_to_string(self.folder.path().join(log));
                eprintln!("{}", log.unwrap_or_default());
            }
        }
    }
}

/// Writes an authority's certificate, and certificates and keys that it signed.
fn issue(folder: &Path, authority: &str, names: &[&str]) {
    let write =
        |name: String, text: String| std::fs::write(folder.join(name), text).expect("written");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    // Who has one name with its authority counts as its own authority.
    params.distinguished_name.push(DnType::CommonName, format!("{authority} authority"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("signed");
    write(format!("{authority}.pem"), certificate.pem());
    let issuer = Issuer::new(params, key);
    for name in names {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![(*name).to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, *name);
        let certificate = params.signed_by(&key, &issuer).expect("signed");
        write(format!("{authority}-{name}.pem"), certificate.pem());
        write(format!("{authority}-{name}.key"), key.serialize_pem());
    }
}

#[test]
fn only_switches_with_a_certificate_of_the_authority_are_let_in() {
    needs_a_lab!();
    let bench = Bench::new();
    bench.switch_shows("good", "good");
    let seen = bench.event("switch_ready", "000000000000715a", 0);

    // Signed by somebody else: it is not let in, and nothing of it reaches the fabric.
    bench.switch_shows("bad", "good");
    let seen = bench.event("switch_gone", "000000000000715a", seen);
    let seen = bench.event("connection_refused", "TLS", seen);

    // It believes in another authority than the controller's: the switch itself hangs up.
    bench.switch_shows("good", "bad");
    let seen = bench.event("connection_refused", "TLS", seen);

    // No TLS, so no certificate at all.
    bench.vsctl("del-br s1");
    bench.connect(&format!("tcp:{}", bench.listen.address));
    let seen = bench.event("connection_refused", "TLS", seen);
    let connected = |event: &Value| event["event"] == "switch_connected";
    assert_eq!(bench.events().iter().filter(|event| connected(event)).count(), 1);

    // With the right one again, it is.
    bench.switch_shows("good", "good");
    bench.event("switch_ready", "000000000000715a", seen);
}
