"""A second kube-apiserver on the etcd of the first one, which it reaches through a link: what is done to the link makes it lag.

Its answers and its watches come from a cache that the link feeds, so a delay of the link makes it a server that is behind, and a link that holds
everything one whose watches show the past and whose writes and consistent reads wait.
"""
import os

from harness.api import ApiServer


class LaggingServer(ApiServer):
    def __init__(self, first, proxy, folder):
        with open(os.path.join(first.folder, "etcd.url")) as f:
            etcd = f.read().removeprefix("http://")
        self.link = proxy.link("etcd-of-the-lagging-server", etcd)
        super().__init__("apiserver", folder, arguments=("--join", first.folder, "--etcd", f"http://{self.link.address}"))

    def lag(self, milliseconds):
        """What etcd answers and tells comes so much later. Each call needs at least one answer."""
        self.link.set(down={"delay_ms": milliseconds})

    def stand(self):
        """Nothing comes from etcd any more; what the cache holds is still served."""
        self.link.hold(up=False)

    def catch_up(self):
        self.link.set()

    def cached_version(self, lease):
        """What its cache shows."""
        status, found = self.api.request("GET", f"{self.api.lease_path(lease)}?resourceVersion=0")
        assert status == 200, (status, found)
        return int(found["metadata"]["resourceVersion"])

    def mend(self):
        self.catch_up()
        self.thaw()
