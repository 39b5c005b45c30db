"""The Autobahn suite against the gateway: run.py [--reference KIND] [PART | CASE]...

A part is "protocol" or "compression", a case such as 1.1.1 or '9.*'; without any, it runs both parts. `--reference` tries the suite itself, on another
server that is sound or has a fault: see reference.mjs.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

from gateway import ROOT, Gateway, Process

PARTS = {
    "protocol": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"],
    "compression": ["12.*", "13.*"],
}
# A group of these is worth a process of its own; the longest come first.
LONG = ["13", "12", "9"]
PROCESSES = 2
TIMEOUT = 1200

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PYTHON = str(TARGET / "test-tools/autobahn/bin/python")
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}

# Each connection is a channel of its own, and gets what it publishes.
CONFIGURATION = """
push_max_reserved_memory = "256M"

[[server]]
listen = ["127.0.0.1:0"]

[[server.location]]
path = "/echo"
access = ["allow all"]
push_pubsub = true
push_subscriber = ["websocket"]
push_channel_id = "$connection"
push_store_messages = false
push_websocket_max_message = "32M"
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", choices=["sound", "payload", "utf8", "deflate"])
    parser.add_argument("cases", nargs="*", default=list(PARTS), metavar="PART | CASE")
    options = parser.parse_args()

    known = fuzz("--list").split()
    patterns = [pattern for asked in options.cases for pattern in PARTS.get(asked, [asked])]
    wanted = [case for case in known if any(fnmatch.fnmatch(case, pattern) for pattern in patterns)]
    begun = time.monotonic()
    with server(options.reference) as peer, ThreadPoolExecutor(PROCESSES) as pool:
        url = peer.urls[0].replace("http", "ws") + "/echo"
        reports = {}
        for part in pool.map(lambda group: play(url, group), groups(wanted)):
            reports.update(part)
        assert peer.process.poll() is None, f"the server ended: {''.join(peer.lines)}"

    failures = sum([judge(case, reports.get(case)) for case in wanted])
    print(f"{len(wanted)} cases in {time.monotonic() - begun:.0f} s")
    print(f"{len(wanted) - failures} passed, {failures} failed")
    sys.exit(1 if failures or not wanted else 0)


def server(reference):
    if reference is None:
        return Gateway(CONFIGURATION)
    return Process(["node", str(HERE / "reference.mjs"), reference])


def groups(cases):
    """The cases in lists, each for one process."""
    def group(case):
        major, minor, *_ = case.split(".")
        return (LONG.index(major), int(minor)) if major in LONG else (len(LONG), 0)
    return [list(some) for _, some in groupby(sorted(cases, key=group), group)]


def play(url, cases):
    with tempfile.NamedTemporaryFile("r") as report:
        fuzz(url, report.name, *cases)
        return json.load(report)


def fuzz(*arguments):
    command = [PYTHON, str(HERE / "fuzz.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def judge(case, report):
    """Says what is not as it should be, and whether that is a failure."""
    if report is None:
        print(f"{case}: no report")
        return True
    behaviors = {report["behavior"], report["behaviorClose"]}
    if behaviors - PASSED:
        print(f"{case}: {report['behavior']}, {report['result']} Close: {report['behaviorClose']}, {report['resultClose']} "
              f"(codes: sent {report['localCloseCode']}, received {report['remoteCloseCode']})")
        for entry in report["wirelog"]:
            print("   ", *entry)
    elif "NON-STRICT" in behaviors:
        print(f"{case}: not strict")
    return bool(behaviors - PASSED)


if __name__ == "__main__":
    main()
