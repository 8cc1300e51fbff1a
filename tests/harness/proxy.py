"""The fault proxy (tests/peers/cmd/faultproxy): links between a replica and what it talks to, that fail as a test wants."""
import http.client
import json
import os

from harness.processes import PEERS, Process


class FaultProxy:
    def __init__(self):
        self.process = Process([os.path.join(PEERS, "faultproxy"), "--outlive-parent"], "faultproxy")
        found = self.process.out.wait(lambda text: text if text.startswith("control ") else None, 20)
        if found is None:
            raise RuntimeError(f"faultproxy did not start: {self.process.err.texts()[-5:]}")
        self.control = found[1].split(" ", 1)[1]

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.control, timeout=20)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == 200, f"faultproxy: {method} {path} {body}: {answer.status} {text}"
        return json.loads(text)

    def link(self, name, target, web=False):
        """A link to HOST:PORT; `web` ends TLS itself, so that rules can be given."""
        answer = self.request("POST", "/links", {"name": name, "target": target, "web": web})
        return Link(self, name, answer)

    def stop(self):
        self.process.stop()


class Link:
    HOLD = {"hold": True}

    def __init__(self, proxy, name, answer):
        self.proxy, self.name = proxy, name
        self.address, self.ca = answer["address"], answer.get("ca")

    def _request(self, method, what="", body=None):
        return self.proxy.request(method, f"/links/{self.name}{what}", body)

    def set(self, **state):
        """refuse=True, up={...}, down={...}: delay_ms, jitter_ms, bytes_per_second, hold. What is not given is whole again."""
        self._request("PUT", "/state", state)

    def hold(self, up=True, down=True):
        self.set(**({"up": self.HOLD} if up else {}), **({"down": self.HOLD} if down else {}))

    def heal(self):
        """Nothing is wrong any more; what was held goes on."""
        self.set()
        self.clear()

    def cut(self, how="rst"):
        """All present connections: "rst", "fin" or "half" (only the target's side); returns their number."""
        return self._request("POST", "/cut", {"how": how})["count"]

    def target(self, target):
        """New connections go to this HOST:PORT."""
        self._request("PUT", "/target", {"target": target})

    def rule(self, **rule):
        """Of a web link: see tests/peers/cmd/faultproxy/rules.go."""
        return self._request("POST", "/rules", rule)["id"]

    def hits(self, rule_id):
        return next((r["hits"] for r in self.stats().get("rules", []) if r["id"] == rule_id), 0)

    def clear(self):
        self._request("DELETE", "/rules")

    def new_certificate(self, new_ca=False):
        """Of a web link, for new connections; returns the CA."""
        self.ca = self._request("POST", "/certificate", {"new_ca": new_ca})["ca"]
        return self.ca

    def stats(self):
        return self._request("GET")

    def close(self):
        self._request("DELETE")
