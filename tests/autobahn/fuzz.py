"""Plays cases of the Autobahn suite against a server and writes what came of them: fuzz.py URL REPORT CASE...

It runs in the environment that install.py makes. The report is JSON, an object a case by its number. `--list` prints
the numbers of all cases.
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

from autobahntestsuite import fuzzing
from twisted.internet import reactor


def as_bytes(text):
    return text.encode("latin-1") if isinstance(text, str) else text


def as_text(data):
    return data.decode("latin-1") if isinstance(data, bytes) else data


class Protocol(fuzzing.FuzzingClientProtocol):
    """Between the cases, whose strings have a byte a character, and the protocol below, which speaks bytes."""

    def sendFrame(self, opcode, payload=b"", payload_len=None, **options):
        payload = as_bytes(payload)
        if payload_len is not None:
            payload = (payload * (payload_len // len(payload) + 1))[:payload_len]
        super().sendFrame(opcode, payload, **options)

    def sendMessage(self, payload, *options, **more):
        super().sendMessage(as_bytes(payload), *options, **more)

    def sendMessageFrameData(self, payload, *options, **more):
        return super().sendMessageFrameData(as_bytes(payload), *options, **more)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, as_bytes(reasonUtf8), isReply)

    def onMessage(self, payload, binary):
        # The cases of compression read their messages from files, as bytes.
        super().onMessage(payload if hasattr(self.runCase, "TESTDATA") else as_text(payload), binary)

    def onPong(self, payload):
        super().onPong(as_text(payload))

    def logRxFrame(self, header, payload):
        super().logRxFrame(header, map(as_text, payload))

    def logTxFrame(self, header, payload, *options):
        super().logTxFrame(header, as_text(payload) if self.createWirelog else payload, *options)


class Factory(fuzzing.FuzzingClientFactory):
    protocol = Protocol

    def createReports(self):
        reports = {case: report for reports in self.agents.values() for case, report in reports.items()}
        with open(self.spec["report"], "w") as file:
            json.dump(reports, file, default=repr)


def main(url, report, *cases):
    fuzzing.FuzzingClientProtocol = Protocol
    Factory({"servers": [{"url": url, "agent": "server"}], "cases": cases, "report": report})
    reactor.run()


if sys.argv[1] == "--list":
    numbers = fuzzing.CaseSet(fuzzing.CaseSetname, fuzzing.CaseBasename, fuzzing.Cases, {}, {}).CasesIndices
    print(*numbers, sep="\n")
else:
    main(*sys.argv[1:])
