"""Fencing tokens, as the backend sees them: each batch names the term that made it, and the number grows with each change."""
import json
import signal
import time

from registry import fault
from stage import FOLLOWS, LED, LOST

NAME = "lease.fencing_token"
FORMS = {"header": {"header": "X-Fencing-Token"}, "attributes": {"resource_attribute": NAME, "scope_attribute": NAME}}
GROWS = "the number grows with each change, and no batch comes with a smaller one than its predecessor; "


def calls(stage):
    """[(peer, token)] of what the backend took, in order of arrival; all places of a batch say the same."""
    found = []
    for text in stage.backend.sink.process.out.texts():
        call = json.loads(text) if text.startswith("{") else {}
        if call.get("refused") or not call.get("resources"):
            continue
        tokens = {call["headers"].get("x-fencing-token")} | {resource["attrs"].get(NAME) for resource in call["resources"]}
        tokens |= {(scope.get("attrs") or {}).get(NAME) for resource in call["resources"] for scope in resource["scopes"]}
        tokens.discard(None)  # the form that this fault does not use
        assert len(tokens) == 1, f"{call['peer']} sent a batch with the tokens {tokens}"
        found.append((call["peer"], tokens.pop()))
    return found


def check_tokens(stage, terms, late=()):
    """`terms`: whose each of them is, from the first one on; of a batch that comes behind those of a later term, the sender is in `late`. Returns
    the number of such."""
    uid = stage.api.lease(stage.lease)["metadata"]["uid"]
    owners, newest, stale = {}, -1, 0
    for peer, token in calls(stage):
        of, _, number = token.rpartition("/")
        assert of == uid and number.isdigit(), f"{peer} sent the token {token!r} of the Lease {uid}"
        number = int(number)
        assert owners.setdefault(number, peer) == peer, f"{peer} and {owners[number]} sent the token {token}"
        if number < newest:
            assert peer in late, f"{peer} sent the token {number} behind {newest}"
            stale += 1
        newest = max(newest, number)
    assert [owners[number] for number in sorted(owners)] == terms, owners
    assert newest == stage.spec()["leaseTransitions"]
    return stale


def over_each_kind_of_change(stage, form):
    tokens = {"fencing": FORMS[form]}
    a, b = stage.pair(**tokens)
    stage.hand_over(a, b)
    c = stage.start_standby("c", **tokens)
    stage.lease_watch.wait_more(1)  # c counts from the first renewal that it sees
    mark = stage.backend.mark()
    stage.take_over(b, candidates=[c], since=stage.kill(b), mark=mark)
    d = stage.start_standby("d", **tokens)
    mark = stage.backend.mark()
    c.signal(signal.SIGUSR1)
    stage.taken_by([d], mark)
    stage.expect(c, FOLLOWS, holder="d_uid-of-d")
    mark, since = stage.backend.mark(), stage.kill(d)
    d.wait(5)
    e = stage.start("e", LED, env={"POD_NAME": "d", "POD_UID": "uid-of-d"}, **tokens)  # its container, restarted
    stage.excuse(since, time.time(), "the container was away")
    stage.taken_by([e], mark)
    stage.hand_over(e, c)
    check_tokens(stage, ["a", "b", "c", "d", "e", "c"])


@fault("SIGTERM, SIGKILL, a yield, a container restarted, SIGTERM; the token is in a header", GROWS + "*excused* where the leader was killed", "fencing")
def fencing_header_over_each_change(stage):
    over_each_kind_of_change(stage, "header")


@fault("the same; the token is an attribute of resources and scopes", GROWS + "*excused* where the leader was killed", "fencing")
def fencing_attributes_over_each_change(stage):
    over_each_kind_of_change(stage, "attributes")


@fault("SIGSTOP of the leader while it sends; it goes on when another one leads", "*excused*; what it had handed over comes late, with the token of its own term",
       "fencing")
def fencing_of_a_paused_leader(stage):
    a, b = stage.pair(**{"fencing": FORMS["header"]})
    stage.allowed.late_from, stage.allowed.repeats = {"a"}, True
    since, log = time.time(), len(a.err)
    stage.backend_link(a).hold(down=False)
    stage.wait_past(2 * stage.timing.interval)
    mark = stage.backend.mark()
    a.signal(signal.SIGSTOP)
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    mark = stage.backend.mark()
    stage.backend_link(a).heal()
    a.signal(signal.SIGCONT)
    assert a.err.wait(lambda text: LOST in text or FOLLOWS in text, 30, log), "the paused one does not notice"
    stage.backend.wait(1, ["a"], mark)
    stage.backend.more(3, ["b"])
    assert check_tokens(stage, ["a", "b"], late={"a"}) > 0
