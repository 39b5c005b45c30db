"""A daemon that is measured as it grows: its memory, its processor time, what its status page tells, and requests in a row."""

import json
import socket
import time
import urllib.request
from pathlib import Path

from compare_servers import PUSHGATE, START_SECONDS, Pushgate

STATUS = """
[[server.location]]
path = "= /status"
push_status = true
push_status_format = "json"
"""

# Requests that are sent before the answer to the first is read.
AHEAD = 100
# The allocator gives back what was not used for ten seconds; then nothing changes any more.
CALM_SECONDS = 15
SETTLE_SECONDS = 90
BODY = 64
# All of them succeed: anything else is never met, and what came instead is told.
HEAD = b"HTTP/1.1 2"


class Daemon(Pushgate):
    """pushgate with a status page, and with root keys that replace those of `compare`."""

    def __init__(self, binary, **keys):
        super().__init__(binary)
        self.keys = keys
        self.locations = ""

    def command(self):
        file = self.folder / "pushgate.toml"
        file.write_text(PUSHGATE.format(port=self.port) + STATUS + self.locations)
        replaced = [word for key, value in self.keys.items() for word in ("-g", f"{key}={value}")]
        return [self.binary, "-q", "-c", file, *replaced]

    def subscriber(self, transport, prefix=""):
        return super().subscriber(transport).replace("{ch}", prefix + "{ch}")

    def publisher(self, prefix=""):
        return super().publisher().replace("{ch}", prefix + "{ch}")

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=START_SECONDS) as answer:
            return json.load(answer)

    def memory(self):
        """Bytes that no file backs."""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        fields = (line.split() for line in lines)
        return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Pss_Anon:", "Pss_Shmem:"))

    def settled_memory(self):
        """The same when the allocator has given back what it does not need."""
        begun = calm = time.monotonic()
        least = self.memory()
        while time.monotonic() < min(calm + CALM_SECONDS, begun + SETTLE_SECONDS):
            time.sleep(0.5)
            if self.memory() < least:
                least, calm = self.memory(), time.monotonic()
        return self.memory()

    def cpu(self):
        """Microseconds of all threads."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1000

    def connections(self):
        """Those that are open, but for the one that asks."""
        return self.status()["connections"]["active"] - 1

    def wait(self, seconds, done):
        """Whether it comes true in that time; what is awaited is asked of the daemon every half second."""
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                return False
            time.sleep(0.5)
        return True

    def send(self, method, count, channels, body=True):
        """So many requests on one connection, to each channel in turn: the faults, in words."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as client:
            for first in range(0, count, AHEAD):
                numbers = range(first, min(first + AHEAD, count))
                client.sendall(b"".join(request(method, number, channels, body) for number in numbers))
                answers = read_answers(client, len(numbers))
                if answers.count(HEAD) < len(numbers):
                    return [f"{method} was answered {answers[:200]!r}"]
        return []


def request(method, number, channels, body):
    text = f"{number:0{BODY}}" if body else ""
    head = f"{method} /pub?id=c{number % channels} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n"
    return (head + text).encode()


def read_answers(client, count):
    """What comes until there are so many heads; the rest of the last answer may be in the next."""
    answers = b""
    while answers.count(HEAD) < count:
        more = client.recv(1 << 16)
        if not more or b"HTTP/1.1 4" in answers or b"HTTP/1.1 5" in answers:
            break
        answers += more
    return answers
