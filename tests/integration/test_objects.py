"""Objects as the real API server sends them, and mutated ones: baton's decoder against `protoc --decode`, protobuf against JSON.

The rule for bytes that are not as they should be: whatever baton decodes, protoc decodes too, to the same meaning (object_model.py); whatever
baton refuses has one of the faults that Go's decoder refuses as well (object_model.strict_walk), of which protoc takes some for unknown fields.
"""
import os
import random
import struct
import subprocess
import sys
import json

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
import object_model as model  # noqa: E402
import object_shapes  # noqa: E402
from harness.api import ApiServer, PEERS  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BATON_BUILD", os.path.join(ROOT, "build", "release"))
DRIVER = os.path.join(BUILD, "tests", "integration", "object_driver")
CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus", "object_pb")
PROTOBUF, JSON = 0, 1
METADATA, ALL = 1, 15
SEED = int(os.environ.get("OBJECT_SEED", "20260102"))
MUTANTS_A_KIND = 600


def decode(cases, fields=ALL):
    """[(kind, format, bytes)] -> [printed object as a dict, or the error as a text]"""
    frames = b"".join(struct.pack("<BBBBI", model.KINDS.index(kind), form, fields, 0, len(data)) + data for kind, form, data in cases)
    done = subprocess.run([DRIVER], input=frames, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    lines = done.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(cases)
    return [line if line.startswith("error: ") else json.loads(line) for line in lines]


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def protoc(kind, items, folder):
    """What protoc makes of each, as text; None if it refuses them (all of them: they are one message)."""
    batch = os.path.join(folder, f"{kind}.proto")
    with open(batch, "w") as f:
        f.write(f'syntax = "proto2";\nimport "objects.proto";\nmessage Batch {{ repeated {kind} items = 1; }}\n')
    data = b"".join(b"\x0a" + varint(len(item)) + item for item in items)
    done = subprocess.run(["protoc", "--decode=Batch", f"-I{folder}", f"-I{HERE}", batch], input=data, capture_output=True, timeout=60)
    if done.returncode != 0:
        return None
    return [value for name, value in model.parse_text(done.stdout.decode("latin-1")) if name == "items"]


def check_same(kind, items, decoded, folder):
    """protoc takes all of them, and the model of its output is what baton printed."""
    parsed = protoc(kind, items, folder)
    if parsed is None:
        refused = [item for item in items if protoc(kind, [item], folder) is None]
        raise AssertionError(f"{kind}: baton decodes what protoc refuses: {refused[0].hex()}")
    assert len(parsed) == len(items)
    for item, fields, printed in zip(items, parsed, decoded):
        assert printed == model.expected_of(kind, fields), f"{kind}, seed {SEED}: {item.hex()}"


def raw_of(envelope):
    """The object in a runtime.Unknown with its magic."""
    assert envelope[:4] == b"k8s\0"
    at = 4
    while at < len(envelope):
        tag, at = model.read_varint(envelope, at, len(envelope))
        length, at = model.read_varint(envelope, at, len(envelope))
        if tag >> 3 == 2:
            return envelope[at:at + length]
        at += length
    raise AssertionError("no object in the envelope")


def get(api, path, accept):
    connection = api.connect()
    try:
        connection.request("GET", path, headers={**api.headers, "Accept": accept})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body
    finally:
        connection.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if not os.path.exists(os.path.join(PEERS, "apiserver")):
        pytest.skip(f"SKIPPED, there is no {PEERS}/apiserver: build it with tests/peers/build.sh, which needs Go")
    started = ApiServer("apiserver", str(tmp_path_factory.mktemp("objects")))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def real(server):
    """[(kind, protobuf, JSON)] of every shape, from the real API server."""
    api = server.api
    api.create_namespace("shop")
    objects = []
    for kind, path, body, status in object_shapes.shapes():
        api.create(path, body)
        own = f"{path}/{body['metadata']['name']}"
        if status is not None:
            code, stored = api.request("GET", own)
            assert code == 200
            stored["status"] = status
            code, answer = api.request("PUT", f"{own}/status", stored)
            assert code == 200, (kind, own, answer)
        raw = raw_of(get(api, own, "application/vnd.kubernetes.protobuf"))
        objects.append((kind, raw, get(api, own, "application/json")))
    return objects


def corpus():
    """[(kind, protobuf)]: real objects that are kept in the repository as the fuzzer's corpus (a byte of kind, one of fields, the object)."""
    objects = []
    for name in sorted(os.listdir(CORPUS)):
        if name.startswith("real_"):
            with open(os.path.join(CORPUS, name), "rb") as f:
                data = f.read()
            objects.append((model.KINDS[data[0]], data[2:]))
    return objects


def test_every_kind_is_there(real):
    assert {kind for kind, _, _ in real} == set(model.KINDS[:-1])
    assert {kind for kind, _ in corpus()} == set(model.KINDS[:-1])


def test_protobuf_and_json_are_the_same(real):
    for fields in (0, METADATA, ALL):
        from_protobuf = decode([(kind, PROTOBUF, raw) for kind, raw, _ in real], fields)
        from_json = decode([(kind, JSON, text) for kind, _, text in real], fields)
        for (kind, _, text), a, b in zip(real, from_protobuf, from_json):
            assert isinstance(a, dict), a
            assert a == b, f"{kind}: {text.decode()}"


def test_real_objects_as_protoc(real, tmp_path):
    for kind in model.KINDS[:-1]:
        items = [raw for k, raw, _ in real if k == kind] + [raw for k, raw in corpus() if k == kind]
        decoded = decode([(kind, PROTOBUF, item) for item in items])
        assert all(isinstance(d, dict) for d in decoded), decoded
        check_same(kind, items, decoded, str(tmp_path))


# -- mutations --


def fields_of(data):
    """[(start, end)] of the fields of a message, or nothing if it is none."""
    at, found = 0, []
    try:
        while at < len(data):
            start = at
            tag, at = model.read_varint(data, at, len(data))
            wire = tag & 7
            if wire == 0:
                _, at = model.read_varint(data, at, len(data))
            elif wire == 2:
                length, at = model.read_varint(data, at, len(data))
                at += length
            else:
                at += {1: 8, 5: 4}[wire]
            if at > len(data):
                return []
            found.append((start, at))
    except (model.Strict, KeyError):
        return []
    return found


def mutate_inside(r, data, depth=0):
    """Changes the order, number or content of the fields of a message somewhere in it, with right lengths around."""
    fields = fields_of(data)
    if not fields:
        return flip(r, data)
    at = r.randrange(len(fields))
    start, end = fields[at]
    field = data[start:end]
    body_start = len(field)
    if field[0] & 7 == 2:
        _, tag_end = model.read_varint(field, 0, len(field))
        _, body_start = model.read_varint(field, tag_end, len(field))
    if field[0] & 7 == 2 and depth < 5 and r.random() < 0.75 and body_start < len(field):
        tag_end = model.read_varint(field, 0, len(field))[1]
        body = mutate_inside(r, field[body_start:], depth + 1)
        return data[:start] + field[:tag_end] + varint(len(body)) + body + data[end:]
    choice = r.randrange(7)
    parts = [data[s:e] for s, e in fields]
    if choice == 0:
        r.shuffle(parts)
    elif choice == 1:
        parts.insert(r.randrange(len(parts) + 1), parts[at])
    elif choice == 2:
        del parts[at]
    elif choice == 3:  # one that nobody knows
        parts.insert(at, r.choice([b"\xc8\x3e\x05", b"\xc9\x3e" + b"x" * 8, b"\xca\x3e\x03abc", b"\xcd\x3e" + b"y" * 4, b"\xca\x3e\x00"]))
    elif choice == 4:  # another number, same type
        parts[at] = varint(r.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 20, 23]) << 3 | field[0] & 7) + field[model.read_varint(field, 0, len(field))[1]:]
    elif choice == 5 and field[0] & 7 == 0:
        parts[at] = field[:model.read_varint(field, 0, len(field))[1]] + varint(r.choice([0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 63, 2 ** 64 - 1]))
    else:
        text = r.choice([b"", b"\xff\xfe", b"1e3", b"-1.5Gi", b"cpu", b"x", b"10E", b"a/b:c", b"sha256:" + b"ab" * 32, b"True", b"\0", b"9" * 30, b"\xc3\xa9\""])
        parts[at] = field[:1] + varint(len(text)) + text if field[0] & 7 == 2 and field[0] < 0x80 else field + field
    return b"".join(parts)


def flip(r, data):
    data = bytearray(data)
    for _ in range(r.randrange(1, 4)):
        if data:
            data[r.randrange(len(data))] = r.choice([0, 1, 0x7f, 0x80, 0xff, r.randrange(256)])
    return bytes(data)


def mutate(r, data):
    choice = r.random()
    if choice < 0.15:
        return data[:r.randrange(len(data) + 1)]
    if choice < 0.35:
        return flip(r, data)
    for _ in range(r.randrange(1, 4)):
        data = mutate_inside(r, data)
    return data


@pytest.mark.parametrize("kind", model.KINDS[:-1])
def test_mutated_objects_as_protoc(kind, tmp_path):
    print(f"seed {SEED}")
    r = random.Random(f"{SEED} {kind}")
    bases = [raw for k, raw in corpus() if k == kind]
    items = [mutate(r, r.choice(bases)) for _ in range(MUTANTS_A_KIND)]
    decoded = decode([(kind, PROTOBUF, item) for item in items])
    good = [(item, d) for item, d in zip(items, decoded) if isinstance(d, dict)]
    for item, d in zip(items, decoded):
        try:
            model.strict_walk(item, kind)
            refused = None
        except model.Strict as reason:
            refused = str(reason)
        assert isinstance(d, dict) == (refused is None), f"{kind}, seed {SEED}: {d}, expected {refused}: {item.hex()}"
    assert MUTANTS_A_KIND * 0.3 < len(good) < MUTANTS_A_KIND * 0.98
    for i in range(0, len(good), 200):
        check_same(kind, [item for item, _ in good[i:i + 200]], [d for _, d in good[i:i + 200]], str(tmp_path))


@pytest.mark.parametrize("kind", model.KINDS[:-1])
def test_what_protoc_refuses(kind, tmp_path):
    """Some of what baton refuses, one by one: protoc refuses it too, unless the fault is one that it keeps as unknown fields."""
    r = random.Random(f"{SEED} refused {kind}")
    base = min((raw for k, raw in corpus() if k == kind), key=len)
    cuts = [base[:n] for n in sorted(r.sample(range(1, len(base)), 6))]
    decoded = decode([(kind, PROTOBUF, item) for item in cuts])
    for item, d in zip(cuts, decoded):
        assert isinstance(d, dict) == (protoc(kind, [item], str(tmp_path)) is not None), item.hex()
