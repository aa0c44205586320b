#!/usr/bin/python3
"""nearcast's topologies, links, switches and controller for Mininet.

    sudo mn --custom topologies/nearcast.py --topo nearcast,single,viewers=3,setting=fig3 \\
            --link near --switch near --controller near

`--link near` makes links of TAP devices, for which a kernel needs `tun` alone; it talks to a `nearcast-link`
process, whose socket is in $NEARCAST_LINK, or starts one. Where the kernel has netem, `--link tc` does
with Mininet's TCLink. `--controller near` starts `nearcast-controller`; use `--controller remote` for
one that runs already.

The topologies are the .toml files beside this one. Run as a program this file prints one, resolved:

    python3 topologies/nearcast.py single setting=fig2 viewers=2

Mininet executes this file and copies every name in it over the names of `mn` itself, which is why
nothing here is called `main`, `read` or the like. It needs Python 3.11 and nothing but Mininet.
"""

import atexit
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib

try:
    from mininet.link import Link, OVSLink, TCLink, TCULink
    from mininet.node import Controller, Host, OVSSwitch
    from mininet.topo import Topo
except ImportError:
    # Printing a topology needs no Mininet.
    if __name__ != "__main__":
        raise
    Link = OVSLink = TCLink = TCULink = Controller = Host = OVSSwitch = Topo = object

# `mn --custom` sets no __file__.
NEARCAST_FOLDER = os.path.dirname(os.path.abspath((lambda: None).__code__.co_filename))


def nearcast_topology(name, setting=None, **counts):
    """The topology `name` (or in the file of that path) as a dict, with everything that repeats
    written out and every link's parameters in place: what nearcast_topologies::Topology is in Rust,
    where mistakes in a file are explained with line and field.
    """
    path = name if name.endswith(".toml") else os.path.join(NEARCAST_FOLDER, name + ".toml")
    with open(path, "rb") as file:
        written = tomllib.load(file)
    kinds = written["settings"][setting or written["setting"]]
    numbers = dict(written.get("counts", {}))
    for count, number in counts.items():
        if count not in numbers:
            raise KeyError(f"{path} has no count `{count}`; there are {', '.join(numbers)}")
        numbers[count] = int(number)

    def repeats(entry):
        return range(1, numbers[entry["repeat"]] + 1) if "repeat" in entry else (1,)

    def direction(entry, key):
        params = entry[key] if key in entry else entry["is"]
        return dict(kinds[params] if isinstance(params, str) else params)

    hosts, links = [], []
    for entry in written["hosts"]:
        for i in repeats(entry):
            ip = ipaddress.IPv4Address(entry["ip"]) + (i - 1)
            called = entry["name"].replace("{i}", str(i))
            hosts.append({"name": called, "role": entry["role"], "ip": str(ip)})
    for entry in written["links"]:
        for i in repeats(entry):
            a, b = (entry[end].replace("{i}", str(i)) for end in "ab")
            links.append({
                "name": entry.get("name", f"{a}-{b}").replace("{i}", str(i)),
                "a": a,
                "b": b,
                "a_to_b": direction(entry, "a_to_b"),
                "b_to_a": direction(entry, "b_to_a"),
            })
    return {
        "name": written["name"],
        "network": written["network"],
        "hosts": hosts,
        "switches": written["switches"],
        "links": links,
    }


class NearcastTopo(Topo):
    """A topology of nearcast's: `--topo nearcast,NAME[,setting=NAME][,COUNT=N]...`"""

    def build(self, name="single", resolved=None, tag="", host=None, **choice):
        """`resolved` is a topology as `nearcast_topology` gives it; `tag` goes before the names of
        bridges and interfaces, which all share the machine's own namespace for a moment at least;
        `host` is the class of the hosts.
        """
        topology = resolved or nearcast_topology(name, **choice)
        prefix = topology["network"].split("/")[1]
        # Interfaces are numbered in the order of the file: Mininet itself sorts links by name.
        next_port = {}
        macs, names = {}, {}
        for entry in topology["hosts"]:
            called = entry["name"]
            self.addHost(called, cls=host or NearcastHost, ip=f"{entry['ip']}/{prefix}")
            next_port[called], names[called] = 0, called
            packed = ipaddress.IPv4Address(entry["ip"]).packed
            macs[called] = ":".join(f"{byte:02x}" for byte in b"\x02\x00" + packed)
        for switch in topology["switches"]:
            names[switch["name"]] = tag + switch["name"]
            self.addSwitch(names[switch["name"]], dpid=f"{switch['datapath_id']:016x}")
            next_port[switch["name"]] = 1
        for link in topology["links"]:
            ends = {}
            for number, end in ((1, link["a"]), (2, link["b"])):
                port = next_port[end]
                next_port[end] += 1
                ends[f"port{number}"] = port
                ends[f"intfName{number}"] = f"{tag}{end}-eth{port}"
                if end in macs:
                    ends[f"addr{number}"] = macs[end]
            self.addLink(names[link["a"]], names[link["b"]], link_name=link["name"],
                         a_to_b=link["a_to_b"], b_to_a=link["b_to_a"], **ends)


class NearcastHost(Host):
    """A host that says nothing by itself: without IPv6 there are no router solicitations and no
    multicast reports in the measurements."""

    def __init__(self, *args, **params):
        Host.__init__(self, *args, **params)
        self.cmd("for one in all default lo; do"
                 " echo 1 > /proc/sys/net/ipv6/conf/$one/disable_ipv6; done 2> /dev/null")


class NearcastSwitch(OVSSwitch):
    """Open vSwitch: OpenFlow 1.3, silent without a controller, in the kernel where it can be."""

    def __init__(self, name, datapath=None, protocols="OpenFlow13", **params):
        # In a batch nobody looks at what ovs-vsctl says.
        params["batch"] = False
        OVSSwitch.__init__(self, name, protocols=protocols,
                           datapath=datapath or self.best_datapath(), **params)

    @staticmethod
    def best_datapath():
        "`kernel` where there is the openvswitch module, else `user`."
        found = subprocess.run(["ovs-dpctl", "show"], capture_output=True, check=False)
        return "kernel" if found.returncode == 0 else "user"

    def vsctl(self, *args, **kwargs):
        said = OVSSwitch.vsctl(self, *args, **kwargs)
        if "ovs-vsctl:" in said:
            raise RuntimeError(f"{self.name}: {said.strip()}")
        return said

    def start(self, controllers):
        OVSSwitch.start(self, controllers)
        ports = {intf.name: port for port, intf in self.intfs.items() if port}
        listed = subprocess.run(
            ["ovs-vsctl", "--format=json", "--columns=name,ofport,error", "list", "Interface", *ports],
            capture_output=True, check=True, text=True)
        for name, ofport, error in json.loads(listed.stdout)["data"]:
            if ofport != ports[name]:
                raise RuntimeError(f"{name} is not port {ports[name]} of {self.name}: {error}")

    @classmethod
    def batchStartup(cls, switches, run=None):
        "They were started one by one."
        return switches


class NearcastLink(Link):
    """A link of two TAP devices, run by a `nearcast-link` process.

    `a_to_b` and `b_to_a` are dicts of link parameters as in the topology files (rate, delay, jitter,
    loss, queue and so on). On other topologies, give them for both directions at once:
    `--topo linear,3 --link near,rate=10Mbit/s,delay=8ms`.
    """

    PARAMS = ("rate", "delay", "jitter", "loss", "gilbert_elliott", "duplicate", "reorder", "queue")

    # The process to use; found or started when it is first needed.
    process = None

    def __init__(self, node1, node2, link_name=None, a_to_b=None, b_to_a=None, **options):
        both = {key: options.pop(key) for key in self.PARAMS if key in options}
        self.directions = (both if a_to_b is None else a_to_b, both if b_to_a is None else b_to_a)
        self.link_name = link_name
        Link.__init__(self, node1, node2, **options)

    # pylint: disable=arguments-differ, arguments-renamed
    def makeIntfPair(self, intfname1, intfname2, addr1=None, addr2=None,
                     node1=None, node2=None, deleteIntfs=True):
        "Has the link process make both devices, and puts each where it belongs."
        if self.process is None:
            NearcastLink.process = LinkProcess.find_or_start()
        self.link_name = self.link_name or f"{intfname1}-{intfname2}"
        a_to_b, b_to_a = self.directions
        self.process.call(op="add", name=self.link_name, a=intfname1, b=intfname2,
                          a_to_b=a_to_b, b_to_a=b_to_a)
        for name, address, node in ((intfname1, addr1, node1), (intfname2, addr2, node2)):
            if address:
                nearcast_run("ip", "link", "set", "dev", name, "address", address)
            if node and node.inNamespace:
                nearcast_run("ip", "link", "set", "dev", name, "netns", str(node.pid))
            else:
                nearcast_no_ipv6(name)

    def delete(self):
        "Both devices go with the link."
        if self.intf1 is None:
            return
        self.intf1 = self.intf2 = None
        self.process.call(op="remove", name=self.link_name)


class NearcastTCLink(TCLink):
    """Mininet's TCLink with link parameters as in the topology files.

    Checksum offload is switched off, or no TCP connection comes through a switch that forwards in
    user space: it hands on packets whose checksum the kernel meant to fill in later."""

    def __init__(self, node1, node2, link_name=None, a_to_b=None, b_to_a=None, **options):
        self.link_name = link_name
        for number, params in (("1", a_to_b), ("2", b_to_a)):
            if params is not None:
                shaping = dict(options.get("params" + number) or {})
                shaping.update(nearcast_tc(link_name, params))
                options["params" + number] = shaping
        options.setdefault("txo", False)
        options.setdefault("rxo", False)
        TCLink.__init__(self, node1, node2, **options)
        for intf in (self.intf1, self.intf2):
            if not intf.node.inNamespace:
                nearcast_no_ipv6(intf.name)


class NearcastController(Controller):
    "Starts `nearcast-controller` and stops it again."

    def __init__(self, name, port=6653, **params):
        self.process = None
        Controller.__init__(self, name, port=int(port), **params)

    def checkListening(self):
        "Without telnet, which is what Mininet would use."
        with socket.socket() as probe:
            if probe.connect_ex((self.ip, self.port)) == 0:
                raise RuntimeError(f"something listens on port {self.port} already")

    def start(self):
        program = nearcast_program("nearcast-controller")
        address = f"{self.ip}:{self.port}"
        folder = tempfile.mkdtemp(prefix="nearcast-")
        # pylint: disable=consider-using-with
        log = open(os.path.join(folder, "controller.log"), "wb")
        events = os.path.join(folder, "controller.events")
        print(f"nearcast-controller writes to {folder}")
        self.process = subprocess.Popen([program, "--listen", address, "--events", events],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        start_new_session=True)

    def stop(self, *args, **kwargs):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.terminate()


class LinkProcess:
    "A running `nearcast-link`: requests and answers are lines of JSON over a Unix socket."

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.answers = self.socket.makefile("rb")

    def call(self, **request):
        "The fields of the answer; raises what the process says when it refuses."
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        line = self.answers.readline()
        if not line:
            raise RuntimeError("nearcast-link went away")
        answer = json.loads(line)
        if not answer.pop("ok"):
            raise RuntimeError(f"nearcast-link: {answer['error']}")
        return answer

    @classmethod
    def find_or_start(cls):
        "The one at $NEARCAST_LINK, or a new one that ends with this program."
        if "NEARCAST_LINK" in os.environ:
            return cls(os.environ["NEARCAST_LINK"])
        program = nearcast_program("nearcast-link")
        folder = tempfile.mkdtemp(prefix="nearcast-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "link.sock")
        # In a session of its own, so that Ctrl-C at mn's prompt does not cut the links.
        process = subprocess.Popen([program, "run", "--socket", path, "--with-parent"],
                                   start_new_session=True)
        atexit.register(process.wait)
        atexit.register(process.terminate)
        for _ in range(1000):
            try:
                return cls(path)
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.01)
        raise RuntimeError("nearcast-link does not start")


def nearcast_program(name):
    "The path of one of nearcast's programs: as built beside this file, or on $PATH."
    for profile in ("release", "debug"):
        built = os.path.join(NEARCAST_FOLDER, "..", "target", profile, name)
        if os.access(built, os.X_OK):
            return built
    found = shutil.which(name)
    if not found:
        raise RuntimeError(f"{name} is neither built (cargo build --release) nor on PATH")
    return found


def nearcast_run(*command):
    "Runs a command; raises what it says if it fails."
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def nearcast_no_ipv6(interface):
    "Keeps the machine itself from speaking IPv6 on a switch's port."
    try:
        with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    except FileNotFoundError:
        pass  # a kernel without IPv6


def nearcast_tc(link, params):
    "Link parameters as TCIntf wants them; netem and htb have no words for some."
    shaping = {}
    for key, value in params.items():
        if value is None or (key in ("loss", "duplicate") and value in (0, "0%")):
            continue  # what it is anyway
        if key == "rate":
            shaping["bw"] = nearcast_number(value, {"bit/s": 1e-6, "kbit/s": 1e-3, "Mbit/s": 1, "Gbit/s": 1e3})
        elif key in ("delay", "jitter"):
            units = {"ns": 1e-3, "us": 1, "µs": 1, "ms": 1e3, "s": 1e6, "min": 6e7, "h": 3.6e9}
            shaping[key] = f"{nearcast_number(value, units):.3f}us"
        elif key == "loss":
            percent = isinstance(value, str)
            shaping[key] = nearcast_number(value, {"%": 1}) if percent else 100 * value
        elif key == "queue" and re.fullmatch(r"\d+ *packets?", value):
            shaping["max_queue_size"] = int(re.match(r"\d+", value).group())
        else:
            raise ValueError(f"link {link}: TCLink cannot do {key} = {value!r}; use --link near")
    return shaping


def nearcast_number(text, units):
    "`8ms` in the unit that counts 1 in `units`."
    match = re.fullmatch(r"\s*([0-9.]+)\s*(\S+)\s*", text)
    if not match or match.group(2) not in units:
        raise ValueError(f"`{text}` is not a number with one of the units {', '.join(units)}")
    return float(match.group(1)) * units[match.group(2)]


# What `mn --custom` looks for.
topos = {"nearcast": NearcastTopo}
hosts = {"near": NearcastHost}
switches = {"near": NearcastSwitch}
controllers = {"near": NearcastController}
links = {"near": NearcastLink, "tc": NearcastTCLink}
# Mininet 2.3.0 forgets to look for `links` (a comma is missing in its list of names), and copies any
# name it does not know over its own: so this becomes its table of links.
LINKS = {"default": Link, "tcu": TCULink, "ovs": OVSLink, **links}

if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    print(json.dumps(nearcast_topology(sys.argv[1], **given), indent=2))
