"""The container files, without an engine: their commands run plainly, on loopback."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.request import Request, urlopen

import yaml

sys.path.insert(0, str(Path(__file__).parent / "clients"))
from gateway import BINARY, ROOT, Gateway, Process  # noqa: E402

TIMEOUT = 20
BUILD = "cargo build --release --locked --bin pushgate"


def instructions():
    """The Dockerfile as (instruction, arguments, flags), stage by stage."""
    stages = []
    for line in (ROOT / "docker/Dockerfile").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, rest = line.split(" ", 1)
        flags = re.findall(r"--\S+", rest) if name == "COPY" else []
        words = [word for word in rest.split() if word not in flags]
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, json.loads(rest) if rest.startswith("[") else words, flags))
    return stages


def only(stage, wanted):
    (arguments,) = [arguments for name, arguments, _ in stage if name == wanted]
    return arguments


def read_until(stream, text):
    lines = []
    while not lines or text not in lines[-1]:
        line = stream.readline().decode()
        assert line, f"{text!r} never came: {lines}"
        lines.append(line)
    return lines


class Dockerfile(unittest.TestCase):
    building, running = instructions()

    def test_the_build_is_the_one_the_tests_run_on(self):
        self.assertEqual(" ".join(only(self.building, "RUN")), BUILD)
        self.assertIn(f"start 'build' {BUILD}\n", (ROOT / "tests/run").read_text())

    def test_what_is_copied_suffices_to_build(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, (*sources, to), _ in self.building:
                for source in sources if name == "COPY" else ():
                    target = Path(folder) / to / (source if to.endswith("/") else "")
                    copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                    copy(ROOT / source, target)
            check = BUILD.replace("build --release", "check")
            environment = {"CARGO_TARGET_DIR": str(ROOT / "target"), **os.environ}
            done = subprocess.run(check.split(), cwd=folder, env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_copied_is_there_and_not_ignored(self):
        ignored = (ROOT / ".dockerignore").read_text().split()
        self.assertEqual(ignored[0], "*")
        for name, arguments, flags in self.building + self.running:
            for source in arguments[:-1] if name == "COPY" and not flags else ():
                self.assertTrue((ROOT / source).exists(), source)
                self.assertIn("!" + source.split("/")[0], ignored)

    def test_the_command_accepts_the_configuration_that_is_copied(self):
        (program,), (option, file) = only(self.running, "ENTRYPOINT"), only(self.running, "CMD")
        self.assertEqual((program, file), ("pushgate", "/etc/pushgate/pushgate.toml"))
        with tempfile.TemporaryDirectory() as etc:
            for name, (*sources, to), flags in self.running:
                for source in sources if name == "COPY" and not flags else ():
                    self.assertEqual(to, "/etc/pushgate/")
                    if (ROOT / source).is_dir():
                        shutil.copytree(ROOT / source, etc, dirs_exist_ok=True)
                    else:
                        shutil.copy(ROOT / source, etc)
            for shipped in Path(etc).iterdir():
                done = subprocess.run([BINARY, option, str(shipped), "-t"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{shipped.name}: {done.stdout}{done.stderr}")

    def test_it_does_not_run_as_root_and_names_the_port_it_listens_on(self):
        self.assertEqual(only(self.running, "USER"), ["pushgate"])
        (port,) = only(self.running, "EXPOSE")
        self.assertIn(f'listen = ["0.0.0.0:{port}"]', (ROOT / "docker/pushgate.toml").read_text())


class Compose(unittest.TestCase):
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]

    def test_the_gateway_is_built_from_the_dockerfile(self):
        build = self.services["gateway"]["build"]
        context = (ROOT / "docker" / build["context"]).resolve()
        self.assertEqual(context / build["dockerfile"], ROOT / "docker/Dockerfile")

    def test_the_publishing_port_stays_inside(self):
        self.assertEqual(self.services["gateway"]["ports"], ["8080:8080"])
        self.assertEqual(self.services["app"]["environment"]["PUBLISH_URL"], "http://gateway:8081/publish/")

    def test_a_message_of_the_form_reaches_the_event_stream_of_the_page(self):
        app = self.services["app"]
        (volume,) = app["volumes"]
        outside, inside, _ = volume.split(":")
        command = [str(ROOT / "docker" / outside) if word == inside else word for word in app["command"]]
        with Gateway((ROOT / "docker/pushgate.toml").read_text()) as gateway:
            browsers, applications = gateway.urls
            environment = {
                **os.environ, **app["environment"], "LISTEN": "127.0.0.1:0",
                "PUBLISH_URL": app["environment"]["PUBLISH_URL"].replace("http://gateway:8081", applications)}
            with Process(command, env=environment) as chat:
                self.converse(chat.urls[0], browsers)

    def converse(self, chat, browsers):
        with urlopen(chat, timeout=TIMEOUT) as page:
            (path,) = re.findall(r":8080(/[^`]+)`", page.read().decode())
        request = Request(browsers + path, headers={"Accept": "text/event-stream", "Origin": "http://localhost:8000"})
        with urlopen(request, timeout=TIMEOUT) as events:
            self.assertEqual(events.headers["Access-Control-Allow-Origin"], "http://localhost:8000")
            with urlopen(chat, data="message=Grüße+%26+hi".encode(), timeout=TIMEOUT) as answer:
                self.assertEqual(answer.status, 200)
            self.assertEqual(read_until(events, "data:")[-1], "data: Grüße & hi\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
