"""A chat: the application serves a page and publishes, the gateway holds the connections."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from urllib.request import urlopen

PUBLISH_URL = os.environ.get("PUBLISH_URL", "http://127.0.0.1:8080/publish/")
PAGE = """<!DOCTYPE html>
<title>Chat</title>
<form><input name="message" autofocus autocomplete="off"> <button>Send</button></form>
<ul></ul>
<script>
const form = document.querySelector('form')
form.onsubmit = (event) => {
  event.preventDefault()
  fetch('/', { method: 'POST', body: new URLSearchParams(new FormData(form)) })
  form.reset()
}
const listen = new EventSource(`//${location.hostname}:8080/listen/?cid=chat`)
listen.onmessage = (event) => {
  const line = document.createElement('li')
  line.textContent = event.data
  document.querySelector('ul').append(line)
}
</script>
"""


class Chat(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, "text/html; charset=utf-8", PAGE.encode())

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        with urlopen(PUBLISH_URL + "?cid=chat", data=form["message"][0].encode()) as response:
            self.answer(response.status, "text/plain", response.read())

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    host, port = os.environ.get("LISTEN", "127.0.0.1:8000").rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Chat)
    print("chat: http://%s:%d/" % server.server_address, flush=True)
    server.serve_forever()
