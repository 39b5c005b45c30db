"""An application of today: Django under plain WSGI. Its views decide and are done; they never wait.

    python django_app.py FOLDER [PORT]      keeps its database in FOLDER, and prints its port
"""

import socketserver
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a secret of the application, long enough for its sessions",
    ALLOWED_HOSTS=["127.0.0.1", ".site.localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(sys.argv[1]) / "db")}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.contrib.auth import get_user_model, login  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, HttpResponseForbidden  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import ensure_csrf_cookie  # noqa: E402
from django.views.decorators.http import require_POST  # noqa: E402


@ensure_csrf_cookie
def page(request):
    return HttpResponse(f"<!DOCTYPE html><p id=who>{request.user.username or 'a stranger'}</p>")


def enter(request, name):
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    return page(request)


def hand_over(request, location, room):
    if not request.user.is_authenticated:
        return HttpResponseForbidden("Log in first.")
    own = urlencode({name: request.GET[name] for name in ("callback", "since") if name in request.GET})
    return HttpResponse(headers={"X-Accel-Redirect": f"/inside/{location}/?cid={room}&{own}"})


WAYS = ["listen", "frame", "raw", "chunked", "poll", "script"]

urlpatterns = [
    path("", page),
    path("enter/<name>/", enter),
    *[path(f"rooms/<int:room>/{way}/", partial(hand_over, location=way)) for way in WAYS],
    path("rooms/<int:room>/say/", require_POST(lambda request, room: hand_over(request, "publish", room))),
]


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Quiet)
    server.set_app(get_wsgi_application())
    print(server.server_address[1], flush=True)
    server.serve_forever()
