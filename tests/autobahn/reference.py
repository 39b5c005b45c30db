"""An echo server to try the suite on: Python's websockets, as it is or broken on purpose: reference.py [FAULT]"""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.frames import Frame

LARGEST = 32 << 20


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def echo_what_was_not_sent(connection):
    async for message in connection:
        await connection.send(message.replace("a", "b") if isinstance(message, str) else message[::-1])


async def main(fault=None):
    handler = echo_what_was_not_sent if fault == "payload" else echo
    if fault == "utf8":
        # Bytes that are no UTF-8 are taken, and come back as they were.
        Frame.check = lambda frame: None
        handler = echo_bytes
    compression = None if fault == "deflate" else "deflate"
    async with serve(handler, "127.0.0.1", 0, max_size=LARGEST, compression=compression) as server:
        host, port = server.sockets[0].getsockname()
        print(f"http://{host}:{port}", flush=True)
        await server.serve_forever()


async def echo_bytes(connection):
    while True:
        await connection.send(await connection.recv(decode=False), text=True)


asyncio.run(main(*sys.argv[1:]))
