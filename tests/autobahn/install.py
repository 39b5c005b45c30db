"""Makes a virtual environment that has the Autobahn suite, Python 2 as published, as Python 3: install.py FOLDER

lib2to3 mends the syntax. What it cannot know is that the strings of the suite are bytes. They stay strings, of
characters that are bytes each, and fuzz.py turns them into bytes where they meet the protocol; EDITS has the rest.
Verdicts are left alone.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = ["autobahn==0.10.9", "autobahntestsuite==25.10.1"]

# What a fuzzing client is made of.
PARTS = ["fuzzing.py", "caseset.py", "report.py", "_version.py", "case/*.py"]

# (files, what they say, what they are to say, how many times it must be there)
EDITS = [
    ("case/*.py", "(object, Case, )", "(Case, )", 6),
    ("case/*.py", "binascii.b2a_hex(", "hexadecimal(", 23),
    ("fuzzing.py", "binascii.b2a_hex(", "hexadecimal(", 5),
    ("fuzzing.py", "dd.decode('utf8'", "dd.encode('latin-1').decode('utf8'", 1),
    ("case/case6_x_x.py", "v.validate(vss[:i])", "v.validate(vss[:i].encode('latin-1'))", 1),
    ("case/__init__.py", "from .case9_9_1 import *\n", "", 1),
    ("case/case10_1_1.py", "len(self.payload) / self.p", "len(self.payload) // self.p", 1),
]

HEXADECIMAL = '''
import binascii

def hexadecimal(data):
    """The digits of bytes, or of a string of characters that are bytes."""
    return binascii.b2a_hex(data.encode("latin-1") if isinstance(data, str) else data).decode("ascii")
'''


def main(folder):
    installed = folder / ".installed"
    wanted = Path(__file__).read_text() + (HERE / "requirements.txt").read_text()
    if installed.exists() and installed.read_text() == wanted:
        return
    python = folder / "bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "venv", "--clear", folder)
    run(*pip, "-r", HERE / "requirements.txt")
    run(*pip, "--no-deps", "--no-build-isolation", "--no-compile", *SUITE)
    for package in folder.glob("lib/python3*/site-packages/autobahntestsuite"):
        convert(package)
    run(python, HERE / "fuzz.py", "--list")
    installed.write_text(wanted)


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def convert(package):
    from lib2to3.refactor import RefactoringTool, get_fixers_from_package
    fixers = RefactoringTool(get_fixers_from_package("lib2to3.fixes"))
    for file in sorted(file for pattern in PARTS for file in package.glob(pattern)):
        text = file.read_text("latin-1")
        file.write_text(str(fixers.refactor_string(text + "\n", str(file))), "utf-8")
    for pattern, old, new, expected in EDITS:
        found = 0
        for file in package.glob(pattern):
            text = file.read_text("utf-8")
            found += text.count(old)
            start = "from autobahntestsuite.hexadecimal import hexadecimal\n" if new == "hexadecimal(" and old in text else ""
            file.write_text(start + text.replace(old, new), "utf-8")
        assert found == expected, f"{old!r} is in {pattern} {found} times, not {expected}"
    (package / "__init__.py").write_text("from ._version import __version__ as version\n")
    (package / "hexadecimal.py").write_text(HEXADECIMAL)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
