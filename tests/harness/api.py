"""API servers to run against, and a small client for what the tests do to them."""
import base64
import http.client
import json
import os
import re
import ssl
import threading
import time

import yaml

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

    def __len__(self):
        with self.changed:
            return len(self.events)

    def close(self):
        if self.connection.sock is not None:
            self.connection.sock.close()
        self.connection.close()


class ApiServer:
    """kubesim or the real kube-apiserver in a folder of its own."""

    def __init__(self, kind, folder, host="127.0.0.1", port=0, arguments=()):
        os.makedirs(folder, exist_ok=True)
        self.kind, self.folder, self.host = kind, folder, host
        if kind == "kubesim":
            listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            command = [KUBESIM, "--listen", listen, "--dir", folder]
            for user in ("baton-a", "baton-b", "nobody"):
                command += ["--user", user]
        else:
            command = [os.path.join(PEERS, "apiserver"), "--dir", folder, "--host", host, "--port", str(port), "--outlive-parent"]
        self.process = Process(command + list(arguments), kind)
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

    def wait_call(self, accept, timeout, start=0):
        def decode(text):
            call = json.loads(text) if text.startswith("{") else None
            return call if call and accept(call) else None
        return self.process.out.wait(decode, timeout, start)

    def stop(self):
        self.process.stop()
