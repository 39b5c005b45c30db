"""The application behind both servers: it notes what it is asked, byte by byte, and says what a case has it say."""

import socket
import threading

# What an answer of its own looks like; whatever does not begin so is a page of the server before it.
MARK = "app"


def answer(status="200 OK", *headers, body=MARK, length=True):
    """A whole answer; `headers` are lines."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body.encode())}")
    return "\r\n".join([*lines, "", body]).encode()


class Closing(bytes):
    """An answer after which the application closes the connection."""


class Hanging(bytes):
    """An answer after which nothing more comes, though more is due."""


class Request:
    """A request as it came."""

    def __init__(self, line, headers, body):
        self.line, self.headers, self.body = line, headers, body
        self.method, self.target = line.split(" ")[:2]


class Application:
    """Listens on a free port. `answers` makes the answer to a request, `seen` has the requests."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.answers = lambda request: answer()
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()

    def begin(self, answers):
        self.answers, self.seen = answers, []

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while request := read(stream, connection):
                    self.seen.append(request)
                    said = self.answers(request)
                    connection.sendall(said)
                    if isinstance(said, Hanging):
                        connection.recv(1)
                    if isinstance(said, (Closing, Hanging)):
                        return
            except (ConnectionError, ValueError):
                return


def read(stream, connection):
    """The next request; None at the end."""
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    headers = []
    while text := stream.readline().decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers.append((name.lower(), value.strip()))
    told = dict(headers)
    if told.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = b""
    if "transfer-encoding" in told:
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        while stream.readline().strip():
            pass
    else:
        body = stream.read(int(told.get("content-length", 0)))
    return Request(line, headers, body.decode("latin-1"))
