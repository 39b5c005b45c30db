"""What becomes of a case: what the client gets and what the application is asked, each part by its name."""

import re
import socket
import time

from application import MARK, Closing, Hanging

# Neither what a server calls itself, nor when it speaks, nor whether the connection goes on.
SKIPPED = {"date", "server", "connection", "keep-alive"}
# Of a page that the server makes itself.
OF_PAGE = {"content-type", "content-length", "transfer-encoding", "cache-control", "etag", "last-modified", "vary"}
# What says which message it is, and how it looks in a channel's state.
OF_ID = {"etag", "last-modified", "content-length"}
ID = re.compile(r"\d{9,}:\d+")
PATIENCE = 5
# After the answer that is due: whatever else comes has come by then.
QUIET = 0.3


def outcome(server, case):
    """A dictionary of texts."""
    port = server.application.port
    if case.before:
        exchange(server.port, case.before, False)
    server.application.begin(settled(case.answers, port))
    answers = exchange(server.port, case.sent, case.raw)
    time.sleep(0.02)
    texts = {str(port): "APP", str(server.port): "PORT", str(server.closed): "CLOSED"}

    def neutral(text):
        for number, name in texts.items():
            text = text.replace(f":{number}", f":{name}")
        return text

    if case.ids:
        answers = [(status, [part for part in headers if part[0] not in OF_ID], ID.sub("ID", body)) for status, headers, body in answers]
    parts = {"status": ", ".join(status for status, _, _ in answers) or "none"}
    if not case.raw and answers:
        parts |= told(*answers[-1])
    for number, request in enumerate(server.application.seen, 1):
        parts |= asked(f"asked {number}", request)
    return {name: neutral(text) for name, text in parts.items()}


def differences(theirs, ours):
    """The names of the parts in which two outcomes differ, without those that follow from another: headers and body of
    an answer with another status, and all of a request but its line where only one application was asked."""
    found = sorted({name for name in theirs | ours if theirs.get(name) != ours.get(name)})
    if theirs["status"] != ours["status"]:
        found = [name for name in found if name != "body" and not name.startswith("header ")]
    lone = [name for name in found if is_request(name) and (name not in theirs or name not in ours)]
    first = next(iter(sorted(lone, key=number)), None)
    if first is None:
        return found
    # Requests behind the first that only one has are like it.
    return [name for name in found if name == first or not (name.startswith("asked ") and number(name) >= number(first))]


def is_request(name):
    words = name.split(" ")
    return words[0] == "asked" and len(words) == 2


def number(name):
    return int(name.split(" ")[1])


def settled(answers, port):
    """Answers that name the application's own address are made with its port."""
    def settle(request):
        said = answers(request)
        return said(port) if callable(said) else said
    return settle


def told(status, headers, body):
    own = not body.startswith(MARK) and status >= "400"
    parts = {} if own else {"body": body}
    for name, value in headers:
        if name in SKIPPED or (own and name in OF_PAGE):
            continue
        key = f"header {name}"
        parts[key] = f"{parts[key]} // {value}" if key in parts else value
    return parts


def asked(place, request):
    parts = {f"{place}": request.line}
    if request.body:
        parts[f"{place} body"] = request.body
    for name, value in request.headers:
        key = f"{place} {name}"
        value = value.lower() if name == "connection" else value
        parts[key] = f"{parts[key]} // {value}" if key in parts else value
    return parts


def exchange(port, sent, raw):
    """Sends bytes, and reads answers: the first that is final, or where it is raw everything that comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(sent)
        received, answers, ended = b"", [], False
        while True:
            answers = parse(received, sent.split(b" ", 1)[0] == b"HEAD", ended)
            if ended or (answers and not raw):
                return answers
            client.settimeout(QUIET if answers else PATIENCE)
            try:
                more = client.recv(1 << 16)
            except (TimeoutError, ConnectionError):
                more = b""
            received += more
            ended = not more


def parse(received, is_head, ended):
    """The answers at the beginning of bytes, as status, headers and body; what breaks off says so."""
    answers = []
    while received:
        head, found, rest = received.partition(b"\r\n\r\n")
        if not found:
            return answers + ([("broken", [], received.decode("latin-1"))] if ended else [])
        first, *lines = head.decode("latin-1").split("\r\n")
        if not first.startswith("HTTP/1."):
            return answers + [("0.9", [], received.decode("latin-1"))] if ended else answers
        status = first.split(" ", 2)[1]
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        names = dict(headers)
        if is_head or status in ("204", "304") or status.startswith("1"):
            body, received = b"", rest
        elif names.get("transfer-encoding") == "chunked":
            body, received = chunks(rest)
        elif "content-length" in names:
            length = int(names["content-length"])
            body, received = rest[:length], rest[length:]
            if len(body) < length:
                body, received = (body + b" (breaks off)", b"") if ended else (None, b"")
        else:
            body, received = (rest, b"") if ended else (None, b"")
        if body is None and ended:
            body, received = rest + b" (breaks off)", b""
        if body is None:
            return answers
        if not status.startswith("1") or status == "101":
            answers.append((status, headers, body.decode("latin-1")))
    return answers


def chunks(rest):
    """The body of chunks and what follows; None if there is more to come."""
    body = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return None, b""
        size = int(size, 16)
        if len(rest) < size + 2:
            return None, b""
        body, rest = body + rest[:size], rest[size + 2:]
        if size == 0:
            return body, rest
