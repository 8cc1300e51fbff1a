#!/usr/bin/python3
"""Sends the same requests to kubesim and to a real kube-apiserver and compares the answers.

Usage: kubesim_vs_apiserver.py [--kubesim PROGRAM] [--apiserver PROGRAM] [-k WORD] [-v]

Each case is a function that talks to one server and returns what is to be compared; it runs on both, and the two results must be
equal after what cannot be equal has been named away: uids and resourceVersions become numbers in order of appearance, times that
are the server's become "now", managedFields go, messages count only where they are promised to be the same.
Known differences are part of the cases' comments, not of the comparison.
"""

import argparse
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import kubesim_protobuf_cases

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GROUP = "/apis/coordination.k8s.io/v1"
LEASES = GROUP + "/namespaces/cmp/leases"
NAMESPACES = "/api/v1/namespaces"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
TIME = "2026-01-02T03:04:05.123456Z"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
KUBESIM = os.path.join(os.environ.get("BATON_BUILD", os.path.join(ROOT, "build", "release")), "kubesim", "kubesim")
APISERVER = os.path.join(os.environ.get("BATON_PEERS", os.path.join(ROOT, "build", "peers")), "apiserver")
CASES = []


def case(function):
    CASES.append(function)
    return function


def lease(name=None, metadata=None, **spec):
    meta = dict(metadata or {})
    if name is not None:
        meta["name"] = name
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


class Server:
    """A server process and the way to talk to it."""

    def __init__(self, name, command, folder):
        self.name = name
        self.process = subprocess.Popen(command + ["--dir", folder, "--exit-on-stdin-eof"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        if len(line) != 3 or line[0] != "ready":
            raise SystemExit(f"{name} did not become ready: {line}")
        self.address = urllib.parse.urlsplit(line[2]).netloc
        self.folder = folder
        self.tls = ssl.create_default_context(cafile=os.path.join(folder, "ca.crt"))
        self.connection = self.connect()
        self.names = {}

    def connect(self):
        return http.client.HTTPSConnection(self.address, context=self.tls, timeout=30)

    def token(self, user):
        with open(os.path.join(self.folder, user + ".token"), encoding="utf-8") as file:
            return file.read().strip()

    def headers(self, user, extra):
        headers = {"User-Agent": "compare"}
        if user is not None:
            headers["Authorization"] = "Bearer " + self.token(user)
        headers.update(extra or {})
        return headers

    def send(self, *args, **kwargs):
        """The response and its body as text."""
        response, data = self.send_bytes(*args, **kwargs)
        return response, data.decode(errors="replace")

    def send_bytes(self, method, path, body=None, user="admin", headers=None):
        headers = self.headers(user, headers)
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response, response.read()

    def raw(self, *args, **kwargs):
        """Parsed body; for cases that need what the server made."""
        _, text = self.send(*args, **kwargs)
        return json.loads(text)

    def ask(self, *args, message=False, **kwargs):
        """What is compared of an answer."""
        response, text = self.send(*args, **kwargs)
        result = {"status": response.status, "type": response.getheader("Content-Type")}
        if response.getheader("Retry-After"):
            result["retry_after"] = response.getheader("Retry-After")
        if response.getheader("Warning"):
            result["warnings"] = sorted(re.findall(r'field \\"([^"\\]+)', response.getheader("Warning")))
        try:
            result["body"] = self.canon(json.loads(text), message)
        except ValueError:
            result["text"] = text.strip()
        return result

    def watch(self, query, path=LEASES, actions=(), user="admin", headers=None, timeout=1, message=False):
        """All events until the server ends the watch; the actions are done as soon as it stands."""
        connection = self.connect()
        connection.request("GET", f"{path}?watch=true&timeoutSeconds={timeout}&{query}", None, self.headers(user, headers))
        response = connection.getresponse()
        for action in actions:
            action(self)
        text = response.read().decode()
        connection.close()
        events = [json.loads(line) for line in text.splitlines() if line]
        for event in events:
            if event.get("type") == "BOOKMARK":  # whether one comes just before the end depends on the moment, so its version gets no number
                del event["object"]["metadata"]["resourceVersion"]
        return {"status": response.status, "events": [self.canon(event, message) for event in events]}

    def label(self, kind, value):
        table = self.names.setdefault(kind, {})
        return f"{kind}#{table.setdefault(value, len(table))}"

    def canon(self, value, message=False):
        if isinstance(value, list):
            return [self.canon(item, message) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("kind") == "Status":
            return self.canon_status(value, message)
        out = {}
        is_list = str(value.get("kind", "")).endswith("List") or value.get("kind") == "Table"
        for key, item in value.items():
            if key == "managedFields":
                continue
            if key == "uid" and item:
                item = self.label("uid", item)
            elif key == "resourceVersion":
                item = self.label("rv", int(item))
            elif key in ("creationTimestamp", "deletionTimestamp") and isinstance(item, str):
                item = "now"
            elif key == "columnDefinitions" and item:
                item = [column["name"] for column in item]
            elif key == "cells":
                item = [re.sub(r"^\d+[smhd].*$|^<unknown>$|^$", "-", str(cell)) for cell in item]
            elif key == "metadata" and is_list:
                item = {k: v for k, v in item.items() if k == "remainingItemCount"} | {"more": "continue" in item}
            else:
                item = self.canon(item, message)
            out[key] = item
        return out

    def canon_status(self, status, message):
        out = {k: status.get(k) for k in ("status", "reason", "code")}
        details = dict(status.get("details", {}))
        causes = [(c.get("reason"), c.get("field")) for c in details.pop("causes", [])]
        if "uid" in details:
            details["uid"] = self.label("uid", details["uid"])
        out["details"] = details
        out["causes"] = sorted(set(map(str, causes)))
        if message:
            out["message"] = status.get("message")
        if "continue" in status.get("metadata", {}):
            out["continue"] = True
        return out

    def version(self):
        return self.raw("GET", LEASES)["metadata"]["resourceVersion"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


# -- create --


@case
def create(s):
    return s.ask("POST", LEASES, lease("a", holderIdentity="h", leaseDurationSeconds=15, acquireTime=TIME, renewTime=TIME,
                                       leaseTransitions=0))


@case
def create_exists(s):
    return s.ask("POST", LEASES, lease("a"), message=True)


@case
def create_times(s):
    times = ["2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456", "2026-01-02t03:04:05.123456z",
             "2026-01-02T03:04:05.123456789Z", "", "x", 5, "2026-13-02T03:04:05.123456Z", "2026-02-30T03:04:05.123456Z",
             "2026-01-02T24:04:05.123456Z", "2026-01-02T03:04:05.123456+01", "2026-01-02T03:04:05,123456Z"]
    return [s.ask("POST", LEASES, lease("t", renewTime=t)) for t in times]


@case
def create_time_offset_empty_and_null(s):
    return s.ask("POST", LEASES, lease("b1", renewTime="2026-01-02T03:04:05.123456+01:00", holderIdentity="", acquireTime=None,
                                       leaseDurationSeconds=None))


@case
def create_numbers(s):
    spec = [{"leaseDurationSeconds": 0}, {"leaseDurationSeconds": -1, "leaseTransitions": -3}, {"leaseDurationSeconds": "x"},
            {"leaseDurationSeconds": 1.5}, {"leaseDurationSeconds": 5000000000}, {"leaseDurationSeconds": True},
            {"holderIdentity": 5}, {"holderIdentity": {}}]
    answers = [s.ask("POST", LEASES, lease("n", **x)) for x in spec]
    answers.append(s.ask("POST", LEASES, '{"metadata":{"name":"n"},"spec":{"leaseDurationSeconds":1e1}}'))
    answers.append(s.ask("POST", LEASES, '{"metadata":{"name":"n"},"spec":{"leaseDurationSeconds":15.0}}'))
    return answers


@case
def create_names(s):
    names = ["Bad_Name", "", "-a", "a-", "a..b", "x" * 254, "a/b", "ä", "a b"]
    return [s.ask("POST", LEASES, lease(n)) for n in names] + [s.ask("POST", LEASES, lease()), s.ask("POST", LEASES, lease(5))]


@case
def create_generated_name(s):
    made = s.raw("POST", LEASES, lease(metadata={"generateName": "gen-"}))
    name = made["metadata"].pop("name")
    s.send("DELETE", f"{LEASES}/{name}")
    return [bool(re.fullmatch("gen-[a-z0-9]{5}", name)), s.canon(made)]


@case
def create_namespaces(s):
    return [s.ask("POST", LEASES, lease("n", {"namespace": "other"})),
            s.ask("POST", LEASES, lease("same", {"namespace": "cmp"})),
            s.ask("POST", LEASES.replace("cmp", "missing"), lease("a"), message=True),
            s.ask("POST", LEASES.replace("cmp", "missing"), lease("Bad_Name")),
            s.ask("POST", GROUP + "/leases", lease("a"))]


@case
def create_with_server_fields(s):
    return [s.ask("POST", LEASES, lease("f1", {"resourceVersion": "5"})),
            s.ask("POST", LEASES, lease("f2", {"uid": "mine", "selfLink": "x", "generation": 5,
                                               "creationTimestamp": "2020-01-01T00:00:00Z",
                                               "deletionTimestamp": "2020-01-01T00:00:00Z"})),
            s.ask("POST", LEASES, lease("f3", {"creationTimestamp": None, "labels": None, "annotations": {"a": None}})),
            s.ask("POST", LEASES, lease("f4", {"creationTimestamp": "yesterday"})),
            s.ask("POST", LEASES, lease("a", {"resourceVersion": "5"}))]


@case
def create_bodies(s):
    bodies = ['{"apiVersion":', "", "[]", "{}", "x", "null", '"a"', '{"metadata":{"name":"tail"}} trailing',
              '{"metadata":[]}', '{"metadata":{"name":"x"},"spec":[]}', '{"metadata":{"name":"b","labels":{"a":1}}}']
    return [s.ask("POST", LEASES, b) for b in bodies]


@case
def create_untyped(s):
    return s.ask("POST", LEASES, {"metadata": {"name": "untyped"}})


@case
def create_wrong_types(s):
    return [s.ask("POST", LEASES, {"apiVersion": v, "kind": k, "metadata": {"name": "w"}})
            for v, k in [("v1", "Pod"), ("coordination.k8s.io/v2", "Lease"), ("coordination.k8s.io/v1", "Foo")]]


@case
def create_unknown_fields(s):
    body = {"metadata": {"name": "unknown", "foo": 1}, "spec": {"foo": 1}, "bar": 2, "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease"}
    return [s.ask("POST", LEASES, body), s.ask("POST", LEASES + "?fieldValidation=Strict", dict(body, metadata={"name": "u2"})),
            s.ask("POST", LEASES + "?fieldValidation=Strict", '{"metadata":{"name":"u3","name":"u4"}}'),
            s.ask("POST", LEASES + "?fieldValidation=Foo", lease("u5")),
            s.ask("POST", LEASES + "?fieldValidation=Strict", lease("u6", strategy="x"))]


@case
def create_repeated_field(s):
    return s.ask("POST", LEASES, '{"metadata":{"name":"twice"},"spec":{"leaseTransitions":1,"leaseTransitions":2}}')


@case
def create_labels(s):
    bad = [{"a": "b c"}, {"a!": "b"}, {"a": "-b"}, {"x" * 64: "b"}, {"a": "x" * 64}, {"/a": "b"}, {"A.b/c": "d"}, {"": "x"}]
    return [s.ask("POST", LEASES, lease("l", {"labels": b})) for b in bad]


@case
def create_annotations(s):
    return [s.ask("POST", LEASES, lease("an", {"annotations": {"A b": "x"}})),
            s.ask("POST", LEASES, lease("an", {"annotations": {"k": "x" * 300000}})),
            s.ask("POST", LEASES, lease("an", {"annotations": {"Ex.com/K": "<>&\u2028\u00e4\"\\"}, "labels": {"z": "1", "a": ""}}))]


@case
def create_owners(s):
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    return [s.ask("POST", LEASES, lease("o", {"ownerReferences": [{"kind": "Pod", "name": "p"}]})),
            s.ask("POST", LEASES, lease("o", {"ownerReferences": [owner | {"controller": True}]}))]


@case
def create_media_types(s):
    return [s.ask("POST", LEASES, lease("m"), headers={"Content-Type": t})
            for t in ["text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded"]]


@case
def create_dry_run(s):
    return [s.ask("POST", LEASES + "?dryRun=All", lease("dry")), s.ask("GET", LEASES + "/dry"),
            s.ask("POST", LEASES + "?dryRun=Some", lease("dry"))]


@case
def create_too_large(s):
    return s.ask("POST", LEASES, "x" * (3 * 1024 * 1024 + 10))


# -- get --


@case
def get(s):
    return [s.ask("GET", LEASES + "/a"), s.ask("GET", LEASES + "/nope", message=True), s.ask("GET", LEASES + "/L%20x"),
            s.ask("GET", LEASES + "/a?resourceVersion=0"), s.ask("GET", LEASES + "/a?resourceVersion=abc")]


@case
def get_too_new(s):
    return s.ask("GET", LEASES + "/a?resourceVersion=99999999")


@case
def get_forms(s):
    return [s.ask("GET", LEASES + "/a", headers={"Accept": a})
            for a in ["*/*", "application/json", "text/html", "text/html,application/json;q=0.5", TABLE, METADATA, "application/*",
                      "APPLICATION/JSON", "application/json ; charset=utf-8"]]


@case
def get_table_include(s):
    return [s.ask("GET", f"{LEASES}/a?includeObject={i}", headers={"Accept": TABLE}) for i in ["None", "Object", "Metadata"]]


@case
def paths(s):
    return [s.ask("GET", p) for p in [
        GROUP + "/foos", GROUP + "/leases/a", LEASES + "/a/status", LEASES + "/a/foo", LEASES + "//a", "/nope",
        "/apis/nope.io/v1", "/apis/nope.io/v1/foos", "/apis/coordination.k8s.io/v9", "/api/v2", "/api/v1/foos",
        GROUP + "/namespaces/cmp", GROUP + "/namespaces/", NAMESPACES + "/cmp/foo", "/readyz", "/livez", "/healthz",
        "/api/v1/namespaces/cmp/namespaces"]]


@case
def trailing_slash(s):
    return s.ask("GET", LEASES + "/")["status"]


@case
def methods(s):
    return [s.ask(m, p, b) for m, p, b in [
        ("PUT", LEASES, lease("x")), ("POST", LEASES + "/a", lease("a")), ("PATCH", LEASES, "{}"), ("OPTIONS", LEASES + "/a", None),
        ("FOO", LEASES + "/a", None), ("DELETE", NAMESPACES, None), ("DELETE", GROUP + "/leases", None)]]


@case
def head(s):
    return s.send("HEAD", LEASES + "/a")[0].status


# -- discovery --


@case
def discovery(s):
    resources = s.raw("GET", GROUP)
    for r in resources["resources"]:
        r.pop("storageVersionHash", None)
    resources["resources"] = [r for r in resources["resources"] if r["name"] == "leases"]
    core = s.raw("GET", "/api/v1")
    groups = s.raw("GET", "/apis")
    return [resources, s.raw("GET", "/apis/coordination.k8s.io"), s.raw("GET", "/api")["versions"],
            [dict(r, storageVersionHash="") for r in core["resources"] if r["name"] == "namespaces"],
            [g for g in groups["groups"] if g["name"] == "coordination.k8s.io"], s.raw("GET", "/version")["major"],
            s.raw("GET", "/version")["minor"]]


# -- update --


@case
def update(s):
    a = s.raw("GET", LEASES + "/a")
    a["spec"]["holderIdentity"] = "h2"
    return [s.ask("PUT", LEASES + "/a", a), s.ask("PUT", LEASES + "/a", a)]


@case
def update_without_change(s):
    a = s.raw("GET", LEASES + "/a")
    return [s.ask("PUT", LEASES + "/a", a), s.ask("GET", LEASES + "/a")]


@case
def update_version(s):
    a = s.raw("GET", LEASES + "/a")
    answers = []
    for version in [None, "", "0", "1", "999999", "abc", 5]:
        b = json.loads(json.dumps(a))
        b["spec"]["holderIdentity"] = "never"
        b["metadata"]["resourceVersion"] = version
        if version is None:
            del b["metadata"]["resourceVersion"]
        answers.append(s.ask("PUT", LEASES + "/a", b))
    return answers


@case
def update_identity(s):
    a = s.raw("GET", LEASES + "/a")
    answers = []
    for key, value in [("uid", "bad"), ("name", "zzz"), ("name", ""), ("namespace", "zzz"), ("namespace", "")]:
        b = json.loads(json.dumps(a))
        b["metadata"][key] = value
        answers.append(s.ask("PUT", LEASES + "/a", b))
    return answers


@case
def update_stale_and_wrong_uid(s):
    a = s.raw("GET", LEASES + "/a")
    a["metadata"].update(uid="bad", resourceVersion="1")
    return s.ask("PUT", LEASES + "/a", a)


@case
def update_invalid_and_stale(s):
    a = s.raw("GET", LEASES + "/a")
    a["spec"]["leaseDurationSeconds"] = 0
    first = s.ask("PUT", LEASES + "/a", a)
    a["metadata"]["resourceVersion"] = "1"
    return [first, s.ask("PUT", LEASES + "/a", a)]


@case
def update_server_fields(s):
    a = s.raw("GET", LEASES + "/a")
    a["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    del a["metadata"]["uid"]
    a["metadata"]["labels"] = {"x": "y"}
    return s.ask("PUT", LEASES + "/a", a)


@case
def update_creates(s):
    return [s.ask("PUT", LEASES + "/new", lease("new", holderIdentity="x")),
            s.ask("PUT", LEASES + "/new2", lease("new2", {"resourceVersion": "5"})),
            s.ask("PUT", LEASES + "/new3", lease("new3", {"resourceVersion": "5", "uid": "u"})),
            s.ask("PUT", LEASES + "/new4", lease("new4", {"uid": "u"})),
            s.ask("PUT", LEASES + "/new5", lease("new5", leaseDurationSeconds=0)),
            s.ask("PUT", LEASES.replace("cmp", "missing") + "/new6", lease("new6")),
            s.ask("PUT", LEASES + "/new7", lease("other"))]


@case
def update_after_delete(s):
    made = s.raw("POST", LEASES, lease("gone", holderIdentity="x"))
    s.send("DELETE", LEASES + "/gone")
    with_uid = s.ask("PUT", LEASES + "/gone", made)
    del made["metadata"]["uid"]
    return [with_uid, s.ask("PUT", LEASES + "/gone", made)]


@case
def update_release(s):
    a = s.raw("GET", LEASES + "/a")
    a["spec"].update(holderIdentity="", leaseDurationSeconds=1, renewTime=TIME)
    return s.ask("PUT", LEASES + "/a", a)


# -- patch --


def patch(s, body, kind=MERGE, name="a", query=""):
    return s.ask("PATCH", f"{LEASES}/{name}{query}", body, headers={"Content-Type": kind})


@case
def patch_merge(s):
    return [patch(s, b) for b in [
        {"spec": {"holderIdentity": "p1"}}, {"spec": {"holderIdentity": None}}, {"spec": {"leaseDurationSeconds": 0}},
        {"metadata": {"resourceVersion": "5"}}, {"metadata": {"uid": "5"}}, {"metadata": {"name": "5"}},
        {"metadata": {"namespace": "5"}}, {"spec": {"renewTime": "2026-01-02T03:04:05Z"}}, [1], "{", {"kind": "Pod"},
        {"spec": None}, {"spec": {"foo": 1}}, {}, {"metadata": {"labels": {"q": "r", "x": None}}}]]


@case
def patch_current_version(s):
    version = s.raw("GET", LEASES + "/a")["metadata"]["resourceVersion"]
    return [patch(s, {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": str(i)}}) for i in range(2)]


@case
def patch_media_types(s):
    return [patch(s, "{}", t) for t in ["application/json", "text/plain"]] + [patch(s, "{}", name="nope")]


@case
def patch_strategic(s):
    return [patch(s, b, STRATEGIC) for b in [
        {"metadata": {"labels": {"x": "y"}}}, {"metadata": {"finalizers": ["a.io/b"]}}, {"metadata": {"finalizers": ["a.io/c"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.io/c"], "labels": {"$patch": "replace", "q": "r"}}},
        {"spec": {"holderIdentity": "s"}}]]


@case
def patch_json(s):
    path = "/spec/holderIdentity"
    return [patch(s, b, JSON_PATCH) for b in [
        [{"op": "replace", "path": path, "value": "jp"}], [{"op": "add", "path": path, "value": "jp"}],
        [{"op": "test", "path": path, "value": "zz"}], [{"op": "test", "path": path, "value": "jp"}],
        [{"op": "remove", "path": "/metadata/finalizers/0"}], [{"op": "remove", "path": "/metadata/nope"}],
        [{"op": "replace", "path": "/metadata/labels/q", "value": "1"}, {"op": "add", "path": "/metadata/labels/n~1m", "value": "2"}],
        [{"op": "copy", "from": "/metadata/labels/q", "path": "/metadata/labels/c"}],
        [{"op": "move", "from": "/metadata/labels/c", "path": "/metadata/labels/d"}], {},
        [{"op": "foo", "path": "/metadata/nope"}]]]


@case
def patch_dry_run(s):
    return [patch(s, {"spec": {"holderIdentity": "dry"}}, query="?dryRun=All"), s.ask("GET", LEASES + "/a")]


# -- delete --


@case
def delete(s):
    return [s.ask("DELETE", LEASES + "/nope"), s.ask("DELETE", LEASES + "/new"), s.ask("DELETE", LEASES + "/new")]


@case
def delete_preconditions(s):
    answers = []
    for condition in [{"uid": "nope"}, {"resourceVersion": "1"}]:
        answer = s.ask("DELETE", LEASES + "/new2", {"preconditions": condition})
        answer["body"]["details"].pop("kind")  # the resource in some versions, the kind in others
        answers.append(answer)
    now = s.raw("GET", LEASES + "/new2")["metadata"]
    answers.append(s.ask("DELETE", LEASES + "/new2", {"preconditions": {"uid": now["uid"], "resourceVersion": now["resourceVersion"]}}))
    return answers


@case
def delete_options(s):
    s.send("POST", LEASES, lease("d"))
    return [s.ask("DELETE", LEASES + "/d?propagationPolicy=Foo"), s.ask("DELETE", LEASES + "/d", {"propagationPolicy": "Foo"}),
            s.ask("DELETE", LEASES + "/d", "{"), s.ask("DELETE", LEASES + "/d?dryRun=All"),
            s.ask("DELETE", LEASES + "/d", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})]


@case
def delete_with_finalizer(s):
    return [s.ask("POST", LEASES, lease("fin", {"finalizers": ["x.io/y"]})), s.ask("DELETE", LEASES + "/fin"),
            s.ask("DELETE", LEASES + "/fin")["status"], s.ask("GET", LEASES + "/fin"),
            s.ask("POST", LEASES, lease("fin"))["status"],
            patch(s, {"metadata": {"finalizers": None}}, name="fin")["status"], s.ask("GET", LEASES + "/fin")["status"]]


@case
def delete_collection(s):
    for i in range(3):
        s.send("POST", LEASES, lease(f"dc{i}", {"labels": {"dc": str(i % 2)}}))
    return [s.ask("DELETE", LEASES + "?labelSelector=dc%3D0"), s.ask("GET", LEASES + "?labelSelector=dc"),
            s.ask("DELETE", LEASES + "?fieldSelector=metadata.name%3Ddc1"), s.ask("DELETE", LEASES + "?labelSelector=dc")]


# -- list --


def names(s, query, path=LEASES, **kwargs):
    response, text = s.send("GET", f"{path}?{query}", **kwargs)
    body = json.loads(text)
    if "items" not in body:
        return {"status": response.status, "body": s.canon(body)}
    meta = body["metadata"]
    newest = max([int(i["metadata"]["resourceVersion"]) for i in body["items"]], default=0)
    return [response.status, [i["metadata"]["name"] for i in body["items"]], "continue" in meta, meta.get("remainingItemCount"),
            newest <= int(meta["resourceVersion"])]


def fill(s):
    s.send("DELETE", LEASES)
    for i in range(6):
        s.send("POST", LEASES, lease(f"l{i}", {"labels": {"n": str(i), "app": "x" if i % 2 else "y"}}))


@case
def list_all(s):
    fill(s)
    return [s.ask("GET", LEASES), names(s, ""), names(s, "", LEASES.replace("cmp", "missing"))]


@case
def list_pages(s):
    answers = []
    query = "limit=2"
    for _ in range(4):
        answers.append(names(s, query))
        token = s.raw("GET", f"{LEASES}?{query}")["metadata"].get("continue")
        if token is None:
            break
        query = "limit=2&continue=" + urllib.parse.quote(token)
    return answers


@case
def list_pages_are_one_state(s):
    """What changes between two pages is not seen by the second one."""
    first = s.raw("GET", LEASES + "?limit=2")
    s.send("DELETE", LEASES + "/l4")
    s.send("POST", LEASES, lease("l35"))
    patch(s, {"spec": {"holderIdentity": "later"}}, name="l5")
    token = urllib.parse.quote(first["metadata"]["continue"])
    second = s.raw("GET", f"{LEASES}?continue={token}")
    same = first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    fill(s)
    return [same, [i["metadata"]["name"] for i in second["items"]], [i["spec"] for i in second["items"]]]


@case
def list_bad_pages(s):
    token = urllib.parse.quote(s.raw("GET", LEASES + "?limit=2")["metadata"]["continue"])
    return [names(s, q) for q in [f"continue={token}&resourceVersion=5", "continue=garbage", "limit=x", "limit=-1", "limit=0",
                                  f"continue={token}&resourceVersionMatch=Exact"]]


@case
def list_labels(s):
    selectors = ["app=x", "app==x", "app!=x", "app", "!app", "app in (x,y)", "app notin (x)", "n>2", "n<2", "n in (1", "=", "a=b=c",
                 "app in ()", "app=x,n=1", "app in (x, y),n", "!app,", "x y", "", "app=", "app in (x,,y)", "n>x", "a b=c", "-a=b", "a=-b",
                 " app = x ", "app=x,", ",", "!", "app in x", "n gt 2", "app notin (x,y),n", "in=x", "notin", "app in (x)y"]
    return [names(s, "labelSelector=" + urllib.parse.quote(t)) for t in selectors]


@case
def list_fields(s):
    selectors = ["metadata.name=l1", "metadata.name!=l1", "metadata.namespace=cmp", "metadata.namespace=x", "spec.foo=1",
                 "metadata.name", "metadata.name==l1,metadata.namespace=cmp", "", "metadata.name in (l1)", "metadata.name=",
                 "metadata.name=l1,metadata.name=l2", "metadata.name=l\\=1", "metadata.name=a\\b", "metadata.name=l1,", ",", "=x",
                 "metadata.name=l1=x", "metadata.name!=l1,metadata.name!=l2"]
    return [names(s, "fieldSelector=" + urllib.parse.quote(t)) for t in selectors]


@case
def list_fields_everywhere(s):
    return names(s, "fieldSelector=metadata.namespace%3Dcmp&limit=1", GROUP + "/leases")


@case
def list_versions(s):
    version = s.raw("GET", LEASES + "/l2")["metadata"]["resourceVersion"]
    return [names(s, q) for q in [
        "resourceVersion=0&limit=2", "resourceVersion=1", "resourceVersion=abc", f"resourceVersion={version}&resourceVersionMatch=Exact",
        f"resourceVersion={version}&limit=2", "resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch=Exact",
        "resourceVersion=1&resourceVersionMatch=Foo", "resourceVersion=1&resourceVersionMatch=NotOlderThan&limit=1",
        "resourceVersion=0&resourceVersionMatch=NotOlderThan", "sendInitialEvents=true", "timeoutSeconds=x", "resourceVersion="]]


@case
def list_too_new(s):
    return names(s, "resourceVersion=99999999")


@case
def list_forms(s):
    return [s.ask("GET", LEASES + "?limit=2", headers={"Accept": a}) for a in [TABLE, METADATA_LIST, "text/html"]]


# -- watch --


def changes():
    """A lease that comes into a selector, leaves it, comes again, changes, goes."""
    def do(method, path, body=None, kind=MERGE):
        return lambda s: s.send(method, LEASES + path, body, headers={"Content-Type": kind} if method == "PATCH" else None)
    return [do("POST", "", lease("w1", {"labels": {"app": "w"}}, holderIdentity="x")),
            do("PATCH", "/w1", {"metadata": {"labels": {"app": "v"}}}), do("PATCH", "/w1", {"metadata": {"labels": {"app": "w"}}}),
            do("PATCH", "/w1", {"spec": {"holderIdentity": "y"}}), do("PATCH", "/w1", {}), do("DELETE", "/w1")]


@case
def watch_from_nothing(s):
    return s.watch("", actions=changes())


@case
def watch_from_version(s):
    version = s.version()
    for action in changes():
        action(s)
    return [s.watch(f"resourceVersion={version}"), s.watch(f"resourceVersion={version}", actions=changes())]


@case
def watch_labels(s):
    return s.watch(f"labelSelector=app%3Dw&resourceVersion={s.version()}", actions=changes())


@case
def watch_fields(s):
    return [s.watch(f"fieldSelector=metadata.name%3D{n}&resourceVersion={s.version()}", actions=changes()) for n in ["w1", "other"]]


@case
def watch_everywhere(s):
    """The real server renews a lease of its own meanwhile, with a version in between."""
    result = s.watch(f"resourceVersion={s.version()}", GROUP + "/leases", actions=changes())
    mine = [e for e in result["events"] if e["object"]["metadata"]["namespace"] == "cmp"]
    for event in mine:
        event["object"]["metadata"].pop("resourceVersion")
    return dict(result, events=mine)


@case
def watch_too_new(s):
    return s.watch("resourceVersion=99999999", actions=changes())


@case
def watch_bad_options(s):
    initial = "sendInitialEvents=true"
    return [s.watch(q) for q in [
        "resourceVersion=abc", initial, "sendInitialEvents=false&resourceVersion=1", initial + "&resourceVersionMatch=Exact&resourceVersion=1",
        "resourceVersionMatch=NotOlderThan&resourceVersion=1", "continue=x&resourceVersionMatch=NotOlderThan&" + initial,
        "labelSelector=%3D", "fieldSelector=foo%3Dbar"]]


@case
def watch_initial_events(s):
    options = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    answers = [s.watch(options, actions=changes()), s.watch(options + "&allowWatchBookmarks=true"),
               s.watch(options + "&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dnope"),
               s.watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan", actions=changes()),
               s.watch("allowWatchBookmarks=true"), s.watch("resourceVersion=0"), s.watch(options + "&limit=1")]
    for answer in answers:
        # A bookmark just before the end of so short a watch depends on the moment.
        answer["events"] = [e for e in answer["events"] if e["type"] != "BOOKMARK" or "annotations" in e["object"]["metadata"]]
    return answers


@case
def watch_initial_events_too_new(s):
    return s.watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=99999999")


@case
def watch_bookmark_before_the_end(s):
    """The real server sends one most of the time, not always, so only the order is compared."""
    version = s.version()
    s.send("POST", LEASES, lease("bm"))
    events = s.watch(f"allowWatchBookmarks=true&resourceVersion={version}", timeout=6)["events"]
    s.send("DELETE", LEASES + "/bm")
    return [events[0]["type"], {"BOOKMARK"} >= {e["type"] for e in events[1:]}]


@case
def watch_tables(s):
    return s.watch("", actions=changes(), headers={"Accept": TABLE})


@case
def watch_metadata(s):
    return s.watch("", actions=changes(), headers={"Accept": METADATA})


@case
def watch_one_by_path(s):
    response, text = s.send("GET", LEASES + "/l1?watch=true")
    return [response.status, json.loads(text)["kind"]]


# -- namespaces --


@case
def namespaces(s):
    return [s.ask("POST", NAMESPACES, {"metadata": {"name": n}}) for n in ["Bad", "a.b", "default", "x" * 64, ""]] + [
        s.ask("POST", NAMESPACES, {"metadata": {"name": "ns1", "namespace": "x", "labels": {"a": "b"}}}),
        s.ask("GET", NAMESPACES + "/ns1"), s.ask("GET", NAMESPACES + "/ns1/status"), s.ask("GET", NAMESPACES + "/nope"),
        s.ask("PUT", NAMESPACES + "/missing", {"metadata": {"name": "missing"}}),
        s.ask("PUT", NAMESPACES + "/ns1", {"metadata": {"name": "ns1"}}),
        s.ask("PATCH", NAMESPACES + "/ns1", {"status": {"phase": "Terminating"}, "metadata": {"labels": {"x": "y"}}},
              headers={"Content-Type": MERGE}),
        s.ask("PATCH", NAMESPACES + "/ns1", {"metadata": {"labels": {"kubernetes.io/metadata.name": None}}}, headers={"Content-Type": MERGE}),
        s.ask("GET", NAMESPACES + "/ns1", headers={"Accept": TABLE})]


@case
def namespaces_that_stay(s):
    return [s.ask("DELETE", f"{NAMESPACES}/{n}", message=True) for n in ["default", "kube-system", "kube-public", "nope"]]


@case
def namespace_that_goes(s):
    """The real server has no namespace controller here, so only what the API does itself is compared."""
    s.send("POST", NAMESPACES, {"metadata": {"name": "ns2"}})
    leases = LEASES.replace("cmp", "ns2")
    s.send("POST", leases, lease("stay", {"finalizers": ["x.io/y"]}))
    return [s.ask("DELETE", NAMESPACES + "/ns2"), s.ask("POST", leases, lease("late")), s.ask("GET", NAMESPACES + "/ns2")]


# -- who may --


@case
def credentials(s):
    return [s.ask("GET", LEASES, user=None, message=True), s.ask("GET", "/version", user=None)["status"],
            s.ask("GET", "/readyz", user=None), s.ask("GET", "/apis", user=None, message=True),
            s.ask("GET", "/foo", user=None, message=True), s.ask("GET", LEASES, user=None, headers={"Authorization": "Bearer xx"}, message=True),
            s.ask("GET", "/readyz", user=None, headers={"Authorization": "Bearer xx"}),
            s.ask("GET", LEASES, user=None, headers={"Authorization": "Basic xx"}, message=True),
            s.ask("GET", LEASES, user=None, headers={"Authorization": "Bearer "})["status"]]


@case
def forbidden(s):
    patch_type = {"Content-Type": MERGE}
    asks = [("GET", LEASES, None), ("GET", LEASES + "/l1", None), ("POST", LEASES, lease("x")), ("PUT", LEASES + "/x", lease("x")),
            ("PATCH", LEASES + "/x", {}), ("DELETE", LEASES + "/x", None), ("DELETE", LEASES, None), ("GET", LEASES + "?watch=1", None),
            ("GET", LEASES + "?watch=1&fieldSelector=metadata.name%3Dq", None), ("GET", GROUP + "/leases", None),
            ("GET", NAMESPACES, None), ("GET", NAMESPACES + "/cmp", None), ("PUT", NAMESPACES + "/cmp/status", {}), ("GET", "/foo", None),
            ("GET", LEASES + "/l1/status", None), ("GET", "/apis/nope.io/v1/foos", None), ("GET", GROUP + "/foos", None)]
    return [s.ask(m, p, b, user="nobody", message=True, headers=patch_type if m == "PATCH" else None) for m, p, b in asks]


@case
def impersonation(s):
    return [s.ask("GET", LEASES + "/l1", headers={"Impersonate-User": "bob"}, message=True),
            s.ask("GET", LEASES + "/l1", user="nobody", headers={"Impersonate-User": "bob"}, message=True),
            s.ask("GET", LEASES + "/l1", headers={"Impersonate-User": "bob", "Impersonate-Group": "system:masters"})["status"]]


def role(name, *rules):
    return {"metadata": {"name": name}, "rules": [{"apiGroups": [g], "resources": [r], "verbs": v} | ({"resourceNames": n} if n else {})
                                                  for g, r, v, n in rules]}


def binding(name, kind, *subjects):
    return {"metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [{"kind": k, "name": n, "apiGroup": "rbac.authorization.k8s.io"} for k, n in subjects]}


@case
def rbac(s):
    """The minimal Role of leader election: named verbs, create without names, a watch by field selector."""
    group = "coordination.k8s.io"
    in_namespace = RBAC + "/namespaces/cmp"
    made = [s.send("POST", in_namespace + "/roles", role("le", (group, "leases", ["get", "update", "watch"], ["mine"]),
                                                        (group, "leases", ["create"], None)))[0].status,
            s.send("POST", in_namespace + "/rolebindings", binding("le", "Role", ("User", "baton-a")))[0].status]
    select = "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3D"
    # The real server reads roles from a cache.
    deadline = time.monotonic() + 10
    while s.send("GET", LEASES + "/mine", user="baton-a")[0].status == 403 and time.monotonic() < deadline:
        time.sleep(0.05)
    asks = [("GET", LEASES + "/mine", None), ("POST", LEASES, lease("mine")), ("GET", LEASES + "/mine", None), ("GET", LEASES + "/l1", None),
            ("GET", LEASES, None), ("GET", LEASES + select + "mine&resourceVersion=0", None), ("GET", LEASES + select + "l1", None),
            ("GET", LEASES + "?watch=1", None), ("GET", LEASES + "?fieldSelector=metadata.name%3Dmine", None),
            ("DELETE", LEASES + "/mine", None), ("GET", LEASES.replace("cmp", "default") + "/mine", None), ("PATCH", LEASES + "/mine", {})]
    answers = [s.send(m, p, b, user="baton-a")[0].status for m, p, b in asks]
    return [made, answers, [s.send(m, p, b, user="baton-b")[0].status for m, p, b in asks]]


@case
def rbac_cluster(s):
    made = [s.send("POST", RBAC + "/clusterroles", role("all", ("*", "*", ["list", "watch"], None)))[0].status,
            s.send("POST", RBAC + "/clusterrolebindings", binding("all", "ClusterRole", ("User", "baton-b")))[0].status]
    deadline = time.monotonic() + 10
    while s.send("GET", NAMESPACES, user="baton-b")[0].status == 403 and time.monotonic() < deadline:
        time.sleep(0.05)
    return [made] + [s.send("GET", p, user="baton-b")[0].status for p in [NAMESPACES, GROUP + "/leases", LEASES, LEASES + "/l1", "/foo"]]


# -- running --


def first_difference(a, b, where=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            if a.get(key) != b.get(key):
                return first_difference(a.get(key), b.get(key), f"{where}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return first_difference(x, y, f"{where}[{i}]")
    if isinstance(a, list) and isinstance(b, list):
        return where + " (only in one)", [x for x in a if x not in b], [x for x in b if x not in a]
    return where, a, b


def run_case(function, servers):
    results = {}

    def run(server):
        server.names = {}
        try:
            results[server.name] = function(server)
        except Exception as error:  # a case that fails on one server is a difference
            results[server.name] = f"{type(error).__name__}: {error}"
            server.connection.close()
            server.connection = server.connect()

    threads = [threading.Thread(target=run, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def all_cases(protoc):
    return CASES + (kubesim_protobuf_cases.CASES if protoc.folder is not None else [])


def start(folder, kubesim, apiserver, protoc):
    servers = [Server("kubesim", [kubesim, "--rbac"], os.path.join(folder, "sim")),
               Server("apiserver", [apiserver], os.path.join(folder, "real"))]
    for server in servers:
        server.protoc = protoc
        server.send("POST", NAMESPACES, {"metadata": {"name": "cmp"}})
    return servers


def difference(results):
    """None if the two are the same."""
    if results["kubesim"] == results["apiserver"]:
        return None
    where, sim, real = first_difference(results["kubesim"], results["apiserver"])
    return f"at {where}\n    kubesim:   {json.dumps(sim)[:600]}\n    apiserver: {json.dumps(real)[:600]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kubesim", default=KUBESIM)
    parser.add_argument("--apiserver", default=APISERVER)
    parser.add_argument("-k", default="", help="only cases with this in their name")
    parser.add_argument("-v", action="store_true", help="print the results")
    options = parser.parse_args()
    if not os.path.exists(options.apiserver):
        print("skipped: there is no real server at", options.apiserver)
        return 77
    protoc = kubesim_protobuf_cases.Protoc()
    if protoc.folder is None:
        print("skipped: protobuf, since there is no protoc or no module cache of Go with k8s.io/api")
    chosen = [function for function in all_cases(protoc) if options.k in function.__name__]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        servers = start(folder, options.kubesim, options.apiserver, protoc)
        for function in chosen:
            results = run_case(function, servers)
            found = difference(results)
            failed += found is not None
            print("ok  " if found is None else "FAIL", function.__name__, flush=True)
            if options.v:
                print(json.dumps(results["kubesim"], indent=1))
            if found is not None:
                print("  " + found)
        for server in servers:
            server.stop()
    print(f"{failed} of {len(chosen)} cases differ" if failed else f"all {len(chosen)} cases agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
