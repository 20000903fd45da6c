"""A peer as a process of its own, spoken to as `docs/stdio.md` says, with what it costs.

CPU time is that of all threads of the process, those that have ended too, in nanoseconds: Linux gives it as a clock of
the process (`clock_getcpuclockid`). Peak memory is what the kernel calls VmHWM.
"""

import json
import os
import subprocess
import tempfile
import threading
import time

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


class PeerError(Exception):
    """The peer answered with an error, or ended."""


class TimeLimit(Exception):
    """The peer was ended because its time was up."""


class Process:
    """A peer under way; ended when the `with` block is left, or after `limit` seconds."""

    def __init__(self, command, limit):
        self.log = tempfile.TemporaryFile()
        self.began = time.perf_counter()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, **ONE_THREAD},
            text=True,
            bufsize=1,
        )
        self.is_late = False
        self.timer = threading.Timer(limit, self._end)
        self.timer.start()

    def _end(self):
        self.is_late = True
        self.child.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.timer.cancel()
        self.child.kill()
        # What is still in the pipe's buffer has nobody to read it.
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass
        self.child.stdout.close()
        self.child.wait()
        self.log.close()

    def request(self, cmd, **keys):
        """Sends a request and gives the reply."""
        try:
            self.child.stdin.write(json.dumps({"cmd": cmd, **keys}) + "\n")
            line = self.child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if self.is_late:
            raise TimeLimit
        if not line:
            self.child.wait()
            self.log.seek(0)
            said = self.log.read().decode(errors="replace").strip().splitlines()
            raise PeerError(f"it ended on `{cmd}`: {said[-1] if said else 'without a word'}")
        try:
            reply = json.loads(line)
        except ValueError:
            raise PeerError(f"it answered `{cmd}` with what is no JSON: {line.strip()}") from None
        if "error" in reply:
            raise PeerError(f"it answered `{cmd}` with: {reply['error']}")
        return reply

    def cpu(self):
        """CPU seconds so far."""
        # The kernel's number of the clock that counts the scheduled time of a process.
        return 1e-9 * time.clock_gettime_ns((~self.child.pid << 3) | 2)

    def wall(self):
        """Seconds since the process was started."""
        return time.perf_counter() - self.began

    def memory(self):
        """Peak memory in MiB."""
        with open(f"/proc/{self.child.pid}/status") as status:
            kib = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
        return int(kib) / 1024
