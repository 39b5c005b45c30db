"""What is measured: each case gives rows of figures, and the faults that it met."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from compare_cases import Case, phase
from compare_servers import pinned
from growth_application import Front
from growth_daemon import BODY, Daemon

MESSAGES = 1_000_000
CHANNELS = 100_000
WAVES, WAVE = 10, 10_000
DAEMONS = 6
# Memory that may stay when all have gone: what the allocator knows of pages, and pages in part used.
KEPT = 2 << 20
# Far above what any run takes.
RUN_SECONDS = 300
# How long a load waits for what other loads keep from it.
PATIENCE = "60"
TRANSPORTS = ["sse", "ws", "long-poll", "stream"]
ROOMY = {"push_max_reserved_memory": "'4g'", "push_message_buffer_length": MESSAGES}
SMALL = 16 << 20
# Slow enough for the application, which is one process: what waits for it takes memory too.
CONNECT_RATE = 1000
# How they come to listen, in what way of the application, and what is published so that it is a message there.
BEHIND = [
    ("SSE", "sse", None, "{msg}"),
    ("SSE, handed over", "sse", "handed", "{msg}"),
    ("SSE, a stream that GRIP holds", "sse", "stream", "data: {msg}\n\n"),
    ("WebSocket", "ws", None, "{msg}"),
    ("WebSocket, handed over", "ws", "handed", "{msg}"),
    ("long poll", "long-poll", None, "{msg}"),
    ("long poll, handed over", "long-poll", "handed", "{msg}"),
    ("long poll, a response that GRIP holds", "long-poll", "response", "{msg}"),
]
# As many messages after a while as at the start: what is measured is not a heap that grows.
LATEST = {"push_message_buffer_length": 1}


class Load:
    """`pushgate bench` on one daemon, begun when it is made."""

    def __init__(self, daemon, *words, transport="sse", prefix="", listens=True, url=None):
        words = [*words, "--pub", daemon.publisher(prefix), "--pid", daemon.pid, "--patience", PATIENCE, "--json", "--quiet"]
        if listens:
            words += ["--sub", url or daemon.subscriber(transport, prefix), "--transport", transport]
        command = pinned(1, [daemon.binary, "bench", *words])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def report(self):
        """What it reports at its end, and its faults in words."""
        out, told = self.process.communicate(timeout=RUN_SECONDS)
        if not out:
            return None, [told.strip() or "a load said nothing"]
        report = json.loads(out)
        faults = list(report["faults"]["told"]) + [f"{number} {kind}" for kind, number in Case.faults(report).items() if number]
        return report, faults + ([] if report["complete"] else ["a load did not come to its end"])


def reports(loads):
    """The reports of loads that run at the same time; none where one had a fault."""
    done = [load.report() for load in loads]
    faults = [fault for _, faults in done for fault in faults]
    return ([] if faults else [report for report, _ in done]), faults


def mean(all_reports, name, figure):
    """Microseconds for each operation of all loads together."""
    parts = [phase(report, name) for report in all_reports]
    return sum(part["server"][figure] * part["operations"] for part in parts) / sum(part["operations"] for part in parts)


def held(all_reports, when):
    """Bytes for each connection of all loads together."""
    each = [next(moment for moment in report["memory"] if moment["when"] == when)["unfiled_each"] for report in all_reports]
    many = [report["subscribers"] for report in all_reports]
    return sum(one * number for one, number in zip(each, many)) / sum(many)


def hold_words(subscribers, channels, messages, seconds):
    return ["hold", "--subs", subscribers, "--channels", channels, "--messages", messages, "--seconds", seconds]


def hold(binary, subscribers, channels, messages, daemons=1, **keys):
    """Connections that wait on each of some daemons at the same time, and then get messages."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Daemon(binary, **keys)) for _ in range(daemons)]
        # Those that are held first wait for those that come last.
        seconds = 1 if daemons == 1 else daemons
        words = hold_words(subscribers, channels, messages, seconds)
        found, faults = reports([Load(server, *words) for server in servers])
    if not found:
        return {}, faults
    return {
        "held, B": held(found, "held"),
        "after messages, B": held(found, "after messages"),
        "connect, us": mean(found, "connect", "us"),
        "delivery, us": mean(found, "deliver", "us"),
        "user, us": mean(found, "deliver", "user_us"),
    }, faults


def kernel(sockets, rounds, processes=1):
    """Microseconds of a send where there is nothing but the kernel and a loop, of some processes at the same time."""
    command = pinned(0, [sys.executable, Path(__file__).with_name("growth_kernel.py"), sockets, rounds])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    try:
        for process in running:
            if not process.stdout.readline():
                raise SystemExit("the bare sends failed")
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        return sum(float(process.communicate(timeout=RUN_SECONDS)[0]) for process in running) / processes
    finally:
        for process in running:
            process.kill()


def subscribers(binary, scale):
    """One channel, more and more subscribers, and about as many deliveries to all of them each time."""
    for many, messages, daemons in ((1000, 100, 1), (3000, 33, 1), (10_000, 10, 1), (19_000, 5, 1), (100_000, 4, DAEMONS)):
        each = -(-many // scale // daemons)
        figures, faults = hold(binary, each, 1, messages, daemons)
        title = f"{each * daemons:,}" + (f" of {daemons} daemons" if daemons > 1 else "")
        yield title, ({**figures, "a bare send, us": kernel(each, messages, daemons)}, faults)


def publish(binary, channels):
    """Microseconds of a publish to channels where nobody listens."""
    with Daemon(binary, **LATEST) as server:
        found, faults = reports([Load(server, "publish", "--channels", channels, "--seconds", 1, listens=False)])
    return (mean(found, "publish", "us") if found else None), faults


def channels(binary, scale):
    """Ten thousand subscribers on more and more channels, and publishing to as many where nobody listens."""
    many = 10_000 // scale
    for number in (1, 100, 1000, 10_000):
        number = max(1, number // scale)
        figures, faults = hold(binary, many, number, 10 if number < many else 4, **LATEST)
        alone, more = publish(binary, number)
        if figures and alone:
            # What is published to one subscriber each costs a publish for every delivery.
            figures = {
                "held, B": figures["held, B"],
                "a delivery with its part of a publish, us": figures["delivery, us"],
                "a publish alone, us": alone,
                "a delivery alone, us": figures["delivery, us"] - alone * number / many,
            }
        yield f"{number:,}", (figures, faults + more)


def application(binary, scale):
    """Those who listen by themselves, beside those whom an application has handed over or has held, by the same transport."""
    many = 10_000 // scale
    for title, transport, way, body in BEHIND:
        with Front(binary) as server:
            words = [*hold_words(many, 1, 1, 1), "--connect-rate", CONNECT_RATE, "--pub-body", body]
            url = server.behind(way) if way else None
            found, faults = reports([Load(server, *words, transport=transport, url=url)])
        figures = {"held, B": held(found, "held"), "after a message, B": held(found, "after messages")} if found else {}
        if found:
            figures["connect, us"] = mean(found, "connect", "us")
        yield title, (figures, faults)


def waiting(binary, scale):
    """Requests that wait for the word of an application that says nothing."""
    many = 1000 // scale
    for body in (0, 1 << 10, 16 << 10):
        figures, faults = {}, []
        for column, way in (("passed on, B", "never"), ("a message to be decided about, B", "edited")):
            with Front(binary, push_hook_requests=many) as server:
                each = server.waiting(way, many, body)
            figures |= {column: each} if each is not None else {}
            faults += [] if each is not None else [f"{way}: not all wait"]
        yield f"{body:,} bytes", (figures, faults)


def kept(before, after):
    """The fault of memory that does not come back, if that is so."""
    return [f"{after - before:,} bytes are not given back"] if after > before + KEPT else []


def wave(server, number, many):
    """Connections of one transport come, get a message and go: on one channel, or on one each that is never met again."""
    apart = number % 2 == 1
    words = hold_words(many, many if apart else 1, 1, 0)
    transport = TRANSPORTS[number // 2 % len(TRANSPORTS)]
    _, faults = reports([Load(server, *words, transport=transport, prefix=f"w{number}-" if apart else "")])
    if not server.wait(10, lambda: server.connections() == 0):
        faults = [*faults, f"{server.connections()} connections stayed"]
    return faults


def churn(binary, scale):
    """Connections that come and go in waves, half of them on a channel each; then all channels have expired."""
    with Daemon(binary, push_message_timeout="'1s'", push_channel_timeout="'1s'") as server:
        moments = [("at the start", server.memory())]
        faults = []
        for number in range(WAVES):
            faults += wave(server, number, WAVE // scale)
            if number + 1 in (2, WAVES):
                if not server.wait(20, lambda: server.status()["channels"] == 0):
                    faults.append("channels stayed")
                moments.append((f"after {(number + 1) * (WAVE // scale):,}", server.settled_memory()))
    faults += kept(moments[0][1], moments[-1][1])
    for title, memory in moments:
        yield title, ({"memory, KiB": memory / 1024}, faults)
        faults = []


def store(binary, count, number, keys, expected=None):
    """Messages of 64 bytes to some channels in turn, and what the daemon has of them then."""
    with Daemon(binary, **keys) as server:
        empty, start = server.memory(), server.cpu()
        faults = server.send("POST", count, number)
        used = (server.cpu() - start) / count
        full, status = server.memory() - empty, server.status()
    stored, budget = status["messages"]["stored"], status["memory"]
    if expected is not None and stored != expected:
        faults.append(f"{stored} of {expected} messages are stored")
    if budget["used"] > budget["limit"] > 0:
        faults.append(f"{budget['used']} bytes are used of {budget['limit']}")
    return {
        "stored": stored,
        "memory, MiB": full / (1 << 20),
        "reserved, MiB": budget["used"] / (1 << 20),
        "a message, B": full / max(stored, 1),
        "publish, us": used,
    }, faults


def stored(binary, scale):
    """A million messages, with room for them and with little."""
    count = MESSAGES // scale
    for number in (100, 10_000):
        yield f"{count:,} in {number:,} channels", store(binary, count, number, ROOMY, count)
    few = {**ROOMY, "push_max_reserved_memory": f"'{SMALL // scale}'"}
    for part in (count // 4, count):
        yield f"{part:,} with {SMALL / scale / (1 << 20):.3g} MiB for them", store(binary, part, 10_000, few)


def idle(binary, count, method, body):
    """Channels that nobody needs: what they take, and that they go."""
    with Daemon(binary, push_channel_timeout="'15s'", push_message_timeout="'1s'") as server:
        empty = server.memory()
        faults = server.send(method, count, count, body)
        if body and not server.wait(8, lambda: server.status()["messages"]["stored"] == 0):
            faults.append("messages stayed")
        there, full = server.status()["channels"], server.memory()
        if there != count:
            faults.append(f"{there} of {count} channels are there")
        if not server.wait(40, lambda: server.status()["channels"] == 0):
            faults.append("channels stayed")
        left = server.settled_memory()
        faults += kept(empty, left)
    return {
        "a channel, B": (full - empty) / count,
        "before, KiB": empty / 1024,
        "with them, KiB": full / 1024,
        "when gone, KiB": left / 1024,
    }, faults


def idle_channels(binary, scale):
    """A hundred thousand channels without messages and subscribers."""
    count = CHANNELS // scale
    yield f"{count:,} made by PUT", idle(binary, count, "PUT", False)
    yield f"{count:,} whose message of {BODY} bytes has expired", idle(binary, count, "POST", True)


# Processor time, which other work on the machine disturbs: measured in every round. Memory is in one.
TIMED = ("Subscribers of one channel", "Channels", "Behind an application")
CASES = {
    "Subscribers of one channel": subscribers,
    "Channels": channels,
    "Behind an application": application,
    "Bodies of requests that wait for an application": waiting,
    "Connections that came and went": churn,
    "Stored messages": stored,
    "Idle channels": idle_channels,
}
