"""What was measured, as tables."""

import datetime
import os
import shlex
import subprocess
import textwrap

from compare_report import machine, spread


class Results:
    """Figures of each round, by case, row and column, and all faults."""

    def __init__(self):
        self.load = os.getloadavg()[0]
        self.cases = {}
        self.faults = []
        self.rounds = 0

    def add(self, case, row, figures, faults):
        columns = self.cases.setdefault(case, {}).setdefault(row, {})
        for column, figure in figures.items():
            columns.setdefault(column, []).append(figure)
            self.rounds = max(self.rounds, len(columns[column]))
        self.faults += [f"{case}, {row}: {fault}" for fault in faults]

    def described(self, binary, words):
        version = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stdout.strip()
        how = (
            f"`{shlex.join(['./benches/growth', *words])}` on {datetime.date.today().isoformat()}: {version}; {machine()}, "
            f"load average {self.load:.1f} at the start. {self.rounds} round{'s' if self.rounds > 1 else ''}: "
            "the median [lowest-highest]."
        )
        return "\n".join(textwrap.wrap(how, 120, break_long_words=False, break_on_hyphens=False))

    def tables(self):
        """Markdown: a table a case, then the faults."""
        parts = [table(name, rows) for name, rows in self.cases.items()]
        told = "".join(f"\nFAULT {fault}" for fault in self.faults) or "\nNo fault."
        return "\n".join(parts) + "\n" + told + "\n"


def table(name, rows):
    columns = list(dict.fromkeys(column for figures in rows.values() for column in figures))
    lines = [[name, *columns], ["---", *["---:"] * len(columns)]]
    for row, figures in rows.items():
        lines.append([row, *(spread(figures[column]) if column in figures else "-" for column in columns)])
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
