"""What is measured: the runs of `pushgate bench`, and the rows that their figures make."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A run on each server; `figures` takes from its report what the rows need."""

    name: str
    load: str
    transport: str = "sse"
    subscribers: int = 0
    channels: int = 1
    more: tuple = ()
    listens: bool = True
    figures: object = None

    def words(self, scale):
        """The command line, with so many times fewer connections."""
        words = [self.load, "--channels", str(max(1, self.channels // scale))]
        if self.subscribers:
            words += ["--subs", str(self.subscribers // scale)]
        if self.listens and self.load != "churn":
            words += ["--transport", self.transport]
        return words + list(self.more)

    def command(self, binary, server, scale=1, more=()):
        """The whole of it, for a server that runs."""
        words = [*self.words(scale), *more, "--pub", server.publisher(), "--pid", str(server.pid)]
        if self.listens:
            words += ["--sub", server.subscriber(self.transport)]
        return [binary, "bench", *words, "--json", "--quiet"]

    @staticmethod
    def faults(report):
        return {kind: number for kind, number in report["faults"].items() if kind not in ("checked", "unsure", "told")}


def phase(report, name):
    return next(phase for phase in report["phases"] if phase["name"] == name)


def times(report, name):
    return next(times for phase in report["phases"] for times in phase["times"] if times["name"] == name)


def cost(name):
    """Microseconds of the server for one operation of a phase, and how many of them outside the kernel."""
    def figures(report):
        server = phase(report, name)["server"]
        return {"cpu": server["us"], "user": server["user_us"]}
    return figures


def memory(report):
    """Bytes for each connection while all wait, and after a message to each."""
    by_moment = {held["when"]: held["unfiled_each"] for held in report["memory"]}
    return {"held": by_moment["held"], "after": by_moment["after messages"]}


def fan_out(report):
    answer = times(report, "publisher's answer")["p50"] / 1000
    return {**cost("deliver")(report), "answer": answer}


def neighbour(report):
    return {"p99": times(report, "neighbour")["p99"] / 1000, "answer": times(report, "neighbour's answer")["p99"] / 1000}


def publishing(report):
    return {**cost("publish")(report), "rate": phase(report, "publish")["operations"] / phase(report, "publish")["seconds"]}


MANY = 10_000
CASES = [
    Case("hold sse", "hold", "sse", MANY, figures=memory),
    Case("hold ws", "hold", "ws", MANY, figures=memory),
    Case("hold long-poll", "hold", "long-poll", MANY, figures=memory),
    Case("hold stream", "hold", "stream", MANY, figures=memory),
    Case("hold apart", "hold", "sse", MANY, MANY, figures=memory),
    Case("fan-out sse", "fanout", "sse", MANY, more=("--messages", "20"), figures=fan_out),
    Case("fan-out ws", "fanout", "ws", MANY, more=("--messages", "20"), figures=fan_out),
    Case("burst sse", "fanout", "sse", MANY, figures=fan_out,
         more=("--messages", "60", "--warmup", "20", "--inflight", "20")),
    Case("churn", "churn", "long-poll", MANY, figures=fan_out),
    Case("publish", "publish", channels=1000, more=("--pub-conns", "64"), listens=False, figures=publishing),
    Case("connect sse", "connect", "sse", channels=100, figures=cost("connect")),
    Case("connect ws", "connect", "ws", channels=100, figures=cost("connect")),
    Case("neighbour", "neighbour", "sse", MANY, figures=neighbour, more=("--messages", "40", "--beats", "100", "--neighbours", "100")),
]


@dataclass(frozen=True)
class Row:
    """A figure of a case, less being better."""

    title: str
    case: str
    figure: str
    unit: str
    plot: str


ROWS = [
    Row("memory of a held connection, SSE", "hold sse", "held", "B", "memory"),
    Row("memory of a held connection, SSE, after a message", "hold sse", "after", "B", "memory"),
    Row("memory of a held connection, WebSocket", "hold ws", "held", "B", "memory"),
    Row("memory of a held connection, WebSocket, after a message", "hold ws", "after", "B", "memory"),
    Row("memory of a held connection, long poll", "hold long-poll", "held", "B", "memory"),
    Row("memory of a held connection, long poll, after a message", "hold long-poll", "after", "B", "memory"),
    Row("memory of a held connection, stream", "hold stream", "held", "B", "memory"),
    Row("memory of a held connection, stream, after a message", "hold stream", "after", "B", "memory"),
    Row("memory of a held connection, SSE, a channel each", "hold apart", "held", "B", "memory"),
    Row("memory of the same, with the message in each channel", "hold apart", "after", "B", "memory"),
    Row("CPU of a delivery, SSE, a message at a time", "fan-out sse", "cpu", "us", "cpu"),
    Row("CPU of the same outside the kernel", "fan-out sse", "user", "us", "cpu"),
    Row("CPU of a delivery, WebSocket, a message at a time", "fan-out ws", "cpu", "us", "cpu"),
    Row("CPU of a delivery, SSE, publisher 20 ahead", "burst sse", "cpu", "us", "cpu"),
    Row("CPU of a long-poll cycle", "churn", "cpu", "us", "cpu"),
    Row("CPU of a publish, nobody listening", "publish", "cpu", "us", "cpu"),
    Row("CPU of a connect and subscribe, SSE", "connect sse", "cpu", "us", "cpu"),
    Row("CPU of a connect and subscribe, WebSocket", "connect ws", "cpu", "us", "cpu"),
    Row("the publisher's answer beside all subscribers, median", "fan-out sse", "answer", "ms", "time"),
    Row("the publisher's answer in another channel during a fan-out to them, p99", "neighbour", "answer", "ms", "time"),
    Row("channels with one subscriber beside them, p99", "neighbour", "p99", "ms", "time"),
]
