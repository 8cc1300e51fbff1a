"""The table of all faults: name, what happens, what is promised, how it is played. docs/faults.md is printed from it.

    @fault("what happens", promise="what is promised", servers=BOTH, ...)
    def name_of_the_fault(stage): ...

The function plays the fault on a stage of its own (stage.py); what checker.py checks, and that no replica ended by itself, is checked of each
one when it returns.
"""
import collections

BOTH = ("kubesim", "apiserver")
KUBESIM = ("kubesim",)
APISERVER = ("apiserver",)

Fault = collections.namedtuple("Fault", "name group happens promise play servers web own_server alone two_servers")
FAULTS = {}
GROUPS = {
    "ends": "The leader ends, in order or not",
    "yield": "The leader hands over on purpose, and something goes wrong",
    "dead_holder": "What the status of the leader's pod says",
    "fencing": "Fencing tokens",
    "pauses": "A process stands still",
    "server": "The API server",
    "two_servers": "Two API servers on one etcd, one of which lags",
    "network": "The network between a replica and the API server",
    "watch": "Watch events",
    "credentials": "Credentials and permissions",
    "clocks": "Clocks",
    "lease": "Somebody writes the Lease",
    "backend": "The backend, during a change of leader",
    "standby": "Standby replicas",
}


def fault(happens, promise, group, servers=BOTH, web=False, own_server=False, alone=False, two_servers=False):
    """`web`: replicas reach the API server through a link with rules; `own_server`: nobody else may be on it; `alone`: needs the whole machine;
    `two_servers`: there is a second API server on the etcd of the first one, `stage.lagging`."""
    def register(play):
        assert play.__name__ not in FAULTS and group in GROUPS, play.__name__
        FAULTS[play.__name__] = Fault(play.__name__, group, happens, promise, play, servers, web, own_server, alone, two_servers)
        return play
    return register


ALWAYS = """No tick comes from two replicas. A backend that refuses a sample which is older than one that it has of the series, or a different one
of the same time, refuses none. No tick is missing, but for those that the table names. No replica ends by itself."""


def document():
    lines = ["# Faults", "",
             "What is done to replicas, to the API server, to the network between them and to the backend, and what is promised then. Printed by",
             "`/usr/bin/python3 tests/faults/print_table.py >docs/faults.md` from the tests themselves (`tests/faults/`); `docs/testing.md` says how to run them.",
             "", "Of each fault this is checked, at the backend, of everything that arrived, in order of arrival:", ""]
    lines += [*(f"* {text.strip()}." for text in ALWAYS.replace("\n", " ").rstrip(".").split(". ")), "",
              "*Excused* below means: ticks may be missing that fell due between the loss of the leader and the expiry of its Lease. Every tick that fell due",
              "when a replica could reach both the API server and the backend, and the Lease had expired, must be there.", ""]
    for group, title in GROUPS.items():
        rows = [f for f in FAULTS.values() if f.group == group]
        if not rows:
            continue
        lines += [f"## {title}", "", "| fault | what happens | what is promised | on |", "| --- | --- | --- | --- |"]
        lines += [f"| `{f.name}` | {f.happens} | {f.promise} | {', '.join(f.servers)} |" for f in rows]
        lines.append("")
    lines.append(f"{len(FAULTS)} faults.")
    return "\n".join(lines) + "\n"
