"""What is asked of both servers, and what the application says to it."""

from dataclasses import dataclass

from application import Closing, Hanging, answer

HOST = "Host: example.com\r\n"


@dataclass(frozen=True)
class Case:
    """Bytes that are sent, and what makes the application's answers. `before` is sent first, and not looked at."""

    name: str
    sent: bytes
    answers: object = staticmethod(lambda request: answer())
    before: bytes = b""
    # Several answers may come, or none.
    raw: bool = False
    # Message ids are each server's own.
    ids: bool = False

    @property
    def method(self):
        return self.sent.split(b" ", 1)[0].decode("latin-1")


def request(target="/x", *lines, method="GET", body=""):
    length = [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join([f"{method} {target} HTTP/1.1", "Host: example.com", *lines, *length, "", body])).encode("latin-1")


def always(said):
    return lambda request: said


def led(*headers, to="/inside/y", status="403 Secret", then=None):
    """Hands over what is asked outside, and answers inside with `then`."""
    def answers(request):
        if request.target.startswith(("/inside/", "/there/", "/y", "//", "/evil")):
            return then or answer()
        return answer(status, f"X-Accel-Redirect: {to}", "X-Secret: 1", "ETag: \"first\"", *headers, body="secret")
    return answers


def passing(name, sent, answers=always(answer())):
    return Case(f"request: {name}", sent, answers)


def answering(name, said, sent=None):
    return Case(f"answer: {name}", sent or request(), always(said))


REQUESTS = [
    passing("as it is", request("/x?a=b&c=%20", "Accept: */*", "Cookie: a=b", "Authorization: Basic x", "User-Agent: u")),
    passing("an escaped path", request("/a%20b/%C3%A4/%2F?q=%2f")),
    passing("a path with ..", request("/a/../b")),
    passing("a path with .", request("/a/./b")),
    passing("two slashes", request("/a//b")),
    passing("a path that is replaced", request("/mapped/a%20b?x=y")),
    passing("a path that is replaced, with an escape of no letter", request("/mapped/a%3Fb%25%3Bc")),
    passing("a path that is replaced, with ..", request("/mapped/a/../b")),
    passing("above the root", request("/../x")),
    passing("above the location, by backslashes", request("/mapped/..%5c..%5cx")),
    passing("a zero byte", request("/a%00b")),
    passing("a malformed escape", request("/a%zz")),
    passing("what concerns one connection", request(
        "/x", "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "TE: trailers", "Proxy-Connection: close")),
    passing("cookies that Connection names", request("/x", "Connection: Cookie", "Cookie: a=b")),
    passing("an upgrade", request("/x", "Connection: Upgrade", "Upgrade: websocket")),
    passing("an upgrade to HTTP/2", request("/x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")),
    passing("a name with an underscore", request("/x", "X_User: admin", "X-User: ann")),
    passing("a header twice", request("/x", "X-A: 1", "X-A: 2", "Cookie: a=b", "Cookie: c=d")),
    passing("an empty header", request("/x", "X-Empty:")),
    passing("a header above ASCII", request("/x", "X-Name: \xe4\xf6")),
    passing("who asks, as the client claims it", request(
        "/x", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Real-IP: 192.0.2.1",
        "Forwarded: for=192.0.2.1")),
    passing("a header that is set from an argument", request("/x?set=a%0d%0aX-Admin:%201", "X-Set: forged")),
    passing("Proxy, which scripts take for a variable", request("/x", "Proxy: http://evil.example")),
    passing("a range and conditions", request("/x", "Range: bytes=0-1", "If-None-Match: \"a\"", "If-Modified-Since: x")),
    passing("encodings", request("/x", "Accept-Encoding: gzip, br")),
    passing("HTTP/1.0", b"GET /x HTTP/1.0\r\n\r\n"),
    passing("a whole URL", b"GET http://other.example/x HTTP/1.1\r\nHost: example.com\r\n\r\n"),
    passing("a host with a port and capitals", b"GET /x HTTP/1.1\r\nHost: Example.COM:8080\r\n\r\n"),
    passing("HEAD", request("/x", method="HEAD")),
    passing("OPTIONS", request("/x", method="OPTIONS")),
    passing("OPTIONS *", request("*", method="OPTIONS")),
    passing("a method nobody knows", request("/x", method="BREW")),
    passing("TRACE", request("/x", method="TRACE")),
    passing("CONNECT", request("example.com:80", method="CONNECT")),
    passing("POST", request("/x", "Content-Type: text/plain", method="POST", body="hi")),
    passing("POST of nothing", request("/x", "Content-Length: 0", method="POST")),
    passing("POST without a length", request("/x", method="POST")),
    passing("POST in chunks", request("/x", "Transfer-Encoding: chunked", method="POST") + b"2\r\nhi\r\n0\r\n\r\n"),
    passing("GET with a body", request("/x", body="hi")),
    passing("DELETE with a body", request("/x", method="DELETE", body="hi")),
    passing("a body that is too large", request("/x", "Content-Length: 2000000", method="POST")),
    passing("the application is down", request("/down/")),
    # The connection that the first leaves ends over the second.
    Case("request: POST over a kept connection that ends over it", request("/kept/x") + request("/kept/y", method="POST", body="hi"),
         lambda request: Closing(b"") if request.method == "POST" else answer(), raw=True),
    Case("request: GET over a kept connection that ends over it", request("/kept/x") + request("/kept/y"),
         lambda request: Closing(b"") if request.target == "/kept/y" else answer(), raw=True),
]

ANSWERS = [
    answering("as it is", answer("200 Fine", "Content-Type: text/plain; charset=utf-8", "X-A: 1", "X-A: 2", "ETag: \"e\"",
                                 "Last-Modified: Tue, 22 Dec 2015 03:34:40 GMT", "Cache-Control: no-cache", "X_A: 3")),
    answering("two cookies", answer("200 OK", "Set-Cookie: a=b", "Set-Cookie: c=d; Path=/")),
    answering("what concerns one connection", answer(
        "200 OK", "Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Upgrade: x", "Proxy-Authenticate: x", "Trailer: x")),
    answering("orders for nginx", answer(
        "200 OK", "X-Accel-Expires: 1", "X-Accel-Limit-Rate: 1000000", "X-Accel-Charset: utf-8", "X-Accel-Buffering: no", "X-Pad: x")),
    answering("201 with a place", answer("201 Created", "Location: /made")),
    answering("204", answer("204 No Content", body="", length=False)),
    answering("304", answer("304 Not Modified", "ETag: \"e\"", body="", length=False), request("/x", "If-None-Match: \"e\"")),
    answering("404", answer("404 Nope")),
    answering("401", answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"")),
    answering("500", answer("500 Oops")),
    answering("503", answer("503 Later", "Retry-After: 5")),
    answering("a status that nobody knows", answer("799 What")),
    answering("a redirect", answer("302 Found", "Location: /elsewhere")),
    answering("a redirect to itself", lambda port: answer("302 Found", f"Location: http://127.0.0.1:{port}/x?y")),
    answering("a redirect to itself where the path is replaced", lambda port: answer(
        "302 Found", f"Location: http://127.0.0.1:{port}/other/x"), request("/mapped/x")),
    answering("a redirect to another path where the path is replaced", lambda port: answer(
        "302 Found", f"Location: http://127.0.0.1:{port}/third/x"), request("/mapped/x")),
    answering("a redirect to another host", answer("302 Found", "Location: https://example.org/")),
    answering("a refresh to itself", lambda port: answer("200 OK", f"Refresh: 5; url=http://127.0.0.1:{port}/x")),
    answering("HEAD", answer("200 OK", "Content-Length: 1000", body="", length=False), request(method="HEAD")),
    answering("chunks", answer("200 OK", "Transfer-Encoding: chunked", body="3\r\napp\r\n0\r\n\r\n", length=False)),
    answering("up to the end", Closing(answer("200 OK", length=False))),
    answering("HTTP/1.0", Closing(b"HTTP/1.0 200 OK\r\n\r\napp")),
    answering("100 first", b"HTTP/1.1 100 Continue\r\n\r\n" + answer()),
    answering("103 first", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer()),
    answering("nothing", Closing(b"")),
    answering("garbage", Closing(b"garbage\r\n\r\n")),
    answering("a status of no number", Closing(answer("abc"))),
    answering("a malformed header", Closing(answer("200 OK", "no colon"))),
    answering("a header with a zero byte", Closing(answer("200 OK", "X-A: a\0b"))),
    answering("a header that goes on in a second line", Closing(answer("200 OK", "X-A: a\r\n b"))),
    answering("two lengths", Closing(answer("200 OK", "Content-Length: 1"))),
    answering("a length and chunks", Closing(answer("200 OK", "Transfer-Encoding: chunked", body="3\r\napp\r\n0\r\n\r\n"))),
    answering("a length below 0", Closing(answer("200 OK", "Content-Length: -1", length=False))),
    answering("a malformed chunk", Closing(answer("200 OK", "Transfer-Encoding: chunked", body="zz\r\napp\r\n", length=False))),
    answering("a large head", Closing(answer("200 OK", "X-A: " + "a" * 1_000_000))),
    answering("a change that nobody asked for", Closing(answer("101 Switching Protocols", "Upgrade: x", "Connection: Upgrade", body=""))),
    answering("no answer in time", Hanging(b"")),
    answering("a part of a head in time", Hanging(b"HTTP/1.1 200 OK\r\n")),
    answering("a body that breaks off", Closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\napp")),
    answering("a body that stops", Hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\napp")),
]


def handed(name, answers, sent=None):
    return Case(f"X-Accel-Redirect: {name}", sent or request(), answers)


FIRST = ["Content-Type: text/first", "Content-Disposition: attachment", "Cache-Control: private", "Expires: 0",
         "Accept-Ranges: bytes", "Set-Cookie: first=1", "Set-Cookie: first=2", "Last-Modified: Tue, 22 Dec 2015 03:34:40 GMT",
         "Content-Language: de", "Vary: Cookie", "Link: </a>", "WWW-Authenticate: x", "Location: /a", "Refresh: 5"]
OWN = ["Content-Type: text/own", "Content-Disposition: inline", "Cache-Control: public", "Expires: 1", "Accept-Ranges: none",
       "Set-Cookie: own=1", "Vary: Accept"]

HANDED = [
    handed("a GET", led(), request("/x?a=b", "Cookie: a=b", "If-None-Match: \"e\"", "Range: bytes=0-1", "X-A: 1")),
    handed("arguments", led(to="/inside/y?c=d&e=%20")),
    handed("an escaped path", led(to="/inside/a%20b%3Fc/%C3%A4")),
    handed("a path with a blank", led(to="/inside/a b")),
    handed("a path that is replaced", led(to="/inside/mapped/a%20b?x=y")),
    handed("two slashes", led(to="/inside//y")),
    handed("two slashes in a path that is replaced", led(to="/inside/mapped//y")),
    handed("a location that is not internal", led(to="/y")),
    handed("headers where the last answer has none", led(*FIRST)),
    handed("headers where the last answer has its own", led(*FIRST, then=answer("200 OK", *OWN))),
    handed("two of a header", led("Cache-Control: private", "Cache-Control: max-age=1")),
    handed("the status of the last answer", led(status="200 OK", then=answer("404 Nope"))),
    handed("from an error", led(status="500 Oops")),
    handed("HEAD", led(), request(method="HEAD")),
    handed("POST", led(), request("/x", "Content-Type: text/plain", method="POST", body="hi")),
    handed("PUT", led(), request("/x", method="PUT", body="hi")),
    handed("a method nobody knows", led(), request("/x", method="BREW")),
    handed("..", led(to="/inside/../y")),
    handed(".. escaped", led(to="/inside/%2e%2e/y")),
    handed("..\\", led(to="/inside/..\\y")),
    handed("a zero byte", led(to="/inside/%00")),
    handed("another host", led(to="http://evil.example/")),
    handed("//another host", led(to="//evil.example/y")),
    handed("no slash", led(to="inside/y")),
    handed("nothing", led(to="")),
    handed("a malformed escape", led(to="/inside/%zz")),
    handed("a fragment", led(to="/inside/a#b")),
    handed("in a circle", always(answer("200 OK", "X-Accel-Redirect: /x"))),
    handed("twice", lambda asked: (
        answer() if asked.target == "/inside/2" else
        answer("200 OK", "X-Accel-Redirect: /inside/2", "Set-Cookie: b=2", "Expires: 2") if asked.target == "/inside/1" else
        answer("200 OK", "X-Accel-Redirect: /inside/1", "Set-Cookie: a=1", "Expires: 1", "Cache-Control: private"))),
    handed("a length and no body", always(Closing(answer("200 OK", "X-Accel-Redirect: /down/", "Content-Length: 9", length=False)))),
    Case("X-Accel-Redirect: an internal location from outside", request("/inside/y")),
    Case("X-Accel-Redirect: an internal location by ..", request("/x/../inside/y")),
    handed("a named location", led(to="@named")),
]

HANDSHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


def pushing(name, to, sent=None, *headers, channel):
    """The application hands over to a location that pushes, where a message is already."""
    publish = request(f"/pub?id={channel}", "Connection: close", method="POST", body="app message")
    said = answer("200 OK", f"X-Accel-Redirect: {to}?id={channel}", *headers, body="secret")
    return Case(f"hand-over: {name}", sent or request(), always(said), before=publish, ids=True)


PUSHING = [
    pushing("a poll", "/inside/sub", channel="h1"),
    pushing("a poll, with headers of the application", "/inside/sub", None, *FIRST, channel="h2"),
    pushing("a poll, by HEAD", "/inside/sub", request(method="HEAD"), channel="h3"),
    pushing("a poll, by POST", "/inside/sub", request(method="POST", body="hi"), channel="h4"),
    pushing("a poll behind a message that is long gone", "/inside/sub", request(
        "/x", "If-Modified-Since: Tue, 22 Dec 2015 03:34:40 GMT", "If-None-Match: 0"), channel="h5"),
    pushing("a WebSocket", "/inside/sub", request("/x", *HANDSHAKE), "Set-Cookie: a=b", channel="h6"),
    pushing("a WebSocket of an old version", "/inside/sub", request(
        "/x", *HANDSHAKE[:2], "Sec-WebSocket-Version: 8", HANDSHAKE[3]), channel="h7"),
    pushing("a WebSocket to where there is none", "/inside/pub", request("/x", *HANDSHAKE), channel="h8"),
    pushing("a publisher", "/inside/pub", request("/x", "Accept: application/json", method="POST", body="app said"), channel="h9"),
    pushing("the state of a channel", "/inside/pub", request("/x", "Accept: application/json"), channel="h10"),
    pushing("the end of a channel", "/inside/pub", request("/x", method="DELETE"), channel="h11"),
]


def asked(name, said, sent=None):
    """Somebody wants a message that is there, if the application lets him."""
    publish = request("/pub?id=1", "Connection: close", method="POST", body="app message")
    return Case(f"auth_request: {name}", sent or request("/sub?id=1"), always(said), before=publish)


AUTHORISED = [
    asked("200", answer("200 OK", "X-User: ann", "Set-Cookie: a=b")),
    asked("204", answer("204 No Content", body="", length=False)),
    asked("what it is asked with", answer(), request(
        "/sub?id=1", "Cookie: a=b", "Authorization: Basic x", "X-Original-URI: /forged", "X-Original-Method: FORGED", "X_A: 1",
        "Range: bytes=0-1", "Accept: */*")),
    asked("401", answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"", "X-Why: a")),
    asked("403", answer("403 Forbidden", "X-Why: a")),
    asked("302", answer("302 Found", "Location: /login")),
    asked("304", answer("304 Not Modified", body="", length=False)),
    asked("404", answer("404 Nope")),
    asked("500", answer("500 Oops")),
    asked("garbage", Closing(b"garbage\r\n\r\n")),
    asked("no answer in time", Hanging(b"")),
    asked("the application is down", answer(), request("/sub-down?id=1")),
]

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n"


def smuggling(name, *lines, body=b"", version="HTTP/1.1", after=SMUGGLED, host=HOST, target="/a"):
    head = f"POST {target} {version}\r\n{host}" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return Case(f"smuggling: {name}", head.encode("latin-1") + body + after, raw=True)


CHUNKED = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
PROBES = [
    smuggling("two requests", "Content-Length: 2", body=b"hi"),
    smuggling("a length and chunks", f"Content-Length: {len(SMUGGLED) + 5}", CHUNKED, body=END),
    smuggling("chunks and a length", CHUNKED, "Content-Length: 4", body=END),
    smuggling("two lengths", "Content-Length: 2", "Content-Length: 3", body=b"hi"),
    smuggling("the same length twice", "Content-Length: 2", "Content-Length: 2", body=b"hi"),
    smuggling("lengths in one line", "Content-Length: 2, 2", body=b"hi"),
    smuggling("a length with a sign", "Content-Length: +2", body=b"hi"),
    smuggling("a length below 0", "Content-Length: -2", body=b"hi"),
    smuggling("a hexadecimal length", "Content-Length: 0x2", body=b"hi"),
    smuggling("a length of nothing", "Content-Length:", body=b""),
    smuggling("an enormous length", "Content-Length: 99999999999999999999", body=b"hi"),
    smuggling("a length with an underscore", "Content_Length: 2", body=b""),
    smuggling("another coding", "Transfer-Encoding: xchunked", body=END),
    smuggling("identity", "Transfer-Encoding: identity", body=b""),
    smuggling("chunks and identity", "Transfer-Encoding: chunked, identity", body=END),
    smuggling("gzip in chunks", "Transfer-Encoding: gzip, chunked", body=END),
    smuggling("chunks twice", CHUNKED, CHUNKED, body=END),
    smuggling("chunks in capitals", "Transfer-Encoding: CHUNKED", body=END),
    smuggling("chunks behind a tab", "Transfer-Encoding:\tchunked", body=END),
    smuggling("chunks behind a vertical tab", "Transfer-Encoding: \x0bchunked", body=END),
    smuggling("a blank before the colon", "Transfer-Encoding : chunked", body=END),
    smuggling("a blank before the name", " Transfer-Encoding: chunked", body=END),
    smuggling("a header that goes on in a second line", "X-A: b", " Transfer-Encoding: chunked", body=END),
    smuggling("a carriage return in a header", "X-A: b\rTransfer-Encoding: chunked", body=END),
    smuggling("a line feed ends a line", "X-A: b\nTransfer-Encoding: chunked", body=END),
    smuggling("a zero byte in a header", "X-A: a\0b"),
    smuggling("a line without a colon", "nothing"),
    smuggling("a name that is empty", ": nothing"),
    smuggling("a name with a bracket", "X[A]: b"),
    smuggling("chunks in HTTP/1.0", CHUNKED, body=END, version="HTTP/1.0"),
    smuggling("a chunk of no number", CHUNKED, body=b"zz\r\nhi\r\n" + END),
    smuggling("a chunk with a sign", CHUNKED, body=b"+2\r\nhi\r\n" + END),
    smuggling("a chunk with a prefix", CHUNKED, body=b"0x2\r\nhi\r\n" + END),
    smuggling("an enormous chunk", CHUNKED, body=b"fffffffffffffffff2\r\nhi\r\n" + END),
    smuggling("a chunk that is longer than it says", CHUNKED, body=b"1\r\nhi\r\n" + END),
    smuggling("a chunk with an extension", CHUNKED, body=b"2;a=b\r\nhi\r\n" + END),
    smuggling("a chunk with a line feed in its extension", CHUNKED, body=b"2;a\nb\r\nhi\r\n" + END),
    smuggling("chunks that end their lines with a line feed", CHUNKED, body=b"2\nhi\n0\n\n"),
    smuggling("trailers", CHUNKED, body=b"2\r\nhi\r\n0\r\nX-Trailer: a\r\nContent-Length: 5\r\n\r\n"),
    smuggling("two hosts", "Host: other.example"),
    smuggling("no host", host=""),
    smuggling("a host with a slash", host="Host: a/b\r\n"),
    smuggling("a host with a user", host="Host: a@b\r\n"),
    smuggling("an empty host", host="Host:\r\n"),
    smuggling("HTTP/1.2", version="HTTP/1.2"),
    smuggling("HTTP/2.0", version="HTTP/2.0"),
    smuggling("no version", version=""),
    smuggling("a blank in the target", target="/a b"),
    smuggling("a tab in the target", target="/a\tb"),
    smuggling("a target above ASCII", target="/\xe4"),
    smuggling("a fragment in the target", target="/a#b"),
    smuggling("empty lines first", after=b"\r\n\r\n" + SMUGGLED),
    Case("smuggling: a method in small letters", b"get /a HTTP/1.1\r\n" + HOST.encode() + b"\r\n", raw=True),
    Case("smuggling: two blanks", b"GET  /a HTTP/1.1\r\n" + HOST.encode() + b"\r\n", raw=True),
    Case("smuggling: the beginning of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", raw=True),
    Case("smuggling: a request of HTTP/0.9", b"GET /a\r\n", raw=True),
]

CASES = [*REQUESTS, *ANSWERS, *HANDED, *AUTHORISED, *PUSHING, *PROBES]
