"""What an object must decode to, made from the text that `protoc --decode` prints of it: a second reading of the same rules.

Texts are bytes as characters 0 to 255 everywhere, as object_print.c writes them.
"""
import os
import re
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "objects.proto")
KINDS = ["Pod", "Node", "Namespace", "ReplicationController", "ResourceQuota", "Service", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet",
         "Job", "CronJob", "HorizontalPodAutoscaler", "EndpointSlice", "PersistentVolume", "PersistentVolumeClaim", "ClusterResourceQuota"]
INT64_MAX = 2 ** 63 - 1
INT64_MIN = -2 ** 63

# -- the schema, for the text reader and the strict walk --


def read_schema():
    """{message: {number: (label, type, name)}}"""
    with open(PROTO) as f:
        text = re.sub(r"//[^\n]*", "", f.read())
    schema = {}
    for name, body in re.findall(r"message (\w+) \{([^}]*)\}", text):
        fields = re.findall(r"(optional|repeated) (\w+) (\w+) = (\d+);", body)
        schema[name] = {int(number): (label, kind, field) for label, kind, field, number in fields}
    return schema


SCHEMA = read_schema()
WIRE_OF = {"int64": 0, "int32": 0, "bool": 0, "string": 2, "bytes": 2}


class Strict(Exception):
    """Why baton refuses bytes."""


def read_varint(data, at, end):
    value = 0
    for i in range(10):
        if at == end:
            raise Strict("cut varint")
        byte = data[at]
        at += 1
        if i == 9 and byte > 1:
            raise Strict("varint of more than 64 bits")
        value |= (byte & 0x7f) << 7 * i
        if byte < 0x80:
            return value, at
    raise Strict("varint of more than 64 bits")


def strict_walk(data, message, at=0, end=None):
    """Raises Strict where Go's decoder (and so baton) refuses bytes, which is in more places than protoc: groups, and known fields of another
    wire type, which protoc keeps as unknown ones."""
    end = len(data) if end is None else end
    fields = SCHEMA[message]
    while at < end:
        tag, at = read_varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0 or number >= 1 << 29:
            raise Strict("field number")
        if wire not in (0, 1, 2, 5):
            raise Strict("group or unknown wire type")
        kind = fields[number][1] if number in fields else None
        if kind is not None and wire != WIRE_OF.get(kind, 2):
            raise Strict("another wire type")
        if wire == 0:
            _, at = read_varint(data, at, end)
            continue
        length = 8 if wire == 1 else 4
        if wire == 2:
            length, at = read_varint(data, at, end)
        if length > end - at:
            raise Strict("past the end")
        if kind in SCHEMA:
            strict_walk(data, kind, at, at + length)
        at += length


# -- protoc's text --

TOKEN = re.compile(r'\s*(?:(?P<brace>[{}])|"(?P<text>(?:[^"\\\n]|\\.)*)"|(?P<word>[^\s{}":]+):?)')
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def unescape(text):
    """protoc writes other bytes in octal."""
    return re.sub(r"\\([0-7]{1,3}|.)", lambda m: chr(int(m[1], 8)) if m[1][0] in "01234567" else ESCAPES[m[1]], text)


def parse_text(text):
    """Nested lists of (name, value): every field in order, unknown ones under their numbers."""
    root = []
    stack = [root]
    name = None
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match, text[at:at + 50]
        at = match.end()
        if match["brace"] == "{":
            child = []
            stack[-1].append((name, child))
            stack.append(child)
            name = None
        elif match["brace"] == "}":
            stack.pop()
        elif match["text"] is not None:
            stack[-1].append((name, unescape(match["text"])))
            name = None
        elif name is None:
            name = match["word"]
        else:
            stack[-1].append((name, match["word"]))
            name = None
    assert len(stack) == 1
    return root


class Message:
    """Access to a parsed message with the zero values of Go."""

    def __init__(self, items):
        self.items = items or []

    def all(self, name):
        return [value for field, value in self.items if field == name]

    def has(self, name):
        return any(field == name for field, _ in self.items)

    def text(self, name):
        return (self.all(name) or [""])[-1]

    def int(self, name):
        return int((self.all(name) or ["0"])[-1])

    def bool(self, name):
        return (self.all(name) or ["false"])[-1] == "true"

    def message(self, name):
        return Message([item for value in self.all(name) for item in value])

    def messages(self, name):
        return [Message(value) for value in self.all(name)]

    def time(self, name):
        """The last one; an empty message is the zero time, and what does not fit nanoseconds counts as unset too."""
        times = self.messages(name)
        if not times or not times[-1].items:
            return None
        seconds = times[-1].int("seconds")
        return seconds if abs(seconds) < INT64_MAX // 10 ** 9 else None

    def pairs(self, name):
        """A map, sorted; the last of equal keys counts."""
        return [[k, v] for k, v in sorted({m.text("key"): m.text("value") for m in self.messages(name)}.items())]

    def amounts(self, name):
        """{resource: quantity as text}"""
        found = {}
        for m in self.messages(name):
            values = m.messages("value")
            found[m.text("key")] = values[-1].text("text") if values and values[-1].has("text") else "0"
        return found


# -- values --

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def quantity(text):
    """(value, milli), or None if it is none."""
    match = re.fullmatch(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(n|u|m||k|M|G|T|P|E|[KMGTPE]i|[eE][+-]?[0-9]+)", text)
    if not match or text == "":
        return None
    sign, whole, fraction, suffix = match[1], match[2], match[3] or "", match[4]
    bare = not whole and not fraction
    if suffix in BINARY:
        power, scale = None, Fraction(2 ** BINARY[suffix])
        if bare and BINARY[suffix] > 40:
            return None
    else:
        power = DECIMAL[suffix] if suffix in DECIMAL else int(suffix[1:])
        if not -2 ** 63 <= power < 2 ** 63 or (bare and power < -9):
            return None
        scale = Fraction(10) ** max(-1000, min(1000, power))
    size = Fraction(int((whole + fraction) or "0"), 10 ** len(fraction)) * scale
    if suffix in BINARY:
        size = min(size, Fraction(INT64_MAX))

    def rounded(number):
        up = -(-number.numerator // number.denominator)
        return max(INT64_MIN, min(INT64_MAX, -up if sign == "-" else up))
    return rounded(size), rounded(size * 1000)


WORD = "[a-z0-9]+"
PART = rf"{WORD}(?:(?:\.|_|__|-+){WORD})*"
LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOST = rf"(?:{LABEL}(?:\.{LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
DIGEST = "sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}"
IMAGE = re.compile(rf"((?:({HOST})/)?({PART}(?:/{PART})*))(?::([A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@(?:{DIGEST}))?")


def image(text):
    match = IMAGE.fullmatch(text)
    if not match or len(match[3]) > 255:
        return None
    return match[1], match[4] or "latest"


def is_bare_digest(text):
    return text == "" or re.fullmatch(r"[^:/@]+:[0-9a-f]{32,}", text) is not None


# -- kinds --

PHASES = ["Pending", "Running", "Succeeded", "Failed", "Unknown", ""]
QUANTITIES = [("limits", "cpu"), ("requests", "cpu"), ("limits", "memory"), ("requests", "memory"), ("limits", "storage"),
              ("requests", "storage"), ("limits", "ephemeral-storage"), ("requests", "ephemeral-storage")]


def container_quantities(spec):
    resources = spec.message("resources")
    found = []
    for side, resource in QUANTITIES:
        text = resources.amounts(side).get(resource)
        both = quantity(text) if text is not None else None
        found.append(None if both is None else both[1 if resource == "cpu" else 0])
    return found


def container(spec, status, index, images):
    flags = (1 if spec else 0) | (2 if status else 0)
    printed = {"name": (spec or status).text("name"), "flags": 0, "quantities": container_quantities(spec) if spec else [None] * 8}
    if status:
        text = status.text("image")
        if is_bare_digest(text):
            text = images.get(status.text("name")) or text
        split = image(text)
        flags |= (4 if status.bool("ready") else 0) | (8 if split else 0) | (16 if status.message("last").has("terminated") else 0)
        state = status.message("state")
        number, reason, started = 0, "", None
        if state.has("running"):
            number, started = 1, state.message("running").time("started")
        elif state.has("terminated"):
            terminated = state.message("terminated")
            number, reason, started = 2, terminated.text("reason"), terminated.time("started")
        elif state.has("waiting"):
            number, reason = 3, state.message("waiting").text("reason")
        printed.update(status=index, id=re.sub(r"\A[A-Za-z0-9_-]+://", "", status.text("id")), image=split[0] if split else "",
                       tag=split[1] if split else "", restarts=status.int("restarts"), state=number, reason=reason,
                       last=status.message("last").message("terminated").text("reason"), started=started)
    printed["flags"] = flags
    return printed


def pod(m):
    spec, status = m.message("spec"), m.message("status")
    specs, statuses = spec.messages("containers"), status.messages("statuses")
    images = {}
    for c in specs + spec.messages("init_containers"):
        images.setdefault(c.text("name"), c.text("image"))
    first = {}
    for i, s in enumerate(statuses):
        first.setdefault(s.text("name"), i)
    used = {first[c.text("name")] for c in specs if c.text("name") in first}
    containers = []
    for c in specs:
        i = first.get(c.text("name"))
        containers.append(container(c, None if i is None else statuses[i], i, images))
    containers += [container(None, s, i, images) for i, s in enumerate(statuses) if i not in used]
    phase = status.text("phase")
    return {"node": spec.text("node"), "phase": PHASES.index(phase) + 1 if phase in PHASES else 0,
            "phase_text": "" if phase in PHASES else phase, "reason": status.text("reason"), "qos": status.text("qos"), "containers": containers}


def amounts(found, is_milli):
    values = [(resource, quantity(text)) for resource, text in sorted(found.items())]
    return [[resource, both[1 if is_milli(resource) else 0]] for resource, both in values if both is not None]


def node(m):
    status = m.message("status")
    info = status.message("info")
    return {"kubelet": info.text("kubelet"), "runtime": info.text("runtime"), "os_image": info.text("os_image"), "os": info.text("os"),
            "conditions": [[c.text("type"), c.text("status")] for c in status.messages("conditions")],
            "allocatable": amounts(status.amounts("allocatable"), lambda r: r == "cpu")}


def quota(m):
    return {side: amounts(m.message("status").amounts(side), lambda r: r.endswith(".cpu")) for side in ("hard", "used")}


def service(m):
    spec = m.message("spec")
    return {"type": spec.text("type"), "has_distribution": spec.has("distribution"), "distribution": spec.text("distribution"),
            "publish": spec.bool("publish"), "ingress": len(m.message("status").message("load_balancer").all("ingress")),
            "selector": spec.pairs("selector")}


def endpoint_slice(m):
    zones = {}
    for e in m.messages("endpoints"):
        c = e.message("conditions")
        ready = c.bool("ready") if c.has("ready") else True
        serving = c.bool("serving") if c.has("serving") else ready
        counts = zones.setdefault(e.text("zone"), [0, 0, 0])
        counts[0] += ready
        counts[1] += serving
        counts[2] += c.bool("terminating")
    types = {"IPv4": 1, "IPv6": 2, "FQDN": 3}
    return {"service": dict(m.message("metadata").pairs("labels")).get("kubernetes.io/service-name", ""),
            "address_type": types.get(m.text("address_type"), 0), "zones": [[zone, *counts] for zone, counts in zones.items()]}


def storage(found):
    both = quantity(found["storage"]) if "storage" in found else None
    return None if both is None else both[0]


def volume(m):
    spec = m.message("spec")
    return {"phase": m.message("status").text("phase"), "class": spec.text("class"), "reclaim": spec.text("reclaim"),
            "capacity": storage(spec.amounts("capacity"))}


def claim(m):
    spec, status = m.message("spec"), m.message("status")
    return {"phase": status.text("phase"), "class": spec.text("class"), "volume": spec.text("volume"),
            "capacity": storage(status.amounts("capacity")), "request": storage(spec.message("resources").amounts("requests"))}


# The places of each workload's numbers: (part, name, is a pointer).
COUNTS = {
    "ReplicationController": [("spec", "replicas", True), ("status", "available", False)],
    "ReplicaSet": [("spec", "replicas", True), ("status", "available", False)],
    "Deployment": [("spec", "replicas", True), ("status", "available", False)],
    "StatefulSet": [("spec", "replicas", True), ("status", "available", False), ("status", "ready", False), ("status", "current", False),
                    ("status", "updated", False)],
    "DaemonSet": [("status", "current", False), ("status", "desired", False), ("status", "misscheduled", False), ("status", "ready", False)],
    "Job": [("spec", "completions", True), ("spec", "parallelism", True), ("status", "active", False), ("status", "succeeded", False),
            ("status", "failed", False)],
    "CronJob": [],
    "HorizontalPodAutoscaler": [("spec", "min", True), ("spec", "max", False), ("status", "current", False), ("status", "desired", False)],
}


def workload(kind, m):
    counts, present = [], 0
    for place, (part, name, pointer) in enumerate(COUNTS[kind]):
        counts.append(m.message(part).int(name))
        present |= (1 << place) if pointer and m.message(part).has(name) else 0
    spec, target = m.message("spec"), Message([])
    if kind == "CronJob":
        counts.append(len(m.message("status").all("active")))
    if kind == "HorizontalPodAutoscaler":
        target = spec.message("target")
    return {"counts": counts + [0] * (5 - len(counts)), "present": present, "target_version": target.text("version"),
            "target_kind": target.text("kind"), "target_name": target.text("name"),
            "schedule": spec.text("schedule") if kind == "CronJob" else "", "policy": spec.text("policy") if kind == "CronJob" else ""}


MODELS = {"Pod": pod, "Node": node, "Namespace": lambda m: {"phase": m.message("status").text("phase")}, "ResourceQuota": quota,
          "Service": service, "EndpointSlice": endpoint_slice, "PersistentVolume": volume, "PersistentVolumeClaim": claim}
ANNOTATED = ("Service", "PersistentVolume", "PersistentVolumeClaim")
WITHOUT_METADATA = ("ResourceQuota", "EndpointSlice")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def expected_of(kind, fields):
    """The object that baton must print for the fields that protoc printed, with all that can be asked for."""
    m = Message(fields)
    meta = m.message("metadata")
    version = meta.text("version")
    is_number = re.fullmatch("[0-9]+", version) and int(version) < 2 ** 64
    printed = {"kind": kind, "name": meta.text("name"), "namespace": meta.text("namespace"), "uid": meta.text("uid"),
               "version": int(version) if is_number else 0}
    if kind not in WITHOUT_METADATA:
        printed["created"] = meta.time("created")
        printed["labels"] = meta.pairs("labels")
        printed["owners"] = [{"kind": o.text("kind"), "name": o.text("name"), "uid": o.text("uid"), "controller": o.bool("controller")}
                             for o in meta.messages("owners")]
        annotations = meta.pairs("annotations") if kind in ANNOTATED else []
        printed["annotations"] = [pair for pair in annotations if not pair[0].startswith(LAST_APPLIED)]
    printed.update(MODELS[kind](m) if kind in MODELS else workload(kind, m))
    return printed
