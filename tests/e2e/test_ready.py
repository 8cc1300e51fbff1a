"""/ready and /live in each state of a replica."""
import signal

from harness.ready import get, port_of
from harness.replicas import FOLLOWS, LED, LOST
from harness.world import SHORT, wait_until


def config(world, name, standby="warm", receivers=("k8s_cluster",), extensions=None, endpoint="127.0.0.1:0"):
    settings = {**SHORT, "ready_endpoint": endpoint, **({"standby": standby} if standby else {})}
    made = world.config(name, {receiver: "leaderelector/foo" for receiver in receivers},
                        extensions or {"leaderelector/foo": world.extension(**settings)})
    for receiver in made["receivers"]:
        if receiver.startswith("k8s_cluster"):
            made["receivers"][receiver] = {"auth_type": "kubeConfig", "collection_interval": "1s", "leaderelector": "leaderelector/foo"}
    return made


def wait_status(port, status, timeout=20):
    def seen():
        found, body = get(port)
        return body if found == status else None
    return wait_until(seen, timeout, f"/ready answers {status}")


def wait_ready(port, status, timeout=20, **fields):
    """Until /ready answers so, with these fields of its one elector; returns that elector."""
    def seen():
        found, body = get(port)
        assert body["ready"] == (found == 200)
        (elector,) = body["electors"]
        assert elector["ready"] == body["ready"] and (elector["ready"] or elector["reason"])
        return elector if found == status and all(elector.get(key) == value for key, value in fields.items()) else None
    return wait_until(seen, timeout, f"/ready says {status} {fields}")


def test_leader_and_warm_standby_are_ready_when_their_stores_are_full(world):
    a = world.start_leader("a", config(world, "a"))
    b = world.start_standby("b", config(world, "b"))
    leader = wait_ready(port_of(world, a), 200, role="leader")
    assert leader == {"id": "leaderelector/foo", "namespace": "default", "lease": world.lease, "role": "leader", "ready": True}
    wait_ready(port_of(world, b), 200, role="warm")
    for replica in (a, b):
        assert get(port_of(world, replica), "/live") == (200, {"live": True})
    world.end(a)
    wait_ready(port_of(world, b), 200, role="leader")


def test_not_ready_while_stores_fill(troubled_world):
    """The server does not answer lists for a while: what is missing is named, and the process lives."""
    world = troubled_world
    a = world.start("a", config(world, "a"), kubeconfig=world.server.kubeconfig_of("admin"))
    world.expect(a, LED)
    port = port_of(world, a)
    wait_ready(port, 200, role="leader")
    world.server.freeze()
    b = world.start("b", config(world, "b"))
    waiting = wait_ready(port_of(world, b), 503, role="warm")
    assert waiting["reason"] == "stores are not full yet: k8s_cluster"
    assert get(port_of(world, b), "/live") == (200, {"live": True})
    # The leader cannot renew and stops; its stores are as they were. Nothing of that is a reason to restart anybody.
    world.expect(a, LOST)
    wait_ready(port, 200, role="warm")
    assert get(port, "/live") == (200, {"live": True})
    world.server.thaw()
    wait_ready(port_of(world, b), 200)


def test_cold_replica_is_ready_while_somebody_leads(world):
    world.api.create_lease(world.lease, spec={"holderIdentity": "somebody", "leaseDurationSeconds": 4})
    a = world.start("a", config(world, "a", "cold"))
    world.expect(a, FOLLOWS, holder="somebody")
    wait_ready(port_of(world, a), 200, role="cold")
    # Nobody renews: it leads itself, and then needs its stores.
    world.expect(a, LED)
    wait_ready(port_of(world, a), 200, role="leader")
    b = world.start_standby("b", config(world, "b", "cold"))
    wait_ready(port_of(world, b), 200, role="cold")


def test_cold_replica_that_knows_of_no_leader_is_not_ready(world):
    a = world.start("a", config(world, "a", "cold"), user="nobody")
    found = wait_ready(port_of(world, a), 503, role="cold")
    assert found["reason"] == "nobody leads, as far as this replica knows"
    assert get(port_of(world, a), "/live") == (200, {"live": True})


def test_auto_one_stands_by_and_the_others_are_ready_while_it_is_synced(world):
    a = world.start_leader("a", config(world, "a", "auto"))
    wait_ready(port_of(world, a), 200, role="leader")
    b = world.start("b", config(world, "b", "auto"))
    wait_ready(port_of(world, b), 200, role="warm")
    c = world.start("c", config(world, "c", "auto"))
    wait_ready(port_of(world, c), 200, role="cold")
    # Nobody stands by for a moment; then c does, and is ready when its stores are full.
    world.end(b)
    wait_ready(port_of(world, c), 200, role="warm")
    world.end(a)
    wait_ready(port_of(world, c), 200, role="leader")


def test_auto_cold_replica_is_not_ready_while_the_standby_is_not(world):
    """The standby here is one that never gets its stores full."""
    a = world.start_leader("a", config(world, "a", "auto"))
    wait_ready(port_of(world, a), 200, role="leader")
    name = f"{world.lease}-standby"

    def stand_by(synced):
        def change(lease):
            lease["spec"].update(holderIdentity="somebody", leaseDurationSeconds=3600)
            lease["metadata"].setdefault("annotations", {})["baton.dev/synced"] = synced
        world.api.edit_lease(name, change)
    wait_until(lambda: world.api.lease(name), 10, "the standby's Lease")
    stand_by("false")
    c = world.start("c", config(world, "c", "auto"))
    found = wait_ready(port_of(world, c), 503, role="cold")
    assert found["reason"] == "no other replica stands by with full stores, as far as this one knows"
    stand_by("true")
    wait_ready(port_of(world, c), 200, role="cold")
    stand_by("false")
    wait_ready(port_of(world, c), 503, role="cold")


def test_auto_without_permission_for_the_second_lease(world):
    """It is cold then: ready while somebody leads."""
    world.api.create_role({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": world.lease, "namespace": "default"},
                           "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [world.lease],
                                      "verbs": ["get", "watch", "update"]}]}, "nobody")
    world.api.create_lease(world.lease, spec={"holderIdentity": "somebody", "leaseDurationSeconds": 3600, "leaseTransitions": 3})
    a = world.start("a", config(world, "a", "auto"), user="nobody")
    wait_ready(port_of(world, a), 200, role="cold")


def test_two_electors_share_an_address_and_both_must_be_ready(world):
    extension = lambda lease, standby: world.extension(lease, **SHORT, ready_endpoint="127.0.0.1:0", standby=standby)
    world.api.create_lease(f"{world.lease}-bar", spec={"holderIdentity": "somebody", "leaseDurationSeconds": 3600, "leaseTransitions": 3})
    extensions = {"leaderelector/foo": extension(world.lease, "warm"), "leaderelector/bar": extension(f"{world.lease}-bar", "cold")}
    # Its leader first: with full stores it is ready before it leads, too.
    a = world.start_leader("a", config(world, "a", extensions=extensions))
    port = port_of(world, a)
    body = wait_status(port, 200)
    assert [(elector["id"], elector["role"]) for elector in body["electors"]] == [("leaderelector/foo", "leader"), ("leaderelector/bar", "cold")]
    world.api.edit_lease(f"{world.lease}-bar", lambda lease: lease["spec"].update(holderIdentity=""))
    body = wait_status(port, 503)
    assert [elector["ready"] for elector in body["electors"]] == [True, False]


def test_an_address_that_is_taken_is_an_error_at_the_start(world):
    a = world.start_leader("a", config(world, "a"))
    port = port_of(world, a)
    wait_ready(port, 200)
    b = world.start("b", config(world, "b", endpoint=f"127.0.0.1:{port}"))
    assert b.wait(10) == 1
    assert any("ready_endpoint: cannot listen on" in text for text in b.err.texts())
    wait_ready(port, 200, role="leader")


def test_reload_keeps_the_socket(world):
    a = world.start_leader("a", config(world, "a"))
    port = port_of(world, a)
    wait_ready(port, 200)
    mark = len(a.err)
    a.signal(signal.SIGHUP)
    world.expect(a, "Everything is ready", start=mark)
    assert not a.wait_log("Serving readiness", 0, start=mark)
    wait_ready(port, 200, role="leader")
