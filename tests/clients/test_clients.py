"""Published HTTP clients against the gateway: requests, aiohttp, sseclient-py and curl."""

import asyncio
import itertools
import json
import re
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import aiohttp
import requests
import sseclient

from gateway import BINARY, ROOT, Gateway

TIMEOUT = 20


def setUpModule():
    global gateway
    gateway = Gateway((Path(__file__).parent / "pushgate.toml").read_text())
    unittest.addModuleCleanup(gateway.__exit__)


def publish(cid, body, **headers):
    response = requests.post(
        gateway.url + "/publish/", params={"cid": cid}, data=body, headers=headers, timeout=TIMEOUT)
    assert response.status_code == 200, response.text
    return response


class Requests(unittest.TestCase):
    def test_the_application_publishes_to_the_shipped_configuration(self):
        with Gateway((ROOT / "conf/pushgate.toml").read_text()) as shipped:
            text = json.dumps({"messages": ["hi"]})
            response = requests.post(shipped.url + "/publish/", params={"cid": 5}, data=text, timeout=TIMEOUT)
            self.assertEqual(response.status_code, 200)
            self.assertRegex(response.text, r"^queued messages: 0\r\n")

    def test_what_is_known_of_a_channel_comes_as_json(self):
        publish("info", "one")
        response = publish("info", "two", Accept="application/json")
        self.assertEqual(response.headers["Content-Type"], "application/json")
        info = response.json()
        self.assertEqual((info["messages"], info["subscribers"]), (2, 0))
        self.assertRegex(info["last_message_id"], r"^\d+:\d+$")

    def test_a_long_poll_that_echoes_ids_gets_every_message_once_and_in_order(self):
        sent = [f"message {n}" for n in range(100)]
        publisher = threading.Thread(target=lambda: [publish("poll", text) for text in sent])
        publisher.start()
        got, position = [], {}
        with requests.Session() as session:
            while len(got) < len(sent):
                answer = session.get(
                    gateway.url + "/listen/", params={"cid": "poll"}, headers=position, timeout=TIMEOUT)
                self.assertEqual(answer.status_code, 200)
                self.assertEqual(answer.headers["Vary"], "If-None-Match, If-Modified-Since")
                got.append(answer.text)
                position = {
                    "If-Modified-Since": answer.headers["Last-Modified"], "If-None-Match": answer.headers["Etag"]}
        publisher.join()
        self.assertEqual(got, sent)

    def test_the_content_type_of_the_publisher_travels_with_the_message(self):
        publish("type", "a,b", **{"Content-Type": "text/csv; charset=utf-8"})
        answer = requests.get(gateway.url + "/listen/", params={"cid": "type"}, timeout=TIMEOUT)
        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")


class Aiohttp(unittest.IsolatedAsyncioTestCase):
    async def test_many_subscribers_of_a_stream_get_every_message_in_order(self):
        sent = [f"message {n}" for n in range(50)]

        async def follow(session):
            async with session.get(gateway.url + "/messages/?cid=stream") as answer:
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers["Cache-Control"], "no-cache")
                subscribed.release()
                lines = [await answer.content.readline() for _ in sent]
            return [line.decode().rstrip("\n").split(" ", 1) for line in lines]

        subscribed = asyncio.Semaphore(0)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
            readers = [asyncio.create_task(follow(session)) for _ in range(20)]
            for _ in readers:
                await subscribed.acquire()
            for text in sent:
                async with session.post(gateway.url + "/publish/?cid=stream", data=text.encode()) as answer:
                    self.assertEqual(answer.status, 200)
            received = await asyncio.gather(*readers)
        for lines in received:
            self.assertEqual([text for _, text in lines], sent)
            ids = [tuple(map(int, name.split(":"))) for name, _ in lines]
            self.assertEqual(ids, sorted(set(ids)))

    async def test_a_deleted_channel_ends_its_streams(self):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
            async with session.get(gateway.url + "/messages/?cid=deleted") as stream:
                async with session.delete(gateway.url + "/publish/?cid=deleted") as answer:
                    self.assertEqual(answer.status, 200)
                self.assertEqual(await stream.content.read(), b"")


class SseClient(unittest.TestCase):
    def events(self, **headers):
        url = gateway.url + "/listen/?cid=" + self.id()
        answer = requests.get(
            url, stream=True, headers={"Accept": "text/event-stream", **headers}, timeout=TIMEOUT)
        self.addCleanup(answer.close)
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "text/event-stream")
        return sseclient.SSEClient(answer).events()

    def test_lines_and_names_arrive_as_they_were_sent(self):
        events = self.events()
        publish(self.id(), "one\n\ntwo\n", **{"X-EventSource-Event": "price"})
        publish(self.id(), "three")
        first, second = next(events), next(events)
        self.assertEqual((first.event, first.data), ("price", "one\n\ntwo\n"))
        self.assertEqual((second.event, second.data), ("message", "three"))

    def test_the_last_event_id_resumes(self):
        for n in range(10):
            publish(self.id(), str(n))
        events = self.events()
        seen = [next(events) for _ in range(4)]
        resumed = self.events(**{"Last-Event-ID": seen[-1].id})
        self.assertEqual([event.data for event in seen], ["0", "1", "2", "3"])
        self.assertEqual([next(resumed).data for _ in range(6)], ["4", "5", "6", "7", "8", "9"])


class Curl(unittest.TestCase):
    def curl(self, *arguments):
        command = ["curl", "--silent", "--show-error", "--max-time", str(TIMEOUT), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def output(self, *arguments):
        with self.curl(*arguments) as process:
            text = process.stdout.read()
        self.assertEqual(process.returncode, 0)
        return text

    def test_the_first_lines_of_the_readme(self):
        publish = self.output("-d", '{"messages":["hi"]}', gateway.url + "/publish/?cid=curl")
        listen = self.output(gateway.url + "/listen/?cid=curl")
        self.assertRegex(publish, rb"^queued messages: 1\r\nlast requested: ")
        self.assertEqual(listen, b'{"messages":["hi"]}')

    def test_a_stream_arrives_line_by_line(self):
        with self.curl("-N", gateway.url + "/messages/?cid=lines") as stream:
            for text in ("one", "two", "three"):
                publish("lines", text)
                self.assertRegex(stream.stdout.readline(), rf"^\d+:\d+ {text}\n$".encode())
            stream.terminate()

    def test_an_event_stream_is_read_as_it_is(self):
        with self.curl("-N", "-H", "Accept: text/event-stream", gateway.url + "/listen/?cid=raw") as stream:
            publish("raw", "a\r\nb")
            lines = iter(stream.stdout.readline, b"")
            event = list(itertools.takewhile(
                bytes.strip, itertools.dropwhile(lambda line: not line.startswith(b"id:"), lines)))
            stream.terminate()
        self.assertRegex(event.pop(0), rb"^id: \d+:\d+\n$")
        self.assertEqual(event, [b"data: a\n", b"data: b\n"])


class Readme(unittest.TestCase):
    def test_its_configurations_are_accepted(self):
        blocks = re.findall(r"^```toml\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
        self.assertGreaterEqual(len(blocks), 4)
        for block in blocks:
            if "[[server]]" not in block:
                block = '[[server]]\nlisten = ["127.0.0.1:8080"]\n\n' + block
            with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                file.write(block)
                file.flush()
                done = subprocess.run([BINARY, "-t", "-c", file.name], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr + block)


if __name__ == "__main__":
    unittest.main(verbosity=2)
