"""Ways to prove who we are, and to reach the API server."""
import base64
import json
import os
import select
import socket
import threading

import pytest
import yaml
from harness.replicas import LED
from harness.world import wait_until

FAILED = "A call for the Lease failed, trying on"
RECOVERED = "Calls for the Lease succeed again"
EXEC_VERSION = "client.authentication.k8s.io/v1"


class Kubeconfig:
    """The server's admin kubeconfig, taken apart."""

    def __init__(self, world):
        self.world = world
        with open(os.path.join(world.server.folder, "admin.token")) as f:
            self.token = f.read().strip()
        self.cluster = {"server": world.server.url, "certificate-authority": os.path.join(world.server.folder, "ca.crt")}
        self.user = {"token": self.token}

    def write(self, name="kubeconfig", **more):
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "test",
                  "clusters": [{"name": "test", "cluster": self.cluster}],
                  "users": [{"name": "test", "user": self.user}],
                  "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}], **more}
        return self.file(name, yaml.safe_dump(config))

    def file(self, name, text, mode=0o600):
        """Replaced as a whole, so that nobody reads half of it."""
        path = os.path.join(self.world.folder, name)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.chmod(path + ".new", mode)
        os.replace(path + ".new", path)
        return path

    def plugin(self, script, **more):
        self.file("plugin", f"#!/bin/sh\n{script}\n", 0o700)
        self.user = {"exec": {"apiVersion": EXEC_VERSION, "command": "./plugin", "interactiveMode": "Never", **more}}

    def credential(self):
        return json.dumps({"kind": "ExecCredential", "apiVersion": EXEC_VERSION, "status": {"token": self.token}})


@pytest.fixture
def kubeconfig(world):
    return Kubeconfig(world)


def failures(replica):
    """Errors of calls but those that a busy machine explains."""
    errors = [line["error"] for line in replica.log() if line.get("msg") == FAILED]
    return [error for error in errors if "no complete answer in time" not in error]


def leads(world, path, **options):
    a = world.start_leader("a", kubeconfig=path, **options)
    assert not failures(a)
    return a


def fails(replica, text):
    wait_until(lambda: any(text in error for error in failures(replica)), 20, f"a failure that says {text!r}")


def test_token(world, kubeconfig):
    leads(world, kubeconfig.write())


def test_certificate_authority_as_data(world, kubeconfig):
    with open(kubeconfig.cluster.pop("certificate-authority"), "rb") as f:
        kubeconfig.cluster["certificate-authority-data"] = base64.b64encode(f.read()).decode()
    leads(world, kubeconfig.write())


def test_files_are_found_relative_to_the_kubeconfig(world, kubeconfig):
    kubeconfig.file("here.token", kubeconfig.token)
    kubeconfig.user = {"tokenFile": "here.token"}
    leads(world, kubeconfig.write())


@pytest.mark.only("kubesim")
def test_token_file_that_is_rotated_while_it_leads(world, kubeconfig):
    """The old token is refused from one moment to the next; leadership is kept."""
    set_token = lambda token: world.api.sim("POST", "users", {"name": "rotating", "groups": "system:masters", "token": token})
    set_token("first-token")
    kubeconfig.user = {"tokenFile": kubeconfig.file("token", "first-token")}
    a = leads(world, kubeconfig.write())
    watch = world.watch()
    watch.wait_more(1)
    kubeconfig.file("token", "second-token")
    set_token("second-token")
    watch.wait_more(3)
    world.output(a).wait_more(2)
    assert not a.wait_log("This replica does not lead any more", 0)
    world.check_once("a")


@pytest.mark.only("apiserver")
def test_client_certificate_by_path_and_as_data(world, kubeconfig):
    paths = {f"client-{part}": os.path.join(world.server.folder, file) for part, file in (("certificate", "client.crt"), ("key", "client.key"))}
    kubeconfig.user = paths
    a = leads(world, kubeconfig.write())
    world.end(a)
    kubeconfig.user = {}
    for key, path in paths.items():
        with open(path, "rb") as f:
            kubeconfig.user[f"{key}-data"] = base64.b64encode(f.read()).decode()
    world.start_leader("b", kubeconfig=kubeconfig.write("second"))


def test_exec_plugin(world, kubeconfig):
    kubeconfig.plugin(f"""test "$SECRET_OF_THE_PLUGIN" = hidden || exit 3
case "$KUBERNETES_EXEC_INFO" in *ExecCredential*) ;; *) exit 4;; esac
echo called >>'{world.folder}/calls'
echo '{kubeconfig.credential()}'""", env=[{"name": "SECRET_OF_THE_PLUGIN", "value": "hidden"}])
    leads(world, kubeconfig.write())
    world.watch().wait_more(3)
    with open(os.path.join(world.folder, "calls")) as f:
        assert f.read() == "called\n", "one token is used for all calls"


def test_exec_plugin_that_fails_is_named_and_tried_again(world, kubeconfig):
    kubeconfig.plugin("exit 7")
    a = world.start("a", kubeconfig=kubeconfig.write())
    fails(a, "plugin: exit code 7")
    kubeconfig.plugin(f"echo '{kubeconfig.credential()}'")
    world.expect(a, LED)
    world.expect(a, RECOVERED)


def test_wrong_token_is_said_without_showing_it_and_recovers(world, kubeconfig):
    kubeconfig.user = {"tokenFile": kubeconfig.file("token", "not-the-token-5f1c")}
    a = world.start("a", kubeconfig=kubeconfig.write())
    # The API server ends a connection whose caller it does not know: of calls that share it one may see just that.
    fails(a, "401")
    kubeconfig.file("token", kubeconfig.token)
    world.expect(a, LED)
    world.expect(a, RECOVERED)
    assert not any("not-the-token-5f1c" in text or kubeconfig.token in text for text in a.err.texts())


def test_list_of_files_in_kubeconfig(world, kubeconfig):
    """The first file that defines a name wins; missing files are skipped."""
    wrong = Kubeconfig(world)
    wrong.user = {"token": "wrong"}
    first = kubeconfig.write("first", clusters=[], contexts=[], **{"current-context": ""})
    second = wrong.write("second")
    leads(world, f"{world.folder}/absent:{first}:{second}")


def test_context_of_the_extension_goes_before_the_current_one(world, kubeconfig):
    context = lambda name, cluster: {"name": name, "context": {"cluster": cluster, "user": "test"}}
    path = kubeconfig.write(
        contexts=[context("test", "nowhere"), context("other", "test")],
        clusters=[{"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}, {"name": "test", "cluster": kubeconfig.cluster}])
    config = world.config("a", extensions={"leaderelector/foo": dict(world.extension(), context="other")})
    leads(world, path, config=config)


def test_namespace_of_the_context_is_the_default(world, kubeconfig):
    world.api.create_namespace(world.lease)
    path = kubeconfig.write(contexts=[{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": world.lease}}])
    extension = world.extension()
    del extension["lease_namespace"]
    leads(world, path, config=world.config("a", extensions={"leaderelector/foo": extension}), env={"POD_NAMESPACE": None})
    assert world.api.holder(world.lease, world.lease) == "a_uid-of-a"


def test_pod_namespace_goes_before_that_of_the_context(world, kubeconfig):
    world.api.create_namespace(world.lease)
    extension = world.extension()
    del extension["lease_namespace"]
    config = world.config("a", extensions={"leaderelector/foo": extension})
    leads(world, kubeconfig.write(), config=config, env={"POD_NAMESPACE": world.lease})
    assert world.api.holder(world.lease, world.lease) == "a_uid-of-a"


def test_unknown_authority_is_refused_unless_told_otherwise(world, kubeconfig):
    del kubeconfig.cluster["certificate-authority"]
    a = world.start("a", kubeconfig=kubeconfig.write())
    fails(a, "certificate")
    assert not a.wait_log(LED, 0)
    kubeconfig.cluster["insecure-skip-tls-verify"] = True
    world.start_leader("b", kubeconfig=kubeconfig.write("insecure"))


def test_tls_server_name(world, kubeconfig):
    kubeconfig.cluster["tls-server-name"] = "localhost"
    leads(world, kubeconfig.write())
    kubeconfig.cluster["tls-server-name"] = "not.in.the.certificate"
    b = world.start("b", kubeconfig=kubeconfig.write("wrong"))
    fails(b, "not.in.the.certificate")


class Proxy:
    """Answers CONNECT and passes bytes on."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.targets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:
                return
            head += data
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        self.targets.append((method, target))
        host, port = target.rsplit(":", 1)
        server = socket.create_connection((host.strip("[]"), int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    client.close()
                    server.close()
                    return
                (server if source is client else client).sendall(data)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a connection
        self.listener.close()


@pytest.fixture
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.close()


def test_proxy_of_the_kubeconfig_is_used(world, kubeconfig, proxy):
    kubeconfig.cluster["proxy-url"] = f"http://127.0.0.1:{proxy.port}"
    a = leads(world, kubeconfig.write())
    world.output(a).wait_more(1)
    assert proxy.targets and set(proxy.targets) == {("CONNECT", world.server.url.removeprefix("https://"))}


def test_proxy_of_the_environment_is_not_used(world, kubeconfig, proxy):
    url = f"http://127.0.0.1:{proxy.port}"
    leads(world, kubeconfig.write(), env={"HTTPS_PROXY": url, "https_proxy": url, "ALL_PROXY": url, "NO_PROXY": ""})
    assert proxy.targets == []


@pytest.mark.parametrize("change, words", [
    ({"auth_type": "tls"}, "invalid authType for kubernetes: tls"),
    ({"auth_type": "no-such"}, "no-such"),
    ({"context": "absent"}, "absent"),
], ids=["tls", "unknown-type", "unknown-context"])
def test_what_cannot_work_is_refused_at_the_start(world, kubeconfig, change, words):
    a = world.start("a", world.config("a", extensions={"leaderelector/foo": dict(world.extension(), **change)}), kubeconfig=kubeconfig.write())
    assert a.wait(10) == 1
    assert any(words in text for text in a.err.texts()), a.err.texts()


def test_broken_kubeconfig_is_refused_with_its_place(world, kubeconfig):
    path = kubeconfig.file("kubeconfig", "clusters: [\n")
    a = world.start("a", kubeconfig=path)
    assert a.wait(10) == 1
    assert any(path in text for text in a.err.texts()), a.err.texts()


def test_missing_service_account_is_said(world):
    config = world.config("a", extensions={"leaderelector/foo": dict(world.extension(), auth_type="serviceAccount")})
    a = world.start("a", config, env={"KUBERNETES_SERVICE_HOST": None, "KUBERNETES_SERVICE_PORT": None})
    assert a.wait(10) == 1
    assert any("KUBERNETES_SERVICE_HOST" in text for text in a.err.texts()), a.err.texts()
