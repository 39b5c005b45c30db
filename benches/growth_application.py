"""An application that never waits: it hands requests over, or says that they are to be held.

    growth_application.py      prints its port, and serves until it is killed

`/handed/?id=CHANNEL` is answered with `X-Accel-Redirect`, `/stream/?id=CHANNEL` and `/response/?id=CHANNEL` with GRIP.
"""

import asyncio
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

from compare_servers import pinned
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
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(head.split(b" ", 2)[1].decode()))
    except (asyncio.IncompleteReadError, ConnectionError):
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
        self.locations = LOCATIONS.format(application=int(self.application.stdout.readline()))
        return super().__enter__()

    def __exit__(self, *_):
        super().__exit__()
        self.application.kill()
        self.application.wait()
        self.application.stdout.close()

    def behind(self, way):
        """Where the application is asked, in one of its ways."""
        return f"http://127.0.0.1:{self.port}/{way}/?id={{ch}}"


if __name__ == "__main__":
    asyncio.run(main())
