"""The two servers, configured alike: one worker, 50 messages of a channel kept for five minutes, no log, no pings."""

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NGINX = """\
load_module {module};
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile {descriptors};
error_log {folder}/nginx.log crit;
pid {folder}/nginx.pid;
events {{
    worker_connections {connections};
    use epoll;
    multi_accept on;
    accept_mutex off;
}}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 1024M;
    nchan_message_buffer_length 50;
    nchan_message_timeout 5m;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=65535;
        nchan_channel_id $arg_id;
        location /pub {{ nchan_publisher; }}
        location /sub {{ nchan_subscriber websocket eventsource longpoll; }}
        location /stream {{ nchan_subscriber http-raw-stream; }}
    }}
}}
"""

PUSHGATE = """\
workers = 1
push_channel_id = "$arg_id"
push_message_buffer_length = 50
push_message_timeout = "5m"
push_ping_interval = 0

[[server]]
listen = ["127.0.0.1:{port}"]
keepalive_timeout = "1h"

[[server.location]]
path = "/pub"
push_publisher = true

[[server.location]]
path = "/sub"
push_subscriber = true

[[server.location]]
path = "/stream"
push_subscriber = ["stream"]
push_message_template = "~text~\\n"
"""

ROOT = Path(__file__).resolve().parents[1]
BUILD = ["cargo", "build", "--release", "--locked", "--bin", "pushgate"]
START_SECONDS = 20
PACKAGES = ["nginx", "libnginx-mod-nchan"]


def build():
    """The binary of this checkout."""
    subprocess.run(BUILD, check=True, cwd=ROOT)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return Path(ROOT, target, "release/pushgate")


def descriptors():
    """What a process may have, as far as it can be raised."""
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20_000)


def pinned(processor, command):
    """The command on one processor, where there are others."""
    return ["taskset", "-c", str(processor), *map(str, command)] if (os.cpu_count() or 1) > 1 else [*map(str, command)]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A daemon on a free port, for as long as a `with` block. Its processes are `pid` and its children."""

    def __init__(self):
        self.port = free_port()

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="pushgate-compare-")
        self.folder = Path(self.temporary.name)
        limit = descriptors()
        self.process = subprocess.Popen(
            pinned(0, self.command()), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        self.pid = self.process.pid
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise SystemExit(f"{self.NAME} does not start")
            time.sleep(0.02)
        return self

    def answers(self):
        """Whether a request is answered: by a worker, which may be born after the socket listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as client:
                client.sendall(b"GET /pub?id=none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return bool(client.recv(1))
        except ConnectionError:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.temporary.cleanup()

    def publisher(self):
        return f"http://127.0.0.1:{self.port}/pub?id={{ch}}"

    def subscriber(self, transport):
        path = "stream" if transport == "stream" else "sub"
        return f"http://127.0.0.1:{self.port}/{path}?id={{ch}}"


class Nchan(Server):
    NAME = "Nchan"
    MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

    def command(self):
        limit = descriptors()
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(module=self.MODULE, folder=self.folder, port=self.port,
                                     descriptors=limit, connections=limit - 100))
        return ["/usr/sbin/nginx", "-c", file]


class Pushgate(Server):
    NAME = "pushgate"

    def __init__(self, binary):
        super().__init__()
        self.binary = Path(binary).resolve()

    def command(self):
        file = self.folder / "pushgate.toml"
        file.write_text(PUSHGATE.format(port=self.port))
        return [self.binary, "-q", "-c", file]


def install():
    """Makes sure that nginx and Nchan are there."""
    if shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") and Nchan.MODULE.exists():
        return
    if os.geteuid() != 0:
        sys.exit(f"install them first: apt-get install --no-install-recommends {' '.join(PACKAGES)}")
    # Run level 1: the package does not start its own server.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=environment)
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
