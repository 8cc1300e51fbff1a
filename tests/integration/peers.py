"""What the integration tests run baton's exporters against, and the driver that feeds one exporter.

Everything listens on loopback, on ports that the kernel picks, and ends with its context manager.
"""
import base64
import contextlib
import json
import os
import queue
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BATON_BUILD", os.path.join(ROOT, "build", "release"))
DRIVER = os.path.join(BUILD, "tests", "unit", "exporters", "exporter_driver")
BATON = os.path.join(BUILD, "src", "baton")
SINK = os.path.join(os.environ.get("BATON_PEERS", os.path.join(ROOT, "build", "peers")), "otlpsink")
WAIT_S = 20


def wait_for(condition, what, timeout=WAIT_S):
    """Polls until the condition gives something true, and returns that. `what` is a text or makes one."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what}: not within {timeout} s")
        time.sleep(0.01)


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def has_ipv6():
    try:
        free_port("::1")
        return True
    except OSError:
        return False


class Process:
    """A child whose output is collected by threads; ended when the context ends."""

    def __init__(self, command, env=None, stdin=None):
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.out, self.err = [], []
        self.out_lines = queue.Queue()
        self.threads = [threading.Thread(target=self._read, args=(self.process.stdout, self.out, self.out_lines), daemon=True),
                        threading.Thread(target=self._read, args=(self.process.stderr, self.err, None), daemon=True)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _read(stream, lines, also):
        for line in stream:
            line = line.decode(errors="replace").rstrip("\n")
            lines.append(line)
            if also is not None:
                also.put(line)

    def log(self):
        """Without what a busy machine adds."""
        return "\n".join(line for line in list(self.err) if "\tio/loop.c:" not in line)

    def wait_log(self, text, timeout=WAIT_S):
        wait_for(lambda: text in self.log(), lambda: f"log line with {text!r} in:\n{self.log()}", timeout)

    def wait_end(self, timeout=WAIT_S):
        self.process.wait(timeout)
        for thread in self.threads:
            thread.join(timeout)
        return self.process.returncode

    def kill(self, signum=signal.SIGKILL):
        self.process.send_signal(signum)
        return self.wait_end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.wait_end()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


# ---- certificates ----

def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Certificates:
    """A CA, and certificates signed by it: NAME.crt and NAME.key in `folder`."""

    def __init__(self, folder):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=test CA", "-keyout", self.path("ca.key"), "-out", self.path("ca.crt"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, names="IP:127.0.0.1,IP:::1,DNS:localhost"):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        with open(self.path(name + ".ext"), "w") as f:
            f.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", self.path(name + ".ext"), "-out", self.path(name + ".crt"))
        return self


# ---- the real sink ----

class Sink(Process):
    """otlpsink: a real gRPC server that writes down what it gets."""

    def __init__(self, folder, listen="127.0.0.1:0", tls=None, client_ca=None, max_recv_mib=4, summary=False):
        self.file = os.path.join(str(folder), f"sink-{time.monotonic_ns()}.jsonl")
        command = [SINK, "--listen", listen, "--control", "127.0.0.1:0", "--out", self.file, "--max-recv-mib", str(max_recv_mib)]
        if tls is not None:
            command += ["--tls-cert", tls + ".crt", "--tls-key", tls + ".key"]
        if client_ca is not None:
            command += ["--tls-client-ca", client_ca]
        if summary:
            command += ["--summary"]
        super().__init__(command)
        self.address = self._announced("listening")
        self.control = self._announced("control")

    def _announced(self, what):
        def find():
            if self.process.poll() is not None:
                raise AssertionError(f"otlpsink ended: {self.log()}")
            return next((line.split(" ", 1)[1] for line in list(self.out) if line.startswith(what + " ")), None)
        return wait_for(find, f"otlpsink: {what}")

    def records(self):
        if not os.path.exists(self.file):
            return []
        with open(self.file, encoding="utf-8") as f:
            text = f.read()  # at once: line by line the second half of a line that is being written would be one, too
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].split("\n") if line]

    def wait_records(self, count, timeout=WAIT_S):
        return wait_for(lambda: len(self.records()) >= count and self.records(), f"{count} records, there are {len(self.records())}", timeout)

    def fault(self, **body):
        self._post("fault", json.dumps(body).encode())

    def clear(self):
        self._post("clear", b"")

    def _post(self, path, body):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(f"http://{self.control}/{path}", data=body, method="POST"), timeout=WAIT_S):
            pass


def texts(record):
    """The texts of a record's items as the driver numbers them: ten digits each."""
    return re.findall(r'"(\d{10})(?:[. ][^"]*)?"', json.dumps(record["resources"]))


# ---- the driver ----

def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env.update(more)
    return env


class Driver(Process):
    """exporter_driver with one exporter; see the top of exporter_driver.c for the commands."""

    def __init__(self, exporter, config, env=None, expect_start=True):
        super().__init__([DRIVER, exporter, json.dumps(config) if not isinstance(config, str) else config],
                         env=clean_env(**(env or {})), stdin=subprocess.PIPE)
        if expect_start:
            self.ready = self.answer("ready")

    def answer(self, what, timeout=WAIT_S):
        try:
            answer = json.loads(self.out_lines.get(timeout=timeout))
        except queue.Empty:
            raise AssertionError(f"no answer to {what!r} within {timeout} s; log:\n{self.log()}") from None
        assert answer["answer"] == what, (answer, what)
        return answer

    def send(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def ask(self, line, timeout=WAIT_S):
        self.send(line)
        return self.answer(line.split(" ")[0], timeout)

    def feed(self, signal="metrics", items=5, size=20, count=1, timeout=WAIT_S):
        return self.ask(f"feed {signal} {items} {size} {count}", timeout)

    def settle(self, timeout=WAIT_S):
        return self.ask("settle", timeout)

    def stats(self):
        return self.ask("stats")

    def stop(self, drain_ms=5000, timeout=WAIT_S):
        answer = self.ask(f"stop {drain_ms}", timeout)
        assert self.wait_end() == 0, self.log()
        return answer


def end_listening(listener):
    """Wakes the thread that waits for a connection: closed alone the socket would take one more, and that thread might go on with the next socket
    that gets the same number."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


# ---- a proxy ----

class ConnectProxy:
    """An HTTP proxy that knows CONNECT only; `route` says where a host:port really is."""

    def __init__(self, route, credentials=None):
        self.route, self.credentials = route, credentials
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.sockets.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            lines = head.decode("latin-1").split("\r\n")
            self.requests.append(lines)
            method, target, _ = lines[0].split(" ")
            headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)}
            wanted = None if self.credentials is None else "Basic " + base64.b64encode(self.credentials.encode()).decode()
            if method != "CONNECT" or target not in self.route:
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                client.close()
                return
            if wanted is not None and headers.get("proxy-authorization") != wanted:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
                client.close()
                return
            host, port = self.route[target].rsplit(":", 1)
            server = socket.create_connection((host.strip("[]"), int(port)))
            self.sockets.append(server)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pump(client, server)

    @staticmethod
    def _pump(a, b):
        other = {a: b, b: a}
        while True:
            readable, _, _ = select.select([a, b], [], [])
            for s in readable:
                data = s.recv(65536)
                if not data:
                    a.close()
                    b.close()
                    return
                other[s].sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_listening(self.listener)
        for s in self.sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


# ---- a server that answers HTTP/2 as a test wants ----

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header_block(headers):
    """HPACK: literals without indexing, without Huffman coding."""
    def text(s):
        raw = s.encode("latin-1")
        if len(raw) < 127:
            return bytes([len(raw)]) + raw
        rest, out = len(raw) - 127, [127]
        while rest >= 128:
            out.append(rest % 128 + 128)
            rest //= 128
        return bytes(out + [rest]) + raw
    return b"".join(b"\0" + text(name) + text(value) for name, value in headers)


def headers_frame(stream, headers, end=False):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, header_block(headers))


def data_frame(stream, data, end=False):
    return frame(DATA, END_STREAM if end else 0, stream, data)


def message(data, compressed=False):
    return struct.pack(">BI", compressed, len(data)) + data


OK_HEAD = [(":status", "200"), ("content-type", "application/grpc")]


def ok_answer(stream, data=b"", trailers=(("grpc-status", "0"),), head=()):
    return (headers_frame(stream, [*OK_HEAD, *head]) + data_frame(stream, message(data)) +
            headers_frame(stream, list(trailers), end=True))


class Http1Server:
    """Answers every POST by HTTP/1.1 with `status`, over TLS."""

    def __init__(self, tls, status="404 Not Found"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(tls + ".crt", tls + ".key")
        self.status, self.count = status, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), self.context.wrap_socket(client, server_side=True) as tls:
            data = b""
            while b"\r\n\r\n" not in data:
                data += tls.recv(65536)
            head, body = data.split(b"\r\n\r\n", 1)
            length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
            while len(body) < length:
                body += tls.recv(65536)
            self.count += 1
            tls.sendall(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_listening(self.listener)


class H2Server:
    """Reads requests whole and answers each with what `answers` gives: a list of functions of the stream id (the last one stays),
    each returning bytes to write, or None to close the connection. `early`: answers at the HEADERS frame, not at END_STREAM."""

    def __init__(self, answers, tls=None, early=False):
        self.answers, self.early = list(answers), early
        self.requests, self.connections = [], 0  # bodies in order of arrival
        self.lock = threading.Lock()
        self.context = None
        if tls is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls + ".crt", tls + ".key")
            self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _next_answer(self, body):
        with self.lock:
            self.requests.append(body)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _serve(self, client):
        with contextlib.suppress(OSError, EOFError):
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
            with self.lock:
                self.connections += 1
                self.sockets.append(client)
            self._read(client, 24)
            client.sendall(frame(SETTINGS, 0, 0))
            bodies = {}
            while self._one_frame(client, bodies):
                pass
        client.close()

    def _one_frame(self, client, bodies):
        head = self._read(client, 9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        payload = self._read(client, length)
        if kind == SETTINGS and not flags & ACK:
            client.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            client.sendall(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            bodies[stream] = b""
            if self.early:
                return self._answer(client, stream, b"")
        elif kind == DATA:
            bodies[stream] = bodies.get(stream, b"") + payload
            if payload and not self.early:
                grow = struct.pack(">I", len(payload))
                client.sendall(frame(WINDOW_UPDATE, 0, 0, grow) + frame(WINDOW_UPDATE, 0, stream, grow))
            if flags & END_STREAM and not self.early:
                return self._answer(client, stream, bodies.pop(stream))
        return True

    def _answer(self, client, stream, body):
        answer = self._next_answer(body)(stream)
        if answer is None:
            return False
        client.sendall(answer)
        return True

    @staticmethod
    def _read(client, count):
        data = b""
        while len(data) < count:
            more = client.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_listening(self.listener)
        for s in self.sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
