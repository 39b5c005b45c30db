"""nginx and pushgate, configured alike before one application."""

import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches"))
from compare_servers import Nchan, Server, free_port  # noqa: E402

# As nginx's users write it for an application that has to know who asks for what.
NGINX = """\
load_module {module};
daemon off;
user root;
worker_processes 1;
error_log {folder}/nginx.log crit;
pid {folder}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream kept {{ server 127.0.0.1:{app}; keepalive 4; }}
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    proxy_http_version 1.1;
    proxy_connect_timeout 1s;
    proxy_send_timeout 1s;
    proxy_read_timeout 1s;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Set $arg_set;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{app}; }}
        location /mapped/ {{ proxy_pass http://127.0.0.1:{app}/other/; }}
        location /kept/ {{ proxy_pass http://kept; }}
        location /down/ {{ proxy_pass http://127.0.0.1:{closed}; }}
        location /inside/ {{ internal; proxy_pass http://127.0.0.1:{app}; }}
        location /inside/mapped/ {{ internal; proxy_pass http://127.0.0.1:{app}/there/; }}
        location @named {{ proxy_pass http://127.0.0.1:{app}; }}
        location = /inside/sub {{ internal; nchan_subscriber longpoll websocket; nchan_channel_id $arg_id; }}
        location = /inside/pub {{ internal; nchan_publisher; nchan_channel_id $arg_id; }}
        location = /pub {{ nchan_publisher; nchan_channel_id $arg_id; }}
        location = /sub {{ auth_request /auth; nchan_subscriber longpoll; nchan_channel_id $arg_id; }}
        location = /sub-down {{ auth_request /down/auth; nchan_subscriber longpoll; nchan_channel_id $arg_id; }}
        location = /auth {{
            internal;
            proxy_pass http://127.0.0.1:{app};
            proxy_pass_request_body off;
            proxy_set_header Host $http_host;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Method $request_method;
        }}
    }}
}}
"""

PUSHGATE = """\
workers = 1
proxy_connect_timeout = "1s"
proxy_send_timeout = "1s"
proxy_read_timeout = "1s"

[[server]]
listen = ["127.0.0.1:{port}"]

[[server.location]]
path = "/"
proxy_pass = "http://127.0.0.1:{app}"
proxy_set_header = {{ X-Set = "$arg_set" }}

[[server.location]]
path = "/mapped/"
proxy_pass = "http://127.0.0.1:{app}/other/"

[[server.location]]
path = "/down/"
proxy_pass = "http://127.0.0.1:{closed}"

[[server.location]]
path = "/inside/"
internal = true
proxy_pass = "http://127.0.0.1:{app}"

[[server.location]]
path = "/inside/mapped/"
internal = true
proxy_pass = "http://127.0.0.1:{app}/there/"

[[server.location]]
path = "= /inside/sub"
internal = true
push_subscriber = ["long-poll", "websocket"]
push_dialect = "nchan"
push_channel_id = "$arg_id"

[[server.location]]
path = "= /inside/pub"
internal = true
push_publisher = true
push_dialect = "nchan"
push_channel_id = "$arg_id"

[[server.location]]
path = "= /pub"
push_publisher = true
push_channel_id = "$arg_id"

[[server.location]]
path = "= /sub"
push_subscriber = ["long-poll"]
push_channel_id = "$arg_id"
push_authorize_request = "/auth"

[[server.location]]
path = "= /sub-down"
push_subscriber = ["long-poll"]
push_channel_id = "$arg_id"
push_authorize_request = "/down/auth"

[[server.location]]
path = "= /auth"
internal = true
proxy_pass = "http://127.0.0.1:{app}"
"""


class Before(Server):
    """A server before an application; nobody listens on its port `closed`."""

    def __init__(self, application):
        super().__init__()
        self.application = application
        self.closed = free_port()

    def ports(self):
        return {"port": self.port, "app": self.application.port, "closed": self.closed, "folder": self.folder}

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except ConnectionError:
            return False


class Nginx(Before):
    NAME = "nginx"

    def command(self):
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(module=Nchan.MODULE, **self.ports()))
        return ["/usr/sbin/nginx", "-c", file]


class Pushgate(Before):
    NAME = "pushgate"

    def __init__(self, application, binary):
        super().__init__(application)
        self.binary = Path(binary).resolve()

    def command(self):
        file = self.folder / "pushgate.toml"
        file.write_text(PUSHGATE.format(**self.ports()))
        return [self.binary, "-q", "-c", file]
