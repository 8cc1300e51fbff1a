"""Objects full of texts that a generator made: quantities, image texts, container ids, and names of node conditions."""
from objects import QUOTAS, Shape

DECIMAL = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E")
BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
QUOTA_KEYS = ("cpu", "memory", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory",
              "requests.ephemeral-storage", "requests.storage", "ephemeral-storage")
PIECES = ("a", "b9", "x_y", "x__y", "x___y", "z-z", "z--z", "Q", "reg.io", "localhost", "10.0.0.1", "[::1]", "é", "", "0", "A.B", "sha256", "latest",
          "v1.2_3-X")
WORDS = ("Ready", "HTTP", "x", "X", "2", "42", "Go", "URL", "iPhone", "é", "Ω", "a1", "B2b", "PID", "OK", "ID3")
MARKS = ("", "", "", "-", "_", ".", "/", " ", ":", "__", "-.", "+")


class Chance:
    def __init__(self, rng):
        self.rng = rng

    def digits(self, most):
        return "".join(self.rng.choice("0123456789") for _ in range(self.rng.randint(1, most)))

    def quantity(self, negative=False):
        """A valid one, of any size; below zero only small ones, since the reference rounds large ones now up and now down there."""
        rng = self.rng
        if negative and rng.random() < 0.2:
            return "-" + self.digits(6) + rng.choice(("", "m", "k", "M", "Ki", "Mi"))
        most = rng.choice((1, 3, 3, 6, 16, 21))
        number = rng.choice((self.digits(most), self.digits(most), f"{self.digits(most)}.{self.digits(6)}", f"{self.digits(3)}.{self.digits(18)}",
                             f".{self.digits(4)}", f"{self.digits(4)}."))
        suffix = rng.choice((rng.choice(DECIMAL), rng.choice(BINARY), f"{rng.choice('eE')}{rng.choice(('', '+', '-'))}{rng.randint(0, 20)}"))
        return rng.choice(("", "", "", "+")) + number + suffix

    def image(self):
        rng = self.rng
        text = "/".join(rng.choice(PIECES) + rng.choice(("", "", ":5000")) for _ in range(rng.randint(1, 3)))
        text += rng.choice(("", f":{rng.choice(PIECES)}", ":1", ":v1.2"))
        algorithm, length = rng.choice((("sha256", 64), ("sha384", 96), ("sha512", 128), ("sha256", 63), ("md5", 32), ("a+b", 64)))
        hexadecimal = "".join(rng.choice("0123456789abcdef") for _ in range(length))
        return text + rng.choice(("", "", f"@{algorithm}:{hexadecimal}"))

    def identity(self):
        rng = self.rng
        return rng.choice(("containerd", "cri-o", "a b", "x_1", "", "é", "a/b")) + rng.choice(("://", "://", ":", "")) + self.digits(12)

    def name(self):
        return "".join(self.rng.choice(WORDS) + self.rng.choice(MARKS) for _ in range(self.rng.randint(1, 5)))

    def quota(self, number):
        status = {key: {name: self.quantity() for name in QUOTA_KEYS} for key in ("hard", "used")}
        return Shape("resourcequotas", f"chance-{number}", QUOTAS, status=status)

    def cluster_quota(self, number, count):
        def some():
            return {f"k{i}{self.rng.choice(('', '.cpu', 'cpu', '.cpu.x'))}": self.quantity(negative=True) for i in range(count)}
        return Shape("clusterresourcequotas", f"chance-{number}", "", rest={"status": {
            "total": {"hard": some(), "used": some()}, "namespaces": [{"namespace": "a", "status": {"hard": some(), "used": some()}}]}})

    def pod(self, number, count):
        names = [f"c{i}" for i in range(count)]
        containers = [{"name": name, "image": "x", "resources": {"requests": {"cpu": self.quantity(), "memory": self.quantity()}}} for name in names]
        entries = [{"name": name, "image": self.image(), "imageID": "", "ready": self.rng.random() < 0.5, "restartCount": self.rng.randint(0, 9),
                    "containerID": self.identity()} for name in names if self.rng.random() < 0.95]
        self.rng.shuffle(entries)
        return Shape("pods", f"chance-{number}", "odd-c", rest={"spec": {"containers": containers}},
                     status={"phase": "Running", "containerStatuses": entries})

    def shapes(self):
        return [*[self.quota(i) for i in range(30)], *[self.cluster_quota(i, 60) for i in range(3)], *[self.pod(i, 20) for i in range(12)]]
