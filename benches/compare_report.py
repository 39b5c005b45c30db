"""What was measured, as a table and as plots."""

import datetime
import json
import math
import os
import platform
import re
import shlex
import statistics
import subprocess
import textwrap
from pathlib import Path

NCHAN, PUSHGATE = "Nchan", "pushgate"


class Results:
    """All runs of a file, by round, case and server, and what they were made on."""

    def __init__(self, file, cases):
        self.cases = {case.name: case for case in cases}
        with open(file) as lines:
            self.described = json.loads(next(lines))
            reports = map(json.loads, lines)
            self.reports = {(report["round"], report["case"], report["server"]): report for report in reports}

    def measured(self, case):
        return any(name == case for _, name, _ in self.reports)

    def faults(self, server):
        """Faults by kind and messages checked, of all runs."""
        kinds, checked = {}, 0
        for (_, name, of), report in self.reports.items():
            if of != server:
                continue
            checked += report["faults"].get("checked", 0)
            for kind, count in self.cases[name].faults(report).items():
                kinds[kind] = kinds.get(kind, 0) + count
        return {kind: count for kind, count in kinds.items() if count}, checked

    def faulty(self):
        return any(not self.fine(report, name) for (_, name, _), report in self.reports.items())

    def fine(self, report, name):
        return report["complete"] and not any(self.cases[name].faults(report).values())

    def figures(self, row, server):
        """A figure of each round in which the run was fine."""
        found = {}
        for (number, name, of), report in self.reports.items():
            if name == row.case and of == server and self.fine(report, name):
                found[number] = self.cases[name].figures(report)[row.figure]
        return found

    def ratios(self, row):
        """Of each round in which both runs were fine; a figure too small for its clock makes none."""
        theirs, ours = self.figures(row, NCHAN), self.figures(row, PUSHGATE)
        return [ours[number] / theirs[number] for number in sorted(theirs.keys() & ours.keys()) if theirs[number] > 0]


def number(value):
    """Three digits that count."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def spread(values, unit=""):
    values = list(values)
    if not values:
        return "failed"
    middle = number(statistics.median(values)) + unit
    return middle if len(values) == 1 else f"{middle} [{number(min(values))}-{number(max(values))}]"


def machine():
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return f"{os.cpu_count()} processors ({cpu.group(1) if cpu else platform.machine()}), Linux {platform.release()}"


def versions(binary):
    nginx = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True).stderr.strip().rpartition("/")[2]
    query = ["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"]
    nchan = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    ours = subprocess.run([binary, "-v"], capture_output=True, text=True).stdout.strip()
    return f"nginx {nginx} with Nchan {nchan}, {ours}"


def described(binary, words, scale):
    """What is measured on what; the first line of a file of runs."""
    return {
        "command": shlex.join(["./benches/compare", *words]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(binary),
        "connections": 10_000 // scale,
        "load": os.getloadavg()[0],
    }


def table(results, rows, images):
    """Markdown: how it was measured, a table with a line a row, the plots."""
    rounds = 1 + max((number for number, _, _ in results.reports), default=0)
    on = results.described
    how = (
        f"`{on['command']}` on {on['date']}: {on['versions']}; {on['machine']}, load average {on['load']:.1f} at the start. "
        f"One worker of each on one processor, the load on another; {on['connections']:,} connections where connections are "
        "held. Memory is what the server's own grows by, without what the kernel keeps; CPU is the server's, with what the "
        f"kernel does for it. {rounds} round{'s' if rounds > 1 else ''}: the median [lowest-highest]; a ratio is of the two "
        "runs of one round."
    )
    lines = [
        *textwrap.wrap(how, 120, break_long_words=False, break_on_hyphens=False),
        "",
        "| | Nchan | pushgate | pushgate / Nchan |",
        "|---|---|---|---|",
    ]
    for row in rows:
        if results.measured(row.case):
            cells = [spread(results.figures(row, server).values(), f" {row.unit}") for server in (NCHAN, PUSHGATE)]
            lines.append(f"| {row.title} | {' | '.join(cells)} | {spread(results.ratios(row))} |")
    cells = []
    for server in (NCHAN, PUSHGATE):
        kinds, checked = results.faults(server)
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or "none"
        failed = sum(of == server and not results.fine(report, name) for (_, name, of), report in results.reports.items())
        cells.append(f"{told} of {checked:,} messages" + (f"; {failed} runs failed" if failed else ""))
    lines.append(f"| lost, doubled, out of order, corrupt or otherwise wrong | {' | '.join(cells)} | |")
    lines += [""] + [f"![{PLOTS[Path(image).stem][0]}]({image})" for image in images] if images else []
    return "\n".join(lines) + "\n"


# --- Plots

WIDTH, TITLES, BAR, GAP = 800, 370, 14, 12
COLOURS = {NCHAN: "#9aa4b2", PUSHGATE: "#2f6fde"}
PLOTS = {
    "memory": ("Memory of a held connection", "bytes"),
    "cpu": ("CPU of the server for one operation", "microseconds"),
    "time": ("Who waits for a large fan-out", "milliseconds"),
}


def plots(results, rows):
    """SVG images by file name: a pair of bars a row."""
    images = {}
    for name, (title, axis) in PLOTS.items():
        chosen = [row for row in rows if row.plot == name and results.figures(row, NCHAN) and results.figures(row, PUSHGATE)]
        if chosen:
            images[f"{name}.svg"] = plot(results, chosen, title, axis)
    return images


def ticks(high):
    """A round distance between ticks, of which there are two to five."""
    power = 10 ** math.floor(math.log10(high))
    return next(step for step in (power / 5, power / 2, power, 2 * power) if high / step <= 5)


def plot(results, rows, title, axis):
    values = [value for row in rows for server in COLOURS for value in results.figures(row, server).values()]
    step = ticks(max(values))

    def x(value):
        return TITLES + (WIDTH - TITLES - 100) * value / max(values)

    height = 84 + len(rows) * (2 * BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15" fill="#1f2328">{title}</text>',
        f'<text x="16" y="42" fill="#59636e">{axis}; lines from the lowest to the highest round</text>',
    ]
    for at, (server, colour) in enumerate(COLOURS.items()):
        left = WIDTH - 190 + at * 90
        parts.append(f'<rect x="{left}" y="14" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18}" y="24" fill="#1f2328">{server}</text>')
    for tick in range(int(max(values) / step) + 1):
        left = x(tick * step)
        parts.append(f'<line x1="{left:.1f}" x2="{left:.1f}" y1="52" y2="{height - 26}" stroke="#e3e6ea"/>')
        parts.append(f'<text x="{left:.1f}" y="{height - 12}" text-anchor="middle" fill="#59636e">{tick * step:,g}</text>')
    for at, row in enumerate(rows):
        top = 58 + at * (2 * BAR + GAP)
        parts.append(f'<text x="{TITLES - 10}" y="{top + BAR + 4}" text-anchor="end" fill="#1f2328">{row.title}</text>')
        for index, (server, colour) in enumerate(COLOURS.items()):
            found = results.figures(row, server).values()
            middle, y = statistics.median(found), top + index * BAR
            end = x(middle)
            parts.append(f'<rect x="{TITLES}" y="{y}" width="{max(1, end - TITLES):.1f}" height="{BAR - 2}" fill="{colour}"/>')
            line = f'x1="{x(min(found)):.1f}" x2="{x(max(found)):.1f}" y1="{y + BAR / 2 - 1}" y2="{y + BAR / 2 - 1}"'
            parts.append(f'<line {line} stroke="#1f2328"/>')
            label = max(end, x(max(found))) + 5
            parts.append(f'<text x="{label:.1f}" y="{y + BAR - 4}" fill="#59636e">{number(middle)} {row.unit}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
