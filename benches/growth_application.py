"""An application that hands requests over, says that they are to be held, or does not answer.

    growth_application.py      prints its port, and serves until it is killed

`/handed/?id=CHANNEL` is answered with `X-Accel-Redirect`, `/stream/?id=CHANNEL` and `/response/?id=CHANNEL` with GRIP, and
`/never/` is not.
"""

import asyncio
import socket
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

from compare_servers import START_SECONDS, pinned
from growth_daemon import Daemon

LOCATIONS = """
[[server.location]]
path = "/handed/"
proxy_pass = "http://127.0.0.1:{application}"

[[server.location]]
path = "/inside/"
internal = true
push_subscriber = true

[[server.location]]
path = "~ ^/(stream|response)/"
proxy_pass = "http://127.0.0.1:{application}"
push_grip = true

[[server.location]]
path = "/never/"
proxy_pass = "http://127.0.0.1:{application}"
proxy_read_timeout = "1h"

[[server.location]]
path = "/edited/"
push_publisher = true
push_publisher_upstream_request = "http://127.0.0.1:{application}/never/"
proxy_read_timeout = "1h"
"""


def answer(target):
    url = urlsplit(target)
    channel = parse_qs(url.query)["id"][0]
    lines = {
        "/handed/": [f"X-Accel-Redirect: /inside/?id={channel}"],
        "/stream/": ["Content-Type: text/event-stream", "Grip-Hold: stream", f"Grip-Channel: {channel}"],
        "/response/": ["Grip-Hold: response", f"Grip-Channel: {channel}", "Grip-Timeout: 3600"],
    }[url.path]
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "Content-Length: 0", "", ""]).encode()


async def serve(reader, writer):
    try:
        while True:
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
            if target.startswith("/never/"):
                await reader.read()
                break
            writer.write(answer(target))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Front(Daemon):
    """pushgate in front of the application, which shares the processor of the load."""

    def __enter__(self):
        command = pinned(1, [sys.executable, __file__])
        self.application = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            self.locations = LOCATIONS.format(application=int(self.application.stdout.readline()))
            return super().__enter__()
        except BaseException:
            self.end()
            raise

    def __exit__(self, *_):
        super().__exit__()
        self.end()

    def end(self):
        self.application.kill()
        self.application.wait()
        self.application.stdout.close()

    def behind(self, way):
        """Where the application is asked, in one of its ways."""
        return f"http://127.0.0.1:{self.port}/{way}/?id={{ch}}"

    def asked(self):
        """Requests that the application has got."""
        return sum(one["requests"] for one in self.status()["application"]["upstreams"].values())

    def waiting(self, way, many, body):
        """Bytes for each of so many requests with a body of that length that wait for the application; None if not all do."""
        empty = self.memory()
        request = f"POST /{way}/?id=c HTTP/1.1\r\nHost: x\r\nContent-Length: {body}\r\n\r\n".encode() + bytes(body)
        with ExitStack() as stack:
            for _ in range(many):
                client = socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS)
                stack.enter_context(client).sendall(request)
            if self.wait(START_SECONDS, lambda: self.asked() == many):
                return (self.memory() - empty) / many
        return None


if __name__ == "__main__":
    asyncio.run(main())
