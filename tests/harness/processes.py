"""Child processes whose output lines arrive as they are written, each with the time of arrival."""
import os
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BATON = os.environ.get("BATON", os.path.join(ROOT, "build", "release", "baton"))
KUBESIM = os.environ.get("KUBESIM", os.path.join(ROOT, "build", "release", "kubesim", "kubesim"))
PEERS = os.environ.get("BATON_PEERS", os.path.join(ROOT, "build", "peers"))


class Lines:
    """Lines of one stream: (unix seconds, text). Threads may wait for a line that satisfies a condition."""

    def __init__(self, stream):
        self.items = []
        self.changed = threading.Condition()
        self.closed = False
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for line in stream:
            with self.changed:
                self.items.append((time.time(), line.decode(errors="replace").rstrip("\n")))
                self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def wait(self, condition, timeout, start=0):
        """The first (time, result) of a line from index `start` on for which condition(text) is true; None after the timeout."""
        end = time.monotonic() + timeout
        index = start
        with self.changed:
            while True:
                while index < len(self.items):
                    when, text = self.items[index]
                    index += 1
                    result = condition(text)
                    if result:
                        return when, result
                left = end - time.monotonic()
                if self.closed or left <= 0:
                    return None
                self.changed.wait(left)

    def __len__(self):
        with self.changed:
            return len(self.items)

    def texts(self, start=0):
        with self.changed:
            return [text for _, text in self.items[start:]]


class Process:
    def __init__(self, command, name, env=None, cwd=None):
        self.name = name
        self.started = time.time()
        self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=env, cwd=cwd, start_new_session=True)
        self.out = Lines(self.popen.stdout)
        self.err = Lines(self.popen.stderr)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)
        return time.time()

    def wait(self, timeout):
        """Exit status, or None when it still runs. After the end all of its lines are there."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self.out.thread.join(2)
        self.err.thread.join(2)
        return status

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL; harmless if it is gone."""
        if self.alive():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            if self.wait(timeout) is None:
                self.popen.kill()
                self.popen.wait()
        self.out.thread.join(2)
        self.err.thread.join(2)

    def memory(self):
        """Bytes by name of /proc/PID/status: VmRSS, RssAnon, RssFile, VmHWM."""
        with open(f"/proc/{self.pid}/status") as f:
            fields = dict(line.split(":", 1) for line in f)
        return {key: int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "RssAnon", "RssFile", "VmHWM")}

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
