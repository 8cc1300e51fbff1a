"""client-go candidates (tests/peers/cmd/candidate) beside baton on one Lease, and what they believed when."""
import os

from harness.processes import PEERS


def start_candidate(world, name, duration="3s", renew="2s", retry="500ms", release=True, identity=None):
    """Its identity is the name, unless another one is given: "" is that of the program itself, the host name."""
    command = [os.path.join(PEERS, "candidate"), "--outlive-parent", "--kubeconfig", world.server.kubeconfig, "--lease", world.lease,
               "--identity", name if identity is None else identity, "--duration", duration, "--renew", renew, "--retry", retry, "--tick", "50ms"]
    return world.start_other(command + (["--release"] if release else []), name)


def expect(candidate, event, timeout=20, start=0):
    found = candidate.out.wait(lambda text: text if text.split(" ", 1)[1] == event else None, timeout, start)
    assert found, f"{candidate.name} did not say {event!r}: {candidate.out.texts()[-3:]}"
    return int(found[1].split()[0])


def terms(candidate):
    """[(begin, end)] in ns, as far as the candidate believed that it led."""
    result, begin, last = [], None, None
    for text in candidate.out.texts():
        when, event = text.split(" ", 1)
        if event == "started":
            begin = last = int(when)
        elif event == "tick":
            last = int(when)
        elif event == "stopped" and begin is not None:
            result.append((begin, last))
            begin = None
    return result + ([(begin, last)] if begin is not None else [])


def check_never_two(world, candidates, *names):
    ticks = sorted(tick for emitted in world.check_no_double(*names) for tick in emitted)
    for candidate in candidates:
        for begin, end in terms(candidate):
            both = [tick for tick in ticks if begin < tick < end]
            assert both == [], f"baton emitted while {candidate.name} led: {both}"
