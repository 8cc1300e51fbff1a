#!/usr/bin/python3
"""kubesim as a program: what only shows on real connections. Faults as clients see them, many watches, clients that leave, start and
stop, and kubectl.

Usage: kubesim_http.py [--kubesim PROGRAM] [unittest arguments]
"""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
PROGRAM = os.path.join(os.environ.get("BATON_BUILD", os.path.join(ROOT, "build", "release")), "kubesim", "kubesim")
PATIENCE = 20  # seconds that anything may take on a busy machine


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("not in time: " + what)


class Sim:
    def __init__(self, *arguments, folder=None, stdin=subprocess.PIPE):
        self.folder = folder or tempfile.mkdtemp(prefix="kubesim-test-")
        self.process = subprocess.Popen([PROGRAM, "--dir", self.folder, "--exit-on-stdin-eof", *arguments], stdin=stdin,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        if len(line) != 3:
            raise AssertionError(self.process.stderr.read())
        self.kubeconfig, self.url = line[1], line[2]
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port, self.plain = parts.hostname, parts.port, parts.scheme == "http"
        self.tls = None if self.plain else ssl.create_default_context(cafile=os.path.join(self.folder, "ca.crt"))

    def token(self, user="admin"):
        with open(os.path.join(self.folder, user + ".token"), encoding="utf-8") as file:
            return file.read()

    def connect(self):
        if self.plain:
            return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=PATIENCE)

    def send(self, connection, method, path, body=None, user="admin"):
        headers = {"User-Agent": "test", "Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        if not self.plain:
            headers["Authorization"] = "Bearer " + self.token(user)
        connection.request(method, path, body if body is None or isinstance(body, str) else json.dumps(body), headers)
        return connection

    def ask(self, method, path, body=None, user="admin"):
        connection = self.send(self.connect(), method, path, body, user)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    def watch(self, query="", user="admin"):
        """The answer to a watch as soon as its head is there."""
        connection = self.send(self.connect(), "GET", f"{LEASES}?watch=1&{query}", user=user)
        response = connection.getresponse()
        response.connection = connection
        return response

    def open_watches(self):
        return self.ask("GET", "/_sim/requests?last=0")[1]["open_watches"]

    def stop(self):
        if self.process.stdin is not None:
            self.process.stdin.close()
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


def lease(name, **spec):
    return {"metadata": {"name": name}, "spec": spec}


def event(response):
    return json.loads(response.readline())


class Faults(unittest.TestCase):
    def setUp(self):
        self.sim = Sim()

    def tearDown(self):
        self.assertEqual(self.sim.stop(), 0)

    def fault(self, **fault):
        status, answer = self.sim.ask("POST", "/_sim/faults", fault)
        self.assertEqual(status, 201, answer)

    def test_status_with_retry_after(self):
        self.fault(match={"verb": "create"}, status=429, retry_after=3, times=1)
        connection = self.sim.send(self.sim.connect(), "POST", LEASES, lease("a"))
        response = connection.getresponse()
        self.assertEqual((response.status, response.getheader("Retry-After")), (429, "3"))
        self.assertEqual(json.loads(response.read())["reason"], "TooManyRequests")
        # The connection lives on.
        self.sim.send(connection, "POST", LEASES, lease("a"))
        self.assertEqual(connection.getresponse().status, 201)
        connection.close()

    def test_cut_before_and_after(self):
        for point, done in (("before", False), ("after", True)):
            self.fault(match={"verb": "create"}, cut=point, times=1)
            connection = self.sim.send(self.sim.connect(), "POST", LEASES, lease(point))
            with self.assertRaises((http.client.RemoteDisconnected, ssl.SSLError, ConnectionError)):
                connection.getresponse()
            connection.close()
            self.assertEqual(self.sim.ask("GET", f"{LEASES}/{point}")[0] == 200, done)

    def test_cut_in_the_middle(self):
        self.fault(match={"verb": "list"}, cut="middle", times=1)
        connection = self.sim.send(self.sim.connect(), "GET", LEASES)
        response = connection.getresponse()
        with self.assertRaises((http.client.IncompleteRead, ssl.SSLError, ConnectionError)):
            response.read()
        connection.close()
        self.assertEqual(self.sim.ask("GET", LEASES)[0], 200)

    def test_delay(self):
        self.fault(match={"verb": "get"}, delay_ms=300, times=1)
        self.fault(match={"verb": "list"}, answer_delay_ms=300, times=1)
        for path, status in ((LEASES + "/a", 404), (LEASES, 200)):
            start = time.monotonic()
            self.assertEqual(self.sim.ask("GET", path)[0], status)
            self.assertGreaterEqual(time.monotonic() - start, 0.3)

    def test_hang_until_the_client_leaves(self):
        self.fault(match={"verb": "get"}, hang=True, times=1)
        connection = self.sim.send(self.sim.connect(), "GET", LEASES + "/a")
        connection.sock.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            connection.sock.recv(1)
        # Others are served meanwhile.
        self.assertEqual(self.sim.ask("GET", LEASES)[0], 200)
        connection.close()

    def test_freeze(self):
        watch = self.sim.watch()
        self.assertEqual(self.sim.ask("POST", "/_sim/freeze")[0], 200)
        connection = self.sim.send(self.sim.connect(), "POST", LEASES, lease("a"))
        connection.sock.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            connection.sock.recv(1)
        connection.sock.settimeout(PATIENCE)
        self.assertEqual(self.sim.ask("POST", "/_sim/unfreeze")[0], 200)
        self.assertEqual(connection.getresponse().status, 201)
        self.assertEqual(event(watch)["type"], "ADDED")
        connection.close()
        watch.connection.close()

    def test_drop_watches(self):
        self.sim.ask("POST", LEASES, lease("a"))
        for how in ("end", "error", "cut"):
            watch = self.sim.watch()
            self.assertEqual(event(watch)["object"]["metadata"]["name"], "a")
            self.assertEqual(self.sim.ask("POST", "/_sim/drop_watches", {"how": how})[1], {"dropped": 1})
            if how == "end":
                self.assertEqual(watch.read(), b"")
            elif how == "error":
                self.assertEqual(event(watch)["object"]["code"], 410)
                self.assertEqual(watch.read(), b"")
            else:
                with self.assertRaises((http.client.IncompleteRead, ssl.SSLError, ConnectionError)):
                    watch.read()
            watch.connection.close()

    def test_restart(self):
        self.sim.ask("POST", LEASES, lease("a"))
        watch = self.sim.watch()
        event(watch)
        idle = self.sim.connect()
        self.sim.send(idle, "GET", LEASES).getresponse().read()
        self.assertEqual(self.sim.ask("POST", "/_sim/restart", {"down_ms": 400})[0], 200)
        with self.assertRaises((http.client.IncompleteRead, ssl.SSLError, ConnectionError)):
            watch.read()
        self.assertEqual(idle.sock.recv(1), b"")
        start = time.monotonic()
        with self.assertRaises((http.client.RemoteDisconnected, ssl.SSLError, ConnectionError)):
            self.sim.ask("GET", LEASES)

        def is_back():
            try:
                return self.sim.ask("GET", LEASES + "/a")[0] == 200
            except (http.client.RemoteDisconnected, ssl.SSLError, ConnectionError):
                return False

        wait_for("the server comes back", is_back)
        self.assertGreater(time.monotonic() - start, 0.2)
        watch.connection.close()
        idle.close()

    def test_rollback(self):
        version = int(self.sim.ask("POST", LEASES, lease("a"))[1]["metadata"]["resourceVersion"])
        self.sim.ask("DELETE", LEASES + "/a")
        self.sim.ask("POST", LEASES, lease("b"))
        self.assertEqual(self.sim.ask("POST", "/_sim/rollback", {"resource_version": version})[0], 200)
        answer = self.sim.ask("GET", LEASES)[1]
        self.assertEqual([i["metadata"]["name"] for i in answer["items"]], ["a"])
        self.assertEqual(int(answer["metadata"]["resourceVersion"]), version)

    def test_revoked_token(self):
        self.assertEqual(self.sim.ask("GET", LEASES, user="baton-a")[0], 200)
        self.assertEqual(self.sim.ask("POST", "/_sim/users", {"name": "baton-a", "token": "other"})[0], 200)
        self.assertEqual(self.sim.ask("GET", LEASES, user="baton-a")[0], 401)


class Connections(unittest.TestCase):
    def setUp(self):
        self.sim = Sim()

    def tearDown(self):
        self.assertEqual(self.sim.stop(), 0)

    def test_watch_head_comes_before_any_event(self):
        start = time.monotonic()
        watch = self.sim.watch("resourceVersion=5")
        self.assertEqual(watch.status, 200)
        self.assertLess(time.monotonic() - start, PATIENCE / 2)
        self.sim.ask("POST", LEASES, lease("a"))
        self.assertEqual(event(watch)["type"], "ADDED")
        watch.connection.close()

    def test_a_client_that_leaves_is_noticed(self):
        watches = [self.sim.watch() for _ in range(5)]
        self.assertEqual(self.sim.open_watches(), 5)
        for watch in watches:
            watch.connection.close()
            watch.close()
        wait_for("watches of gone clients end", lambda: self.sim.open_watches() == 0)

    def test_two_hundred_and_fifty_watches(self):
        watches = [self.sim.watch("fieldSelector=metadata.name%3Da") for _ in range(250)]
        self.sim.ask("POST", LEASES, lease("a", leaseTransitions=0))
        for i in range(1, 20):
            self.assertEqual(self.sim.ask("PATCH", LEASES + "/a", {"spec": {"leaseTransitions": i}})[0], 200)
        for watch in watches:
            transitions = [event(watch)["object"]["spec"]["leaseTransitions"] for _ in range(20)]
            self.assertEqual(transitions, list(range(20)))
            watch.connection.close()
        self.assertEqual(self.sim.ask("GET", "/readyz"), (200, "ok"))

    def test_time_limit_ends_cleanly(self):
        watch = self.sim.watch("timeoutSeconds=1")
        self.assertEqual(watch.read(), b"")
        # The connection can be used again.
        self.sim.send(watch.connection, "GET", LEASES)
        self.assertEqual(watch.connection.getresponse().status, 200)
        watch.connection.close()

    def test_many_writers(self):
        """Optimistic locking: of all the writers that read the same version exactly one wins."""
        self.sim.ask("POST", LEASES, lease("a", leaseTransitions=0))
        wins = []

        def work(name):
            connection = self.sim.connect()
            for _ in range(50):
                self.sim.send(connection, "GET", LEASES + "/a")
                current = json.loads(connection.getresponse().read())
                current["spec"]["leaseTransitions"] += 1
                current["spec"]["holderIdentity"] = name
                self.sim.send(connection, "PUT", LEASES + "/a", current)
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    wins.append(name)
                else:
                    assert response.status == 409, response.status
            connection.close()

        threads = [threading.Thread(target=work, args=(str(i),)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.sim.ask("GET", LEASES + "/a")[1]["spec"]["leaseTransitions"], len(wins))

    def test_bodies_of_any_size(self):
        big = lease("big")
        big["metadata"]["annotations"] = {"a": "x" * 200000}
        self.assertEqual(self.sim.ask("POST", LEASES, big)[0], 201)
        self.assertEqual(self.sim.ask("GET", LEASES + "/big")[1]["metadata"]["annotations"], big["metadata"]["annotations"])
        self.assertEqual(self.sim.ask("POST", LEASES, "x" * (3 << 20))[0], 400)
        self.assertEqual(self.sim.ask("POST", LEASES, "x" * ((3 << 20) + 1))[0], 413)

    def test_raw_requests(self):
        cases = [
            (b"GET /readyz HTTP/1.0\r\n\r\n", b"200"),
            (b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"200"),
            (b"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"40"),
            (b"BREW /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b""),
            (b"nonsense\r\n\r\n", b""),
            (b"GET " + b"/x" * 100000 + b" HTTP/1.1\r\n\r\n", b""),
            (b"POST " + LEASES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", b""),
            (b"\x00" * 100, b""),
        ]
        for data, expected in cases:
            sock = self.sim.tls.wrap_socket(socket.create_connection((self.sim.host, self.sim.port), PATIENCE),
                                            server_hostname=self.sim.host)
            try:
                sock.sendall(data)
                sock.settimeout(0.5)
                answer = sock.recv(65536)
            except (TimeoutError, ssl.SSLError, ConnectionError):
                answer = b""
            sock.close()
            self.assertIn(expected, answer.split(b"\r\n")[0])
        plain = socket.create_connection((self.sim.host, self.sim.port), PATIENCE)
        plain.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        plain.close()
        self.assertEqual(self.sim.ask("GET", "/readyz"), (200, "ok"))


def default_points(sim):
    """How many points the default metrics of a cluster have, counted from its objects."""
    def items(path):
        return sim.ask("GET", path)[1]["items"]

    points = 0
    for pod in items("/api/v1/pods"):
        points += 1
        for container in pod["spec"]["containers"]:
            points += sum(name in container["resources"].get(part, {}) for part in ("limits", "requests")
                          for name in ("cpu", "memory", "storage", "ephemeral-storage"))
        points += 2 * len(pod["status"].get("containerStatuses", []))
    for path, each in (("/api/v1/namespaces", 1), ("/api/v1/nodes", 1), ("/api/v1/replicationcontrollers", 2), ("/apis/apps/v1/deployments", 2),
                       ("/apis/apps/v1/replicasets", 2), ("/apis/apps/v1/statefulsets", 4), ("/apis/apps/v1/daemonsets", 4),
                       ("/apis/batch/v1/jobs", 5), ("/apis/batch/v1/cronjobs", 1), ("/apis/autoscaling/v2/horizontalpodautoscalers", 4)):
        points += each * len(items(path))
    return points + sum(len(q["status"]["hard"]) + len(q["status"]["used"]) for q in items("/api/v1/resourcequotas"))


class Clusters(unittest.TestCase):
    """Generated ones, in protobuf."""

    def start(self, *arguments):
        sim = Sim(*arguments)
        self.addCleanup(sim.stop)
        return sim

    def get(self, sim, path):
        connection = sim.connect()
        connection.request("GET", path, None, {"User-Agent": "test", "Authorization": "Bearer " + sim.token(),
                                               "Accept": "application/vnd.kubernetes.protobuf,application/json"})
        response = connection.getresponse()
        self.addCleanup(connection.close)
        return response

    def frames(self, response, until):
        """Types of events, and the bytes of the last one."""
        types = []
        while True:
            head = response.read(4)
            if len(head) < 4:
                return types
            body = response.read(int.from_bytes(head, "big"))
            if len(body) < int.from_bytes(head, "big"):
                return types
            types.append(body[2:2 + body[1]].decode())
            if until(types[-1], body):
                return types

    def test_points(self):
        self.assertEqual(default_points(self.start("--generate", "pods=10000")), 155594)

    def test_list(self):
        sim = self.start("--generate", "pods=3000")
        response = self.get(sim, "/api/v1/pods")
        body = response.read()
        self.assertEqual(response.getheader("Content-Type"), "application/vnd.kubernetes.protobuf")
        self.assertEqual((body[:4], body[-4:]), (b"k8s\0", b"\x1a\0\x22\0"))
        self.assertTrue(5000 < len(body) / 3000 < 7500, len(body))

    def test_watch_of_a_churning_cluster(self):
        sim = self.start("--generate", "pods=2000,seed=3", "--churn", "200")
        response = self.get(sim, "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
        self.assertEqual(response.getheader("Content-Type"), "application/vnd.kubernetes.protobuf;stream=watch")
        first = self.frames(response, lambda kind, body: b"k8s.io/initial-events-end" in body)
        self.assertTrue(1900 < len(first) <= 2001, len(first))
        self.assertEqual(set(first[:-1]), {"ADDED"})
        later = self.frames(response, lambda kind, body: kind == "DELETED")
        self.assertIn("MODIFIED", later)
        self.assertEqual(sim.ask("POST", "/_sim/churn?rate=0")[0], 200)
        state = sim.ask("GET", "/_sim/state")[1]
        self.assertEqual(state["churn"]["rate"], 0)
        self.assertGreater(state["churn"]["modified"], 0)

    def test_cut_in_the_middle_of_a_frame(self):
        sim = self.start("--generate", "pods=10")
        sim.ask("POST", "/_sim/faults", {"match": {"verb": "watch"}, "cut": "middle", "times": 1})
        response = self.get(sim, "/api/v1/pods?watch=1")
        with self.assertRaises((http.client.IncompleteRead, ssl.SSLError, ConnectionError)):
            response.read()

    def test_a_watch_that_starts_before_many_changes(self):
        """The window holds minutes of churn."""
        sim = self.start("--generate", "pods=1000", "--churn", "20000")
        version = sim.ask("GET", "/_sim/state")[1]["resource_version"]
        wait_for("churn", lambda: sim.ask("GET", "/_sim/state")[1]["resource_version"] > version + 30000)
        response = self.get(sim, f"/api/v1/pods?watch=1&resourceVersion={version}")
        self.assertEqual(len(self.frames(response, lambda kind, body: kind == "DELETED")) > 0, True)

    def test_custom_resource(self):
        self.assertEqual(self.start().ask("GET", "/apis/quota.openshift.io/v1/clusterresourcequotas")[0], 404)
        sim = self.start("--openshift")
        response = self.get(sim, "/apis/quota.openshift.io/v1/clusterresourcequotas")
        self.assertEqual((response.status, response.getheader("Content-Type")), (200, "application/json"))

    def test_bad_specs(self):
        for arguments in (["--generate", "pods=x"], ["--churn", "5"], ["--generate", "pods=1", "--churn", "x"]):
            with tempfile.TemporaryDirectory() as folder:
                result = subprocess.run([PROGRAM, "--dir", folder, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                                        stdin=subprocess.DEVNULL, check=False)
                self.assertNotEqual(result.returncode, 0, arguments)


class Program(unittest.TestCase):
    def test_ipv6_and_certificates(self):
        sim = Sim("--listen", "[::1]:0")
        self.assertTrue(sim.url.startswith("https://[::1]:"))
        self.assertEqual(sim.ask("GET", "/readyz"), (200, "ok"))
        with self.assertRaises(ssl.SSLError):
            http.client.HTTPSConnection(sim.host, sim.port, context=ssl.create_default_context()).request("GET", "/readyz")
        self.assertEqual(sim.stop(), 0)

    def test_plain(self):
        sim = Sim("--plain")
        self.assertTrue(sim.url.startswith("http://127.0.0.1:"))
        self.assertEqual(sim.ask("POST", LEASES, lease("a"))[0], 201)
        watch = sim.watch()
        self.assertEqual(event(watch)["type"], "ADDED")
        watch.connection.close()
        self.assertEqual(sim.stop(), 0)

    def test_same_folder_same_credentials(self):
        folder = tempfile.mkdtemp(prefix="kubesim-test-")
        sim = Sim("--user", "carl:crew", folder=folder)
        files = {}
        for name in ("ca.crt", "admin.token", "carl.token"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                files[name] = file.read()
        self.assertEqual(os.stat(os.path.join(folder, "admin.token")).st_mode & 0o777, 0o600)
        sim.process.send_signal(signal.SIGTERM)
        self.assertEqual(sim.process.wait(timeout=PATIENCE), 0)
        sim.process.stdin.close()
        sim.process.stdout.close()
        sim.process.stderr.close()
        again = Sim("--user", "carl:crew", folder=folder)
        for name, content in files.items():
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.assertEqual(file.read(), content)
        self.assertEqual(again.ask("GET", LEASES, user="carl")[0], 200)
        again.stop()

    def test_rules_and_faults_on_the_command_line(self):
        sim = Sim("--deny", "baton-a:create:leases", "--fault", '{"match":{"verb":"list"},"status":500,"times":1}', "--rbac",
                  "--allow", "baton-a:get:leases")
        self.assertEqual(sim.ask("GET", LEASES)[0], 500)
        self.assertEqual(sim.ask("GET", LEASES + "/x", user="baton-a")[0], 404)
        self.assertEqual(sim.ask("GET", LEASES, user="baton-a")[0], 403)
        sim.stop()

    def test_bad_arguments(self):
        for arguments in (["--listen", "nowhere"], ["--listen", "127.0.0.1:99999"], ["--deny", "x"], ["--fault", "x"], ["--user", "../x"],
                          ["--window", "0"], ["--foo"], ["extra"]):
            with tempfile.TemporaryDirectory() as folder:
                result = subprocess.run([PROGRAM, "--dir", folder, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                                        stdin=subprocess.DEVNULL, check=False)
                self.assertNotEqual(result.returncode, 0, arguments)
                self.assertIn("kubesim", result.stderr)
                self.assertEqual(result.stdout, "")
        self.assertNotEqual(subprocess.run([PROGRAM], capture_output=True, check=False).returncode, 0)
        self.assertIn("--listen", subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout)

    def test_stops_with_open_watches(self):
        for how in (signal.SIGTERM, signal.SIGINT, None):
            sim = Sim()
            watches = [sim.watch() for _ in range(3)]
            if how is not None:
                sim.process.send_signal(how)
                self.assertEqual(sim.process.wait(timeout=PATIENCE), 0)
            self.assertEqual(sim.stop(), 0)
            for watch in watches:
                watch.connection.close()

    def test_dies_with_its_parent(self):
        with tempfile.TemporaryDirectory() as folder:
            script = textwrap.dedent("""
                import subprocess, sys
                p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
                print(p.pid, p.stdout.readline(), flush=True)
            """)
            parent = subprocess.run(["/usr/bin/python3", "-c", script, PROGRAM, "--dir", folder], capture_output=True, text=True,
                                    timeout=PATIENCE, check=True)
            pid = int(parent.stdout.split()[0])

            def gone():
                try:
                    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                        return file.read().rsplit(")", 1)[1].split()[0] == "Z"
                except FileNotFoundError:
                    return True

            wait_for("kubesim follows its parent", gone)


@unittest.skipUnless(shutil.which("kubectl"), "no kubectl here")
class Kubectl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sim = Sim()
        cls.home = tempfile.mkdtemp(prefix="kubesim-test-")
        cls.manifest = os.path.join(cls.home, "lease.yaml")
        cls.write("me")

    @classmethod
    def tearDownClass(cls):
        cls.sim.stop()
        shutil.rmtree(cls.home, ignore_errors=True)

    @classmethod
    def write(cls, holder, extra=""):
        with open(cls.manifest, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(f"""\
                apiVersion: coordination.k8s.io/v1
                kind: Lease
                metadata:
                  name: k1
                  namespace: default
                spec:
                  holderIdentity: {holder}
                  leaseDurationSeconds: 15
                  renewTime: "2026-01-02T03:04:05.123456Z"
                """) + extra)

    def kubectl(self, *arguments, code=0, **environment):
        result = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, timeout=60, check=False,
                                env={"KUBECONFIG": self.sim.kubeconfig, "HOME": self.home, "PATH": os.environ["PATH"], **environment})
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout + result.stderr

    def test_leases(self):
        self.assertIn("created", self.kubectl("apply", "-f", self.manifest))
        self.assertIn("unchanged", self.kubectl("apply", "-f", self.manifest))
        self.write("you")
        self.assertIn("configured", self.kubectl("apply", "-f", self.manifest))
        lines = self.kubectl("get", "lease").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "HOLDER", "AGE"])
        self.assertEqual(lines[1].split()[:2], ["k1", "you"])
        self.assertEqual(self.kubectl("get", "lease", "-A").splitlines()[0].split(), ["NAMESPACE", "NAME", "HOLDER", "AGE"])
        self.assertIn("Holder Identity:", self.kubectl("describe", "lease", "k1"))
        self.kubectl("label", "lease", "k1", "a=b")
        self.kubectl("annotate", "lease", "k1", "c=d")
        self.assertIn("k1", self.kubectl("get", "lease", "-l", "a=b"))
        self.assertIn("No resources", self.kubectl("get", "lease", "-l", "a=c"))
        self.kubectl("patch", "lease", "k1", "--type", "merge", "-p", '{"spec":{"holderIdentity":"merged"}}')
        self.kubectl("patch", "lease", "k1", "--type", "json", "-p", '[{"op":"replace","path":"/spec/leaseDurationSeconds","value":20}]')
        self.kubectl("patch", "lease", "k1", "-p", '{"spec":{"leaseTransitions":3}}')
        self.assertEqual(self.kubectl("get", "lease", "k1", "-o", "jsonpath={.spec.holderIdentity} {.spec.leaseDurationSeconds} "
                                                                  "{.spec.leaseTransitions} {.metadata.labels.a} {.metadata.annotations.c}"),
                         "merged 20 3 b d")
        editor = os.path.join(self.home, "editor")
        with open(editor, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nsed -i 's/holderIdentity: .*/holderIdentity: edited/' \"$1\"\n")
        os.chmod(editor, 0o755)
        self.assertIn("edited", self.kubectl("edit", "lease", "k1", EDITOR=editor))
        self.assertIn("replaced", self.kubectl("replace", "-f", self.manifest))
        self.assertIn("serverside-applied", self.kubectl("apply", "--server-side", "-f", self.manifest))
        self.assertIn("AlreadyExists", self.kubectl("create", "-f", self.manifest, code=1))
        self.write("bad", "  foo: 1\n")
        self.assertIn("unknown field", self.kubectl("apply", "-f", self.manifest, code=1))
        self.assertIn("deleted", self.kubectl("delete", "lease", "k1"))
        self.assertIn("NotFound", self.kubectl("delete", "lease", "k1", code=1))

    def test_namespaces(self):
        self.assertIn("created", self.kubectl("create", "ns", "foo"))
        self.assertIn("Active", self.kubectl("get", "ns", "foo"))
        self.assertIn("Active", self.kubectl("describe", "ns", "foo"))
        self.assertIn("created", self.kubectl("create", "role", "r", "-n", "foo", "--verb=get,update", "--resource=leases"))
        self.assertIn("created", self.kubectl("create", "rolebinding", "r", "-n", "foo", "--role=r", "--user=x"))
        self.assertIn("leases.coordination.k8s.io", self.kubectl("describe", "role", "r", "-n", "foo"))
        self.assertIn("deleted", self.kubectl("delete", "ns", "foo"))
        self.assertIn("NotFound", self.kubectl("get", "ns", "foo", code=1))
        self.assertIn("forbidden", self.kubectl("delete", "ns", "default", code=1))

    def test_watch(self):
        process = subprocess.Popen(["kubectl", "get", "lease", "--watch", "-n", "kube-system"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={"KUBECONFIG": self.sim.kubeconfig, "HOME": self.home, "PATH": os.environ["PATH"]})
        path = LEASES.replace("default", "kube-system")
        wait_for("kubectl watches", lambda: self.sim.open_watches() > 0)
        self.sim.ask("POST", path, lease("w1", holderIdentity="one"))
        self.sim.ask("PATCH", path + "/w1", {"spec": {"holderIdentity": "two"}})
        self.assertEqual(process.stdout.readline().split(), ["NAME", "HOLDER", "AGE"])
        self.assertEqual(process.stdout.readline().split()[:2], ["w1", "one"])
        self.assertEqual(process.stdout.readline().split()[:2], ["w1", "two"])
        process.terminate()
        process.communicate(timeout=PATIENCE)

    def test_versions_and_resources(self):
        self.assertIn("kubesim", self.kubectl("version"))
        self.assertIn("LeaseList", self.kubectl("get", "--raw", LEASES))
        self.assertIn("coordination.k8s.io/v1", self.kubectl("api-resources"))


if __name__ == "__main__":
    if "--kubesim" in sys.argv:
        position = sys.argv.index("--kubesim")
        PROGRAM = os.path.abspath(sys.argv[position + 1])
        del sys.argv[position:position + 2]
    unittest.main()
