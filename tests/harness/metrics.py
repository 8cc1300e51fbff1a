"""Own metrics of a replica: a strict reader of the Prometheus text format (0.0.4), and a page by name and labels."""
import http.client
import re
import shutil
import socket
import subprocess

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
VALUE = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def reader(port, host="127.0.0.1", **settings):
    """service.telemetry.metrics with this reader alone."""
    return {"readers": [{"pull": {"exporter": {"prometheus": {"host": host, "port": port, **settings}}}}]}


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"no label at {at} of {text!r}"
        key, value = match.groups()
        assert key not in labels, f"{key} twice in {text!r}"
        labels[key] = re.sub(r"\\.", lambda m: ESCAPES[m.group(0)], value)
        at = match.end()
        assert at == len(text) or text[at] == ",", text
        at += 1
    return labels


class Page:
    """Families with their types, and samples by name and labels. Anything that a strict scraper could object to fails."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        assert text.endswith("\n")
        family, helped = None, set()
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family, help_text = line[7:].split(" ", 1)
                assert NAME.fullmatch(family) and help_text and family not in helped, line
                helped.add(family)
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert name == family and kind in ("gauge", "counter") and name not in self.types, line
                self.types[name] = kind
            else:
                match = re.fullmatch(r"([a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)", line)
                assert match and match.group(1) == family and VALUE.fullmatch(match.group(3)), line
                key = (family, frozenset(parse_labels(match.group(2) or "").items()))
                assert key not in self.samples, f"twice: {line}"
                self.samples[key] = float(match.group(3))
                assert self.samples[key] >= 0
        used = {name for name, _ in self.samples}
        assert used == set(self.types) == helped

    def all(self, name, **labels):
        """Values of the samples of this name that have at least these labels."""
        wanted = set(labels.items())
        return [value for (n, have), value in self.samples.items() if n == name and wanted <= have]

    def get(self, name, **labels):
        """The value of the one sample with these labels; None if there is none."""
        found = self.all(name, **labels)
        assert len(found) <= 1, (name, labels, found)
        return found[0] if found else None


def fetch(port, host="127.0.0.1", path="/metrics"):
    """(status, content type, text)."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def page(port, host="127.0.0.1"):
    status, kind, text = fetch(port, host)
    assert status == 200 and kind == "text/plain; version=0.0.4; charset=utf-8"
    return Page(text)


def lint(text):
    """What promtool says of the page; "" also where it is not installed."""
    if shutil.which("promtool") is None:
        return ""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr
