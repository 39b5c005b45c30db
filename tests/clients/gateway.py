"""A gateway of our own for a test: the release binary, on a free port of loopback, for as long as a `with` block."""

import itertools
import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PUSHGATE", str(ROOT / "target/release/pushgate"))
URL = re.compile(r"http://[\w.:\[\]-]+")


def free_ports(text):
    """The configuration with every port it listens on left to the kernel, each on a loopback address of its own."""
    hosts = itertools.count(1)
    return re.sub(r"^listen = .*$", lambda _: f'listen = ["127.0.0.{next(hosts)}:0"]', text, flags=re.M)


class Process:
    """A daemon that says where it listens, and ends with the test, however that ends."""

    def __init__(self, command, listeners=1, **options):
        self.lines = []
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.urls = []
        while len(self.urls) < listeners:
            line = self.process.stdout.readline()
            if not line:
                self.process.stdout.close()
                self.process.wait()
            assert line, f"{command} ended: {''.join(self.lines)}"
            self.lines.append(line)
            self.urls += URL.findall(line)
        self.reader = threading.Thread(target=self.lines.extend, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()


class Gateway(Process):
    """pushgate with a configuration, given as text. `urls` has one entry a server."""

    def __init__(self, configuration):
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "pushgate.toml"
        file.write_text(free_ports(configuration))
        servers = re.findall(r"^\[\[server\]\]", configuration, re.M)
        super().__init__([BINARY, "-c", str(file)], listeners=len(servers))
        self.url = self.urls[0]

    def __exit__(self, *error):
        super().__exit__(*error)
        self.folder.cleanup()
