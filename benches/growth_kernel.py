"""What the kernel alone takes for a delivery: `send` to so many sockets in turn, with nothing around it.

    growth_kernel.py SOCKETS ROUNDS

says that it is ready, waits for a line, and prints microseconds of processor time for each, with what Python takes for the
loop. Whoever reads runs on the second processor, and the next round begins when it has all of the last.
"""

import os
import select
import socket
import sys
import time

# As long as an event with a message of 64 bytes.
FRAME = b"x" * 110
# Sockets of one address: looking for a free port takes the longer the more are taken.
PORTS = 1000
WARM_UP = 2
# How long a connection is waited for.
PATIENCE = 30


def read(port, count, rounds, done):
    """Connects the sockets, and says by a byte when all have been sent a frame."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    poll, sockets = select.epoll(), {}
    for number in range(count):
        client = socket.create_connection(("127.0.0.1", port), source_address=(f"127.1.1.{1 + number // PORTS}", 0))
        client.setblocking(False)
        sockets[client.fileno()] = client
        poll.register(client, select.EPOLLIN)
    for _ in range(rounds):
        awaited = count * len(FRAME)
        while awaited > 0:
            for descriptor, _ in poll.poll():
                awaited -= len(sockets[descriptor].recv(4096))
        os.write(done, b".")


def accept(listener, count):
    listener.settimeout(PATIENCE)
    sockets = [listener.accept()[0] for _ in range(count)]
    for peer in sockets:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setblocking(False)
    return sockets


def measure(count, rounds):
    """Microseconds for a send."""
    rounds += WARM_UP
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    heard, done = os.pipe()
    if os.fork() == 0:
        listener_port = listener.getsockname()[1]
        os.close(heard)
        listener.close()
        read(listener_port, count, rounds, done)
        os._exit(0)
    os.close(done)
    sockets = accept(listener, count)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(rounds):
        if number == WARM_UP:
            start = time.process_time()
        for peer in sockets:
            peer.send(FRAME)
        if os.read(heard, 1) != b".":
            raise SystemExit("the reader is gone")
    used = time.process_time() - start
    os.wait()
    return 1e6 * used / (count * (rounds - WARM_UP))


if __name__ == "__main__":
    print(measure(int(sys.argv[1]), int(sys.argv[2])))
