"""API servers to run against, and a small client for what the tests do to them."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
import urllib.request

import yaml

from harness import jitter
from harness.processes import KUBESIM, PEERS, Process


class Api:
    """Requests with the credentials of a kubeconfig (token or client certificate, CA inline or by path)."""

    def __init__(self, kubeconfig):
        with open(kubeconfig) as f:
            config = yaml.safe_load(f)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = cluster["server"]
        match = re.match(r"https?://(\[[^]]+\]|[^:/]+):(\d+)", self.server)
        self.host, self.port = match.group(1).strip("[]"), int(match.group(2))
        self.headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"
        self.context = None
        if self.server.startswith("https"):
            self.context = ssl.create_default_context()
            if "certificate-authority-data" in cluster:
                self.context.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
            else:
                self.context.load_verify_locations(cafile=cluster["certificate-authority"])

    def connect(self, timeout=10):
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.context)

    def request(self, method, path, body=None, content_type=None, timeout=10):
        """(status, decoded body or text)"""
        jitter.nap()
        connection = self.connect(timeout)
        headers = dict(self.headers)
        if content_type:
            headers["Content-Type"] = content_type
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    @staticmethod
    def lease_path(name=None, namespace="default"):
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        return f"{path}/{name}" if name else path

    def lease(self, name, namespace="default"):
        """The Lease, or None."""
        status, body = self.request("GET", self.lease_path(name, namespace))
        if status == 404:
            return None
        assert status == 200, (status, body)
        return body

    def lease_specs(self, namespace="default"):
        """Of all Leases, by name, as of one moment."""
        status, body = self.request("GET", self.lease_path(namespace=namespace))
        assert status == 200, (status, body)
        return {lease["metadata"]["name"]: lease["spec"] for lease in body["items"]}

    def holder(self, name, namespace="default"):
        lease = self.lease(name, namespace)
        return lease["spec"].get("holderIdentity", "") if lease else None

    def edit_lease(self, name, change, namespace="default"):
        """Reads, applies change(lease) and writes, again on conflict; returns the stored object."""
        while True:
            lease = self.lease(name, namespace)
            change(lease)
            status, body = self.request("PUT", self.lease_path(name, namespace), lease)
            if status != 409:
                assert status == 200, (status, body)
                return body

    def delete_lease(self, name, namespace="default"):
        return self.request("DELETE", self.lease_path(name, namespace))

    def create(self, path, body):
        """Creates an object in the collection at `path`."""
        status, answer = self.request("POST", path, body)
        assert status == 201, (status, answer)
        return answer

    def create_lease(self, name, namespace="default", spec=None, **metadata):
        return self.create(self.lease_path(namespace=namespace), {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, **metadata}, "spec": spec or {}})

    def create_namespace(self, name):
        return self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def create_role(self, role, *users):
        """Creates the Role, and a RoleBinding that gives it to these users."""
        name, namespace = role["metadata"]["name"], role["metadata"]["namespace"]
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        self.create(f"{path}/roles", role)
        return self.create(f"{path}/rolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name, "namespace": namespace},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user} for user in users],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}})

    # -- kubesim's switches --

    def sim(self, method, what, body=None):
        status, answer = self.request(method, f"/_sim/{what}", body)
        assert status in (200, 201), (status, answer)
        return answer

    def fault(self, verb=None, **effect):
        """Requests for Leases go wrong (kubesim/fault.c); returns the number that removes the rule."""
        match = {"resource": "leases", **({"verb": verb} if verb else {})}
        return self.sim("POST", "faults", {"match": match, **effect})["id"]

    def counts(self, user):
        """{verb: number of requests for Leases} since the last reset."""
        counters = self.sim("GET", "requests?last=0")["counters"]
        return {c["verb"]: c["count"] for c in counters if c["user"] == user and c["resource"] == "leases"}

    def watch_lease(self, name, namespace="default"):
        return LeaseWatch(self, name, namespace)


class LeaseWatch:
    """All versions of one Lease from now on, as (time of arrival, event type, object)."""

    def __init__(self, api, name, namespace):
        self.connection = api.connect(timeout=3600)
        path = f"{api.lease_path(namespace=namespace)}?watch=true&fieldSelector=metadata.name%3D{name}&timeoutSeconds=3600"
        self.connection.request("GET", path, headers=api.headers)
        self.events = []
        self.changed = threading.Condition()
        self.socket = self.connection.sock
        self.thread = threading.Thread(target=self._read, args=(self.connection.getresponse(),), daemon=True)
        self.thread.start()

    def _read(self, answer):
        try:
            for line in answer:
                when = time.time()
                event = json.loads(line)
                with self.changed:
                    self.events.append((when, event["type"], event["object"]))
                    self.changed.notify_all()
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def wait_holder(self, accept, timeout, start=0):
        """(time, object) of the first version from index `start` on whose holder satisfies accept(holder); None after the timeout."""
        end = time.monotonic() + timeout
        index = start
        with self.changed:
            while True:
                while index < len(self.events):
                    when, _, lease = self.events[index]
                    index += 1
                    if accept(lease.get("spec", {}).get("holderIdentity", "")):
                        return when, lease
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)

    def wait_more(self, count, timeout=20):
        """Until so many versions more than now have come: renewals, while nothing else happens."""
        end = time.monotonic() + timeout
        with self.changed:
            wanted = len(self.events) + count
            while len(self.events) < wanted:
                left = end - time.monotonic()
                assert left > 0, f"the Lease was not written {count} times in {timeout} s"
                self.changed.wait(left)

    def __len__(self):
        with self.changed:
            return len(self.events)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread; the file objects around it would wait for each other
        except OSError:
            pass
        self.thread.join(2)
        self.connection.close()


class ApiServer:
    """kubesim or the real kube-apiserver in a folder of its own."""

    def __init__(self, kind, folder, host="127.0.0.1", port=0, arguments=()):
        os.makedirs(folder, exist_ok=True)
        self.kind, self.folder, self.host, self.arguments = kind, folder, host, list(arguments)
        self.start(port)

    def start(self, port):
        kind, folder, host = self.kind, self.folder, self.host
        if kind == "kubesim":
            listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            command = [KUBESIM, "--listen", listen, "--dir", folder]
            for user in ("baton-a", "baton-b", "nobody"):
                command += ["--user", user]
        else:
            command = [os.path.join(PEERS, "apiserver"), "--dir", folder, "--host", host, "--port", str(port), "--outlive-parent"]
        self.process = Process(command + self.arguments, kind)
        ready = self.process.out.wait(lambda text: text if text.startswith("ready ") else None, 60)
        if ready is None:
            self.process.stop()
            raise RuntimeError(f"{kind} did not start: {self.process.err.texts()[-5:]}")
        _, self.kubeconfig, self.url = ready[1].split(" ", 2)
        self.api = Api(self.kubeconfig)

    def kubeconfig_of(self, user):
        return os.path.join(self.folder, f"{user}.kubeconfig")

    def stop(self):
        self.process.stop()

    def restart(self):
        """On the same folder and port; kubesim forgets its objects."""
        self.stop()
        self.start(self.api.port)

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def mend(self):
        """Undoes whatever a test did to it."""
        if not self.process.alive():
            self.start(self.api.port)
        self.thaw()
        if self.kind == "kubesim":
            self.api.sim("POST", "unfreeze")
            self.api.sim("DELETE", "faults")


class Sink:
    """The OTLP sink in Go, one for each replica: its lines are decoded, in order of arrival."""

    def __init__(self, name, arguments=("--summary",), listen="127.0.0.1:0"):
        self.name = name
        self.process = Process([os.path.join(PEERS, "otlpsink"), "--listen", listen, "--name", name, "--outlive-parent", *arguments],
                               f"sink {name}")
        found = self.process.out.wait(lambda text: text if text.startswith("listening ") else None, 20)
        if found is None:
            raise RuntimeError(f"otlpsink did not start: {self.process.err.texts()[-5:]}")
        self.endpoint = found[1].split(" ", 1)[1]

    def calls(self, start=0):
        return [json.loads(text) for text in self.process.out.texts(start) if text.startswith("{")]

    def control(self, path, body=None):
        """Of one with a control port."""
        found = self.process.out.wait(lambda text: text if text.startswith("control ") else None, 10)
        request = urllib.request.Request(f"http://{found[1].split(' ', 1)[1]}/{path}", data=json.dumps(body or {}).encode(), method="POST")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()

    def wait_call(self, accept, timeout, start=0):
        def decode(text):
            call = json.loads(text) if text.startswith("{") else None
            return call if call and accept(call) else None
        return self.process.out.wait(decode, timeout, start)

    def stop(self):
        self.process.stop()
