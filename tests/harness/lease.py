"""`baton lease` as a person runs it."""
import json
import os
import subprocess

from harness.processes import BATON, Process

OK, ERROR, NOBODY, NOT_TAKEN = 0, 1, 3, 4  # exit statuses


def environment(kubeconfig):
    kept = {key: value for key, value in os.environ.items()
            if not key.lower().endswith("_proxy") and not key.startswith(("KUBE", "POD_"))}
    return {**kept, **({"KUBECONFIG": kubeconfig} if kubeconfig else {})}


class Result:
    def __init__(self, status, out, errors):
        self.status, self.out, self.errors = status, out, errors

    def leases(self):
        return json.loads(self.out)["leases"]

    def lines(self):
        """Decoded lines of JSON, as yield writes them."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"exit status {self.status}\n{self.out}\n{self.errors}"


def lease(verb, *arguments, kubeconfig=None, timeout=60, env=None):
    done = subprocess.run([BATON, "lease", verb, *arguments], env={**environment(kubeconfig), **(env or {})}, capture_output=True, text=True, timeout=timeout)
    return Result(done.returncode, done.stdout, done.stderr)


def of(world, *more, user="admin"):
    """Arguments for the Lease of this test."""
    return ["--name", world.lease, "--namespace", "default", "--kubeconfig", world.server.kubeconfig_of(user), *more]


def watch(world, *more, env=None):
    """`lease status --watch`, its lines as they come."""
    process = Process([BATON, "lease", "status", "--watch", *of(world, *more)], "lease", env={**environment(None), **(env or {})})
    world.processes.append(process)
    return process
