"""Tokens, certificates and permissions change while replicas run."""
import time

from registry import KUBESIM, fault
from stage import FOLLOWS, LED, LOST

def lease_role(stage, *users, name=None):
    """These users may do what they need with the Leases of this stage; the name of the binding."""
    name = name or stage.lease
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    stage.api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name, "namespace": "default"},
        "rules": [{**leases, "resourceNames": [stage.lease, f"{stage.lease}-standby"], "verbs": ["get", "watch", "update"]},
                  {**leases, "verbs": ["create"]}]}, *users)
    return name


def binding_path(name=""):
    return f"/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/{name}".rstrip("/")


def take_away(stage, name):
    """Deletes the binding; returns what gives it back."""
    status, binding = stage.api.request("GET", binding_path(name))
    assert status == 200, (status, binding)
    status, answer = stage.api.request("DELETE", binding_path(name))
    assert status == 200, (status, answer)
    body = {**binding, "metadata": {"name": name, "namespace": "default"}}
    return lambda: stage.api.create(binding_path(), body)


def start_with_token_files(stage):
    """a and b, whose tokens are in files; returns both and what gives a replica another token: set(name, token, written)."""
    def set_token(name, token, written=True):
        if written:
            stage.write(f"{name}.token", token)
        stage.api.sim("POST", "users", {"name": f"{stage.lease}-{name}", "groups": "system:masters", "token": token})
    for name in ("a", "b"):
        set_token(name, f"{name}-first-token")
    change = lambda name: {"change": {"token": None, "tokenFile": f"{stage.folder}/{name}.token"}}
    a, b = stage.start_leader("a", **change("a")), stage.start_standby("b", **change("b"))
    stage.settle(a)
    return a, b, set_token


@fault("tokens are rotated; the former ones are refused at once", "the leader stays, none missing", "credentials", servers=KUBESIM, own_server=True)
def token_rotated(stage):
    a, b, set_token = start_with_token_files(stage)
    for name in ("a", "b"):
        set_token(name, f"{name}-second-token")
    stage.lease_watch.wait_more(4)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the leader's token runs out, and comes anew when another one leads", "*excused*; then it follows", "credentials", servers=KUBESIM, own_server=True)
def token_expired(stage):
    a, b, set_token = start_with_token_files(stage)
    mark, since, log = stage.backend.mark(), time.time(), len(a.err)
    set_token("a", "a-token-that-nobody-wrote", written=False)
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    set_token("a", "a-third-token")
    stage.expect(a, FOLLOWS, 30, start=log, holder="b_uid-of-b")  # a watch that is open goes on without the token
    stage.lease_watch.wait_more(2)
    stage.hand_over(b, a)


def renew_certificates(stage, new_ca):
    a, b = stage.pair()
    for replica in (a, b):
        link = stage.link(replica)
        stage.write(f"{replica.name}.ca.crt", link.new_certificate(new_ca))
        link.cut("fin")
    stage.lease_watch.wait_more(4)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the API server has a new certificate of the same CA; all connections end", "the leader stays, none missing", "credentials", web=True)
def certificate_renewed(stage):
    renew_certificates(stage, new_ca=False)


@fault("the API server has a certificate of a new CA, the CA file has been replaced; all connections end", "the leader stays, none missing",
       "credentials", web=True)
def ca_rotated(stage):
    renew_certificates(stage, new_ca=True)


@fault("the leader's permission is taken away, and given back when another one leads", "*excused*; then it follows", "credentials")
def permission_taken_away(stage):
    name = lease_role(stage, "baton-a")
    a, b = stage.start_leader("a", user="baton-a"), stage.start_standby("b")
    stage.settle(a)
    mark, since, log = stage.backend.mark(), time.time(), len(a.err)
    give_back = take_away(stage, name)
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    give_back()
    # A watch that is open goes on; if it was ended, it is tried again a minute later.
    stage.expect(a, FOLLOWS, 90, start=log, holder="b_uid-of-b")
    stage.backend.more(2, ["b"])


@fault("permission is taken away from everybody, and given back", "the leader stops in time, somebody leads when it is back; what fell due until then is missing",
       "credentials")
def permission_taken_from_everybody(stage):
    names = [lease_role(stage, f"baton-{n}", name=f"{stage.lease}-{n}") for n in ("a", "b")]
    a, b = stage.start_leader("a", user="baton-a"), stage.start_standby("b", user="baton-b")
    stage.settle(a)
    since = time.time()
    give_back = [take_away(stage, name) for name in names]
    stage.expect(a, LOST)
    stage.wait_past(stage.timing.lease)
    mark = stage.backend.mark()
    for give in give_back:
        give()
    healed = time.time()
    stage.taken_by([a, b], mark)
    stage.excuse(since, healed + 6, "nobody had permission")
