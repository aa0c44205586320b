//! The checks, each with what to do about it.

use super::probe;
use super::{Check, State};
use crate::world::{self, Datapath, Entry};

const GIB: u64 = 1 << 30;

/// All checks, in the order in which they are printed.
pub(super) fn all() -> Vec<Check> {
    let mut checks = vec![root(), kernel(), tun(), mininet(), open_vswitch(), datapath(), netem()];
    checks.extend(["ip", "tc", "ifconfig", "mnexec"].map(tool));
    checks.extend(["nearcast-link", "nearcast-controller", "nearcast-peer"].map(own));
    checks.extend([ffmpeg(), x264(), nginx(), nginx_rtmp()]);
    checks.extend(OPTIONAL.map(optional));
    checks.extend([processors(), memory(), disk(), realtime(), clock_source(), stale_runs()]);
    checks
}

/// Programs that only add to an experiment: name, argument that makes it say its version, and what
/// is lost without it.
const OPTIONAL: [(&str, &str, &str, &str); 6] = [
    ("rtmpdump", "--help", "apt install rtmpdump", "no rtmpdump among the players"),
    // It has no way to say its version and nothing else.
    ("mplayer", "", "apt install mplayer", "no MPlayer among the players"),
    ("mpv", "--version", "apt install mpv", "no mpv among the players"),
    ("x264", "--version", "apt install x264", "no experiments of the mesh, whose video it encodes"),
    ("tshark", "--version", "apt install tshark", "captures cannot be read here"),
    ("chromium", "--version", "apt install chromium", "reports open in any browser elsewhere"),
];

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, state: State::Ok, found: found.into(), remedy: None }
}

fn limited(name: &'static str, found: impl Into<String>, remedy: Option<&'static str>) -> Check {
    Check { name, state: State::Limited, found: found.into(), remedy }
}

fn missing(name: &'static str, found: impl Into<String>, remedy: &'static str) -> Check {
    Check { name, state: State::Missing, found: found.into(), remedy: Some(remedy) }
}

fn root() -> Check {
    match world::require_root("an experiment") {
        Ok(()) => ok("root", "yes"),
        Err(_) => missing(
            "root",
            "no: namespaces, interfaces and switches cannot be made",
            "run nearcast with sudo, this command too, as it tries things out",
        ),
    }
}

fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let found = release.trim();
    // pidfd_open(2).
    match version >= (5, 3) {
        true => ok("kernel", found),
        false => missing("kernel", found, "Linux 5.3 or newer is needed"),
    }
}

fn tun() -> Check {
    match probe::tun() {
        Ok(()) => ok("/dev/net/tun", "opens"),
        Err(error) => missing(
            "/dev/net/tun",
            error.to_string(),
            "modprobe tun; in a container, start it with --device /dev/net/tun and NET_ADMIN",
        ),
    }
}

fn mininet() -> Check {
    match nearcast_bridge::versions() {
        Ok(versions) => {
            ok("Mininet", format!("{} on Python {}", versions.mininet, versions.python))
        }
        Err(error) => missing(
            "Mininet",
            error.to_string(),
            "apt install mininet; if it wants `distutils`: apt install python3-setuptools",
        ),
    }
}

fn open_vswitch() -> Check {
    match probe::version("ovs-vsctl", "--version") {
        Some(version) if world::ovs_is_running() => ok("Open vSwitch", format!("{version}, runs")),
        Some(version) => ok("Open vSwitch", format!("{version}, is started when it is needed")),
        None => missing("Open vSwitch", "none", "apt install openvswitch-switch"),
    }
}

fn datapath() -> Check {
    match Datapath::detect() {
        Datapath::Kernel => ok("datapath", "in the kernel"),
        Datapath::User => {
            let found = "in user space, as the kernel has no openvswitch module: about 1.5 Gbit/s";
            limited("datapath", found, None)
        }
    }
}

fn netem() -> Check {
    match probe::netem() {
        true => ok("netem", "there"),
        false => {
            limited("netem", "none: no `--link tc`; nearcast's own links do not need it", None)
        }
    }
}

fn tool(name: &'static str) -> Check {
    match world::find_system_program(name) {
        Some(path) => ok(name, path.display().to_string()),
        None => missing(name, "none", "apt install mininet iproute2 net-tools"),
    }
}

fn own(name: &'static str) -> Check {
    match world::find_program(name) {
        Ok(path) => ok(name, path.display().to_string()),
        Err(_) => missing(name, "none", "make build, or cargo build --release --workspace"),
    }
}

fn ffmpeg() -> Check {
    match probe::version("ffmpeg", "-version") {
        Some(version) => ok("FFmpeg", version),
        None => missing("FFmpeg", "none", "apt install ffmpeg"),
    }
}

fn x264() -> Check {
    let encoders = probe::says("ffmpeg", &["-hide_banner", "-encoders"]).unwrap_or_default();
    match encoders.contains(" libx264 ") {
        true => ok("x264", "FFmpeg's libx264"),
        false => missing("x264", "FFmpeg has no libx264", "apt install ffmpeg (Debian's has it)"),
    }
}

fn nginx() -> Check {
    match probe::version("nginx", "-v") {
        Some(version) => ok("nginx", version),
        None => missing("nginx", "none", "apt install nginx libnginx-mod-rtmp"),
    }
}

fn nginx_rtmp() -> Check {
    let module = "/usr/lib/nginx/modules/ngx_rtmp_module.so";
    match std::path::Path::new(module).exists() {
        true => ok("nginx-rtmp", module),
        false => missing("nginx-rtmp", "none", "apt install libnginx-mod-rtmp"),
    }
}

fn optional(
    (name, argument, remedy, lost): (&'static str, &str, &'static str, &'static str),
) -> Check {
    match probe::version(name, argument) {
        Some(version) => ok(name, version),
        None => limited(name, format!("none: {lost}"), Some(remedy)),
    }
}

fn processors() -> Check {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    match count {
        1 => limited("processors", "1: delays will show what runs beside the experiment", None),
        _ => ok("processors", count.to_string()),
    }
}

fn memory() -> Check {
    let free = probe::memory("MemAvailable").unwrap_or(0);
    let found = format!("{:.1} GiB available", free as f64 / GIB as f64);
    match free >= GIB {
        true => ok("memory", found),
        false => limited("memory", found, Some("an experiment takes about 1 GiB")),
    }
}

fn disk() -> Check {
    let free = probe::disk().unwrap_or(0);
    let found = format!("{:.1} GiB free in this folder", free as f64 / GIB as f64);
    match free {
        0..0x400_0000 => missing("disk", found, "an experiment writes about 200 MiB; make room"),
        0x400_0000..GIB => limited("disk", found, Some("an experiment writes about 200 MiB")),
        _ => ok("disk", found),
    }
}

fn realtime() -> Check {
    match probe::realtime() {
        true => ok("real time", "links may be scheduled in real time"),
        false => limited(
            "real time",
            "not allowed: packets may leave late when the machine is busy",
            Some("CAP_SYS_NICE, or RLIMIT_RTPRIO above 0"),
        ),
    }
}

fn clock_source() -> Check {
    let folder = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = std::fs::read_to_string(folder).unwrap_or_default();
    match source.trim() {
        // Those that are read without leaving user space.
        found @ ("tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page") => {
            ok("clock source", found)
        }
        found => limited("clock source", format!("{found}: reading the time is slow"), None),
    }
}

fn stale_runs() -> Check {
    let entries = Entry::all().unwrap_or_default();
    let live =
        entries.iter().filter(|record| record.entry.as_ref().is_ok_and(Entry::is_live)).count();
    match entries.len() - live {
        0 => ok("stale runs", format!("none, {live} going on")),
        stale => limited("stale runs", format!("{stale}"), Some("sudo nearcast clean")),
    }
}
