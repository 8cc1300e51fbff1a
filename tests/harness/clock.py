"""A clock of its own for a replica (clock.c), set while the replica runs."""
import mmap
import os
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUT = "qqqq"  # struct page of clock.c
SECOND = 1_000_000_000


def build(folder):
    """Compiles the library; returns its path."""
    path = os.path.join(folder, "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", path, os.path.join(HERE, "clock.c")], check=True)
    return path


class Clock:
    def __init__(self, library, path, wall_s=0, boot_s=0, rate_ppm=0):
        self.library, self.path = library, path
        with open(path, "wb") as f:
            f.write(bytes(mmap.PAGESIZE))
        self.file = open(path, "r+b")
        self.page = mmap.mmap(self.file.fileno(), mmap.PAGESIZE)
        self.wall_ns, self.boot_ns = int(wall_s * SECOND), int(boot_s * SECOND)
        struct.pack_into(LAYOUT, self.page, 0, self.wall_ns, self.boot_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME), rate_ppm)

    def env(self):
        return {"LD_PRELOAD": self.library, "TEST_CLOCK": self.path}

    def step_wall(self, seconds):
        self.wall_ns += int(seconds * SECOND)
        struct.pack_into("q", self.page, 0, self.wall_ns)

    def leap_boot(self, seconds):
        """As a machine that slept: both clocks go on, but boot time is ahead."""
        self.boot_ns += int(seconds * SECOND)
        struct.pack_into("q", self.page, 8, self.boot_ns)

    def close(self):
        self.page.close()
        self.file.close()
