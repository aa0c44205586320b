"""The Python half of the bridge: one network, built, described, started and stopped.

Mininet reports many failures by logging an error and going on, or by ending the program. Here both
become exceptions.
"""

import json
import logging
import os
import platform
from functools import partial

# What Mininet runs (ifconfig, ip, mnexec) is in folders that PATH lacks for some users of sudo.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"

import mininet.net
from mininet.log import lg
from mininet.net import Mininet
from mininet.node import RemoteController

import nearcast_mininet as near


class NetError(Exception):
    "What went wrong, in words of Mininet's."


class Complaints(logging.Handler):
    "Collects what Mininet logs as an error."

    def __init__(self):
        logging.Handler.__init__(self, logging.ERROR)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())

    def take(self):
        "What was said since the last time."
        said, self.said = " ".join("".join(self.said).split()), []
        return said


complaints = Complaints()
# In place of the handler that writes to the terminal, where progress bars are.
lg.handlers = [complaints]
lg.setLevel(logging.ERROR)


class KnownController(RemoteController):
    "A controller at a known address. Mininet would open a connection to it by telnet to see if it is there."

    def checkListening(self):
        pass


class Marked:
    """A node whose shell, and so all that it starts, carries variables of its own. They are not put
    into this process's environment, which its other children inherit."""

    environment = {}

    def _popen(self, cmd, **params):
        return super()._popen(cmd, env={**os.environ, **self.environment}, **params)


def checked(step):
    "Runs `step`; what Mininet logs as an error while it runs is an exception, and so is its exit."
    complaints.take()
    try:
        result = step()
    except SystemExit as exit_:
        raise NetError(complaints.take() or f"it ended with {exit_}") from exit_
    except Exception as error:
        said = complaints.take()
        raise NetError(f"{error} ({said})" if said else f"{error}") from error
    said = complaints.take()
    if said:
        raise NetError(said)
    return result


class Drive:
    "One network."

    def __init__(self, topology):
        self.topology = topology
        self.tag = ""
        self.net = None

    def build(self, options):
        "Makes hosts, shells and links."
        self.tag = options["tag"]
        # Mininet calls classes; these know which network they are of, as there may be several.
        link = near.NearcastTCLink
        if options["links"] != "tc":
            link = type("OwnLink", (near.NearcastLink,),
                        {"process": near.LinkProcess(options["links"]["tap"])})
        marked = {"environment": dict(options["environment"])}
        host = type("OwnHost", (Marked, near.NearcastHost), marked)
        switch = type("OwnSwitch", (Marked, near.NearcastSwitch), marked)
        controller = type("OwnController", (Marked, KnownController), marked)
        datapath = "user" if options["user_datapath"] else "kernel"

        self.net = Mininet(switch=partial(switch, datapath=datapath, failMode=options["fail_mode"]),
                           controller=None, host=host, link=link, ipBase=self.topology["network"],
                           build=False)
        if options["controller"]:
            ip, port = options["controller"].rsplit(":", 1)
            self.net.addController("c0", controller, ip=ip, port=int(port))
        self.net.topo = near.NearcastTopo(resolved=self.topology, tag=self.tag, host=host)
        self.net.build()

    def nodes(self):
        "Every host and switch with its interfaces, as JSON."

        def describe(node, kind, name):
            interfaces = [
                {"name": intf.name, "mac": intf.mac, "ip": intf.ip, "link": intf.link.link_name,
                 "port": port}
                for port, intf in sorted(node.intfs.items()) if intf.link
            ]
            return {"name": name, "kind": kind, "pid": node.pid, "interfaces": interfaces}

        hosts = [host["name"] for host in self.topology["hosts"]]
        switches = [switch["name"] for switch in self.topology["switches"]]
        return json.dumps(
            [describe(self.net[name], "host", name) for name in hosts]
            + [describe(self.net[self.tag + name], "switch", name) for name in switches])

    def start(self):
        "Makes the bridges."
        checked(self.net.start)

    def stop(self):
        "Takes everything down; goes on after a failure, and raises the first one at the end."
        failures = []
        net, self.net = self.net, None
        if net is None:
            return
        for link in net.links:
            attempt(link.delete, failures)
        if net.switches:
            attempt(lambda: near.NearcastSwitch.batchShutdown(net.switches), failures)
        for node in net.controllers + net.hosts:
            attempt(node.terminate, failures)
        if failures:
            raise failures[0]


def attempt(step, failures):
    "Runs `step` and notes its failure."
    try:
        checked(step)
    except NetError as error:
        failures.append(error)


def build(topology, options):
    "A network from a topology and options, both as JSON."
    options = json.loads(options)
    drive = Drive(json.loads(topology))
    try:
        checked(lambda: drive.build(options))
    except NetError:
        try:
            drive.stop()
        except NetError:
            pass  # what went wrong first is what matters
        raise
    return drive


def versions():
    "Of the interpreter and of Mininet, as JSON."
    return json.dumps({
        "python": platform.python_version(),
        "mininet": mininet.net.VERSION,
        "folder": os.path.dirname(mininet.net.__file__),
    })
