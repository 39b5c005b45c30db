"""Published clients against the gateway: requests, aiohttp, sseclient-py, websockets and curl."""

import asyncio
import itertools
import json
import logging
import os
import random
import re
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import aiohttp
import requests
import sseclient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway import BINARY, ROOT, Gateway

TIMEOUT = 20


def setUpModule():
    global gateway
    logging.getLogger("asyncio").setLevel(logging.ERROR)
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
        for head in self.follow("/poll/"):
            self.assertEqual(head["Vary"], "If-None-Match, If-Modified-Since")

    def test_so_it_does_where_a_poll_without_ids_would_do(self):
        for head in self.follow("/listen/"):
            self.assertEqual(head["Cache-Control"], "no-cache, private")

    def follow(self, path):
        """The heads of the answers that brought what was published meanwhile."""
        sent = [f"message {n}" for n in range(100)]
        publisher = threading.Thread(target=lambda: [publish(path, text) for text in sent])
        publisher.start()
        got, heads, position = [], [], {}
        with requests.Session() as session:
            while len(got) < len(sent):
                answer = session.get(
                    gateway.url + path, params={"cid": path}, headers=position, timeout=TIMEOUT)
                self.assertEqual(answer.status_code, 200)
                got.append(answer.text)
                heads.append(answer.headers)
                position = {
                    "If-Modified-Since": answer.headers["Last-Modified"], "If-None-Match": answer.headers["Etag"]}
        publisher.join()
        self.assertEqual(got, sent)
        return heads

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


class WebSockets(unittest.IsolatedAsyncioTestCase):
    META = "ws+meta.nchan"

    def open(self, path, **options):
        return connect(gateway.url.replace("http", "ws") + path, open_timeout=TIMEOUT, max_size=None, **options)

    async def publish(self, body, **headers):
        await asyncio.to_thread(publish, self.id(), body, **headers)

    async def closed(self, socket):
        with self.assertRaises(ConnectionClosed):
            async with asyncio.timeout(TIMEOUT):
                while True:
                    await socket.recv()
        return socket.close_code, socket.close_reason

    async def test_messages_come_as_text_or_as_bytes_and_in_order(self):
        async with self.open("/listen/?cid=" + self.id()) as socket:
            for n in range(50):
                await self.publish(f"message {n}, Grüße".encode())
                await self.publish(bytes([n, 255, 0]), **{"Content-Type": "application/octet-stream"})
            for n in range(50):
                self.assertEqual(await socket.recv(), f"message {n}, Grüße")
                self.assertEqual(await socket.recv(), bytes([n, 255, 0]))

    async def test_the_id_of_a_message_resumes(self):
        for n in range(10):
            await self.publish(str(n))
        async with self.open("/listen/?cid=" + self.id(), subprotocols=[self.META]) as socket:
            self.assertEqual(socket.subprotocol, self.META)
            seen = [await socket.recv() for _ in range(4)]
        messages = [re.fullmatch(r"id: (\d+:\d+)\n(?:content-type: .*\n)?\n(.*)", text).groups() for text in seen]
        self.assertEqual([text for _, text in messages], ["0", "1", "2", "3"])
        async with self.open(f"/listen/?cid={self.id()}&last_event_id={messages[-1][0]}") as socket:
            self.assertEqual([await socket.recv() for _ in range(6)], ["4", "5", "6", "7", "8", "9"])

    async def test_a_ping_is_answered_with_what_it_carried(self):
        async with self.open("/listen/?cid=" + self.id(), ping_interval=None) as socket:
            for payload in (b"", b"one", bytes(125)):
                self.assertGreater(await asyncio.wait_for(await socket.ping(payload), TIMEOUT), 0)

    async def test_a_close_is_answered_with_its_code(self):
        async with self.open("/listen/?cid=" + self.id()) as socket:
            await socket.close(4321, "enough")
            self.assertEqual((socket.protocol.close_rcvd.code, socket.protocol.close_rcvd_then_sent), (4321, False))

    async def test_a_channel_that_is_deleted_closes_its_sockets(self):
        async with self.open("/listen/?cid=" + self.id()) as socket:
            await asyncio.to_thread(requests.delete, gateway.url + "/publish/?cid=" + self.id(), timeout=TIMEOUT)
            self.assertEqual(await self.closed(socket), (4410, "deleted"))

    async def test_what_breaks_the_protocol_is_closed_with_the_code_for_it(self):
        async with self.open("/echo") as socket:
            await socket.send(b"\xff", text=True)
            self.assertEqual((await self.closed(socket))[0], 1007)
        async with self.open("/echo", compression=None) as socket:
            await socket.send(bytes((256 << 10) + 1))
            self.assertEqual((await self.closed(socket))[0], 1009)
        async with self.open("/echo") as socket:
            # A few bytes on the wire, which are too many when they are inflated.
            await socket.send(bytes(8 << 20))
            self.assertEqual((await self.closed(socket))[0], 1009)

    async def test_messages_are_the_same_compressed_and_not(self):
        noise = random.Random(1)
        sent = ["", "short", "again and again " * 8000, noise.randbytes(100_000), bytes(256 << 10)]
        sent += ["again and again " * n for n in range(100)]
        for compression in ("deflate", None):
            async with self.open("/echo", compression=compression) as socket:
                names = [extension.name for extension in socket.protocol.extensions]
                self.assertEqual(names, ["permessage-deflate"] if compression else [])
                for message in sent:
                    await socket.send(message)
                    self.assertEqual(await socket.recv(), message)

    async def test_fragments_are_one_message(self):
        async with self.open("/echo") as socket:
            for fragments in (["a", "", "ü", "世界"], [b"\0", b"\xff" * 70_000, b""], ["x"] * 1000):
                await socket.send(fragments)
                self.assertEqual(await socket.recv(), type(fragments[0])().join(fragments))

    async def test_what_one_sends_everybody_gets(self):
        path = "/room?cid=" + self.id()
        async with self.open(path) as one, self.open(path) as other:
            for n in range(50):
                await (one if n % 2 else other).send(str(n))
                self.assertEqual([await one.recv(), await other.recv()], [str(n)] * 2)

    async def test_a_location_without_websocket_refuses_it(self):
        with self.assertRaises(InvalidStatus) as refused:
            await self.open("/messages/?cid=" + self.id())
        self.assertEqual(refused.exception.response.status_code, 403)


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
                secrets = {name: "x" * 32 for name in re.findall(r"env:(\w+)", block)}
                done = subprocess.run([BINARY, "-t", "-c", file.name], capture_output=True, text=True,
                                      env={**os.environ, **secrets})
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr + block)


if __name__ == "__main__":
    unittest.main(verbosity=2)
