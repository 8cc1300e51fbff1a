"""baton as in a pod: address from the environment, the service account's files where a container has them (in a mount namespace of its own)."""
import os
import subprocess

from harness.processes import BATON


def start_in_cluster(world, name, config, files, **env):
    """Starts baton where `files` is the folder of the service account."""
    script = ('mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && '
              'mount --bind "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"')
    wrapper = os.path.join(world.folder, f"{name}.sh")
    with open(wrapper, "w") as f:
        f.write(f'#!/bin/sh\nexec unshare -m sh -c \'{script}\' sh "{files}" "{BATON}" "$@"\n')
    os.chmod(wrapper, 0o755)
    env = {"KUBERNETES_SERVICE_HOST": world.api.host, "KUBERNETES_SERVICE_PORT": str(world.api.port), "KUBECONFIG": None, **env}
    return world.start(name, config, env=env, program=wrapper)


def no_mounts():
    """Why this user cannot mount; empty if it can."""
    done = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && test -d /var/run"], capture_output=True, text=True)
    return f"no mount namespaces here, the service account's folder cannot be shown to baton: {done.stderr.strip()}" if done.returncode else ""


def account_folder(world, token):
    folder = os.path.join(world.folder, "account")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(world.server.folder, "ca.crt")) as f:
        ca = f.read()
    for name, text in {"token": token, "ca.crt": ca, "namespace": "default"}.items():
        with open(os.path.join(folder, name), "w") as f:
            f.write(text)
    return folder


def token_of(world, user):
    with open(os.path.join(world.server.folder, f"{user}.token")) as f:
        return f.read().strip()
