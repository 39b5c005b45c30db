"""django-eventstream and django-grip as they are published, under plain WSGI, with the gateway before them."""

import json
import socketserver
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import requests
import sseclient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from gateway import Gateway

TIMEOUT = 20
KEY = "a secret of thirty-two bytes or more"

CONFIGURATION = """
[[server]]
listen = ["127.0.0.1:0"]
push_grip_key = "HS256 text:{key}"

[[server.location]]
path = "/"
proxy_pass = "http://127.0.0.1:{port}"
push_grip = true
push_grip_websocket = "over_http"

[[server.location]]
path = "/grip/publish/"
push_grip_publish = true

[[server.location]]
path = "/state/"
push_publisher = true
push_channel_id = "$arg_id"
"""


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def configure(folder):
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="a secret of the application, long enough",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django_grip.GripMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
                    "django.middleware.csrf.CsrfViewMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                        "django_eventstream"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "db"),
                               "OPTIONS": {"timeout": TIMEOUT}}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        EVENTSTREAM_STORAGE_CLASS="django_eventstream.storage.DjangoModelStorage",
        EVENTSTREAM_CHANNELMANAGER_CLASS=f"{__name__}.Channels",
        GRIP_URL=f"{gateway.url}/grip?iss=django&key={requests.utils.quote(KEY)}",
    )
    django.setup()
    from django.core.management import call_command
    call_command("migrate", verbosity=0)


def setUpModule():
    global gateway, urlpatterns, Channels, send_event, storage, grip, formats, forbidden
    warnings.simplefilter("ignore")
    server = Server(("127.0.0.1", 0), Handler)
    gateway = Gateway(CONFIGURATION.format(port=server.server_address[1], key=KEY))
    unittest.addModuleCleanup(gateway.__exit__)
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    forbidden = set()
    globals()["Channels"] = type("Channels", (), {})
    configure(folder.name)

    import django_grip as grip
    import gripcontrol as formats
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import include, path
    from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
    from django_eventstream import get_current_event_id, send_event
    from django_eventstream.channelmanager import DefaultChannelManager
    from django_eventstream.storage import DjangoModelStorage

    class Channels(DefaultChannelManager):
        def can_read_channel(self, user, channel):
            return channel not in forbidden

    def wait(request):
        grip.set_hold_longpoll(request, request.GET["channel"], timeout=int(request.GET.get("timeout", 20)))
        return HttpResponse("nothing\n", status=int(request.GET.get("status", 200)))

    def stream(request):
        grip.set_hold_stream(request, request.GET["channel"], keep_alive_data="still here\n", keep_alive_timeout=1)
        return HttpResponse("opened\n", content_type="text/plain")

    # What the gateway posts for a WebSocket has no token of a form.
    @csrf_exempt
    @grip.websocket_only
    def echo(request):
        ws = request.wscontext
        if ws.is_opening():
            ws.accept()
            ws.meta["name"] = request.GET.get("name", "")
            ws.subscribe("room")
        while ws.can_recv():
            message = ws.recv()
            if message is None:
                ws.close(ws.close_code)
                break
            if message == "leave":
                ws.close(4321)
                break
            ws.send(f"{ws.meta['name']}: {message}")

    @ensure_csrf_cookie
    def chat(request, room_id):
        if request.method == "POST":
            send_event(f"room-{room_id}", "message", request.POST["text"], async_publish=False)
        return HttpResponse(str(get_current_event_id([f"room-{room_id}"])))

    urlpatterns = [
        path("events/<channel>/", include("django_eventstream.urls")),
        # As its examples have them.
        path("events/", include("django_eventstream.urls")),
        path("time/", include("django_eventstream.urls"), {"channels": ["time"]}),
        path("rooms/<room_id>/events/", include("django_eventstream.urls"), {"format-channels": ["room-{room_id}"]}),
        path("rooms/<room_id>/", chat),
        path("guarded/", grip.websocket_only(lambda request: request.wscontext.accept())),
        path("wait/", wait),
        path("stream/", stream),
        path("echo/", echo),
        path("page/", lambda request: HttpResponse(f"{request.grip.proxied} {request.grip.signed}")),
    ]
    storage = DjangoModelStorage()
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    unittest.addModuleCleanup(server.shutdown)


def held(channel, number=1):
    """Waits until so many wait for a channel."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        response = requests.get(gateway.url + "/state/", params={"id": channel},
                                headers={"Accept": "application/json"}, timeout=TIMEOUT)
        if response.ok and response.json()["subscribers"] == number:
            return
    raise AssertionError(f"{channel} has never {number} subscribers")


def publish(channel, form, **more):
    grip.publish(channel, form, blocking=True, **more)


class Grip(unittest.TestCase):
    def test_the_application_knows_that_a_request_came_through_the_gateway(self):
        self.assertEqual(requests.get(gateway.url + "/page/", timeout=TIMEOUT).text, "True True")

    def test_a_long_poll_is_answered_by_a_publish(self):
        for content, expected in [("hi\n", "hi\n"), (b"\xff\x00", None)]:
            answers = []
            poll = threading.Thread(target=lambda: answers.append(
                requests.get(gateway.url + "/wait/", params={"channel": "poll"}, timeout=TIMEOUT)))
            poll.start()
            held("poll")
            form = formats.HttpResponseFormat(code=202, headers={"X-Custom": "yes"}, body=content)
            publish("poll", form)
            poll.join()
            self.assertEqual((answers[0].status_code, answers[0].headers["X-Custom"]), (202, "yes"))
            self.assertEqual(answers[0].content, expected.encode() if expected else content)

    def test_a_long_poll_times_out_with_the_status_of_the_application(self):
        parameters = {"channel": "never", "timeout": 5}
        response = requests.get(gateway.url + "/wait/", params=parameters, timeout=TIMEOUT)
        self.assertEqual((response.status_code, response.text), (200, "nothing\n"))
        response = requests.get(gateway.url + "/wait/", params=parameters | {"status": 304}, timeout=TIMEOUT)
        self.assertEqual((response.status_code, response.text), (304, ""))

    def test_a_stream_gets_what_is_published_and_signs_of_life(self):
        with requests.get(gateway.url + "/stream/", params={"channel": "s"}, stream=True, timeout=TIMEOUT) as response:
            lines = response.iter_lines(decode_unicode=True)
            self.assertEqual(next(lines), "opened")
            publish("s", formats.HttpStreamFormat("one\n"))
            self.assertEqual(next(lines), "one")
            self.assertEqual(next(lines), "still here")
            publish("s", formats.HttpStreamFormat(close=True))
            self.assertEqual([line for line in lines if line != "still here"], [])

    def test_what_is_malformed_is_told_to_the_publisher(self):
        # As an old README of django-grip has it: the body is taken for the code.
        with self.assertRaisesRegex(ValueError, "status code 400 .*http-response.code is no number"):
            publish("poll", formats.HttpResponseFormat("body", headers={}))

    def test_who_has_another_key_may_not_publish(self):
        for key in [{}, {"Authorization": "Bearer wrong"}]:
            response = requests.post(gateway.url + "/grip/publish/", json={"items": []}, headers=key, timeout=TIMEOUT)
            self.assertEqual(response.status_code, 401)


class EventStream(unittest.TestCase):
    def events(self, channel, **headers):
        return self.follow(f"/events/{channel}/", **headers)

    def follow(self, path, **headers):
        response = requests.get(gateway.url + path, headers=headers, stream=True, timeout=TIMEOUT)
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        self.addCleanup(response.close)
        events = iter(sseclient.SSEClient(response).events())
        self.assertEqual(next(events).event, "stream-open")
        return events

    def assert_event(self, event, channel, number, data):
        self.assertEqual((event.event, event.id, json.loads(event.data)), ("message", f"{channel}:{number}", data))

    def test_events_come_with_their_ids(self):
        events = [self.events("live") for _ in range(2)]
        held("events-live", 2)
        for number, text in enumerate(["100 % %I", {"a": "b\nc"}, "three"], 1):
            send_event("live", "message", text, async_publish=False)
            for one in events:
                self.assert_event(next(one), "live", number, text)

    def test_channels_are_those_of_the_path_or_of_the_arguments(self):
        events = [self.follow("/time/"), self.follow("/rooms/9/events/"), self.follow("/events/?channel=time&channel=room-9")]
        held("events-time", 2)
        held("events-room-9", 2)
        send_event("time", "message", {"now": "12:00"}, async_publish=False)
        for one in [events[0], events[2]]:
            event = next(one)
            self.assertEqual(json.loads(event.data), {"now": "12:00"})
        send_event("room-9", "greeting", "plain text", json_encode=False, async_publish=False)
        for one in [events[1], events[2]]:
            event = next(one)
            self.assertEqual((event.event, event.data), ("greeting", "plain text"))
        # One id says where each of several channels is.
        self.assertEqual(sorted(event.id.split(",")), ["room-9:1", "time:1"])
        events = self.follow("/events/?channel=time&channel=room-9", **{"Last-Event-ID": "room-9:0,time:1"})
        self.assertEqual(next(events).data, "plain text")

    def test_a_view_publishes_and_is_guarded_against_forged_forms(self):
        events = self.follow("/rooms/10/events/")
        held("events-room-10")
        session = requests.Session()
        url = gateway.url + "/rooms/10/"
        self.assertEqual(session.get(url, timeout=TIMEOUT).text, "room-10:0")
        token = session.cookies["csrftoken"]
        said = [session.post(url, data={"text": "hi"} | more, timeout=TIMEOUT)
                for more in [{}, {"csrfmiddlewaretoken": token}]]
        self.assertEqual([one.status_code for one in said], [403, 200])
        self.assert_event(next(events), "room-10", 1, "hi")

    def test_publishes_that_overtake_each_other_come_in_order(self):
        events = self.events("async")
        held("events-async")
        for number in range(1, 31):
            send_event("async", "message", number)
        for number in range(1, 31):
            self.assert_event(next(events), "async", number, number)

    def test_an_event_that_was_never_published_comes_all_the_same(self):
        events = self.events("lost")
        held("events-lost")
        send_event("lost", "message", 1, async_publish=False)
        self.assert_event(next(events), "lost", 1, 1)
        storage.append_event("lost", "message", json.dumps(2))
        send_event("lost", "message", 3, async_publish=False)
        send_event("lost", "message", 4, async_publish=False)
        for number in [2, 3, 4]:
            self.assert_event(next(events), "lost", number, number)

    def test_a_client_that_comes_back_gets_what_it_has_missed(self):
        for number in range(1, 4):
            send_event("back", "message", number, async_publish=False)
        events = self.events("back", **{"Last-Event-ID": "back:1"})
        for number in [2, 3]:
            self.assert_event(next(events), "back", number, number)
        send_event("back", "message", 4, async_publish=False)
        self.assert_event(next(events), "back", 4, 4)

    def test_a_long_history_comes_in_pages(self):
        for number in range(1, 251):
            storage.append_event("pages", "message", json.dumps(number))
        events = self.events("pages", **{"Last-Event-ID": "pages:0"})
        for number in range(1, 251):
            self.assert_event(next(events), "pages", number, number)
        send_event("pages", "message", 251, async_publish=False)
        self.assert_event(next(events), "pages", 251, 251)

    def test_a_history_of_more_pages_than_are_followed_at_once_comes_to_its_end(self):
        from django_eventstream.models import Event, EventCounter

        # A page has a hundred events, a hundred pages follow each other at once.
        last = 11_000
        EventCounter.objects.create(name="long", value=last)
        Event.objects.bulk_create(
            Event(channel="long", type="message", data=json.dumps(json.dumps(number)), eid=number)
            for number in range(1, last + 1))
        events = self.events("long", **{"Last-Event-ID": "long:1"})
        for number in range(2, last + 1):
            self.assert_event(next(events), "long", number, number)
        send_event("long", "message", last + 1, async_publish=False)
        self.assert_event(next(events), "long", last + 1, last + 1)

    def test_some_events_are_not_for_everybody(self):
        events = self.events("skip")
        held("events-skip")
        send_event("skip", "message", 1, skip_user_ids=["anonymous"], async_publish=False)
        send_event("skip", "message", 2, skip_user_ids=["7"], async_publish=False)
        self.assert_event(next(events), "skip", 2, 2)

    def test_who_may_not_read_any_more_is_sent_away(self):
        from django_eventstream import channel_permission_changed

        stays, goes = self.events("stays"), self.events("goes")
        held("events-stays")
        held("events-goes")
        forbidden.add("goes")
        channel_permission_changed(None, "goes")
        event = next(goes)
        self.assertEqual(event.event, "stream-error")
        self.assertIn("Permission denied to channels: goes", event.data)
        self.assertEqual(list(goes), [])
        send_event("stays", "message", 1, async_publish=False)
        self.assert_event(next(stays), "stays", 1, 1)


class WebSocket(unittest.TestCase):
    def open(self, name):
        url = gateway.url.replace("http:", "ws:") + f"/echo/?name={name}"
        return connect(url, compression=None, open_timeout=TIMEOUT, close_timeout=TIMEOUT)

    def test_messages_come_back_and_the_connection_is_remembered(self):
        with self.open("ann") as ann, self.open("bob") as bob:
            for client, name in [(ann, "ann"), (bob, "bob"), (ann, "ann")]:
                client.send("hi")
                self.assertEqual(client.recv(TIMEOUT), f"{name}: hi")

    def test_what_is_published_comes_too(self):
        with self.open("ann") as ann:
            held("room")
            publish("room", formats.WebSocketMessageFormat("to all"))
            self.assertEqual(ann.recv(TIMEOUT), "to all")
            publish("room", formats.WebSocketMessageFormat(action="close", code=4000, reason="over"))
            with self.assertRaises(ConnectionClosed) as closed:
                ann.recv(TIMEOUT)
            self.assertEqual((closed.exception.rcvd.code, closed.exception.rcvd.reason), (4000, "over"))
        held("room", 0)

    def test_a_view_that_is_guarded_against_forged_forms_opens_none(self):
        url = gateway.url.replace("http:", "ws:") + "/guarded/"
        with self.assertRaises(InvalidStatus) as refused:
            connect(url, compression=None, open_timeout=TIMEOUT)
        self.assertEqual(refused.exception.response.status_code, 403)

    def test_both_sides_close_with_their_code(self):
        with self.open("ann") as ann:
            ann.send("leave")
            with self.assertRaises(ConnectionClosed) as closed:
                ann.recv(TIMEOUT)
            self.assertEqual(closed.exception.rcvd.code, 4321)
        ann = self.open("ann")
        ann.close(4001)
        self.assertEqual(ann.close_code, 4001)


if __name__ == "__main__":
    unittest.main(verbosity=2)
