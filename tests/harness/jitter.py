"""A busy machine, made: `--jitter=MS` stops each replica for up to so many milliseconds at random moments, about a fifth of the time, and lets the
test wait as long before half of its steps. It finds tests, and code, that count on who is first."""
import random
import signal
import threading
import time

STOPPED_SHARE = 1 / 5
limit_s = 0
choice = random.Random()


def enable(ms):
    global limit_s
    limit_s = ms / 1000
    seed = int(time.time())
    choice.seed(seed)  # threads take turns in an order of their own, so this replays the choices of a test only about
    print(f"jitter: up to {ms} ms, seed {seed}")


def nap():
    """Before a step of a test."""
    if limit_s and choice.random() < 0.5:
        time.sleep(choice.uniform(0, limit_s))


class Stops:
    """Of one process, for as long as it lives. Its signals are sent through here, so that one that a test has stopped stays so."""

    def __init__(self, popen):
        self.popen, self.lock, self.is_held = popen, threading.Lock(), False
        if limit_s:
            threading.Thread(target=self._work, daemon=True).start()

    def send(self, number):
        with self.lock:
            if number in (signal.SIGSTOP, signal.SIGCONT):
                self.is_held = number == signal.SIGSTOP
            self.popen.send_signal(number)

    def _work(self):
        mean_s = limit_s / 2 * (1 / STOPPED_SHARE - 1)  # between two stops, of limit_s / 2 each
        while self.popen.poll() is None:
            time.sleep(choice.expovariate(1 / mean_s))
            with self.lock:
                if not self.is_held:
                    self.popen.send_signal(signal.SIGSTOP)
                    time.sleep(choice.uniform(0, limit_s))
                    self.popen.send_signal(signal.SIGCONT)
