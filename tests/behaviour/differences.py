"""Where pushgate does something else than nginx, and why."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Difference:
    """Cases and parts by their names, with * for anything."""

    case: str
    what: str
    why: str

    def covers(self, case, what):
        return fnmatchcase(case, self.case) and fnmatchcase(what, self.what)


def meant(why, *places):
    return [Difference(case, what, why) for case, what in places]


MEANT = [
    # What is passed on.
    *meant("`..` is resolved, so that the application gets the path by which the location was found",
           ("request: a path with ..", "asked 1")),
    *meant("an application may take a backslash for a slash, so nothing climbs by it",
           ("request: above the location, by backslashes", "*"), ("X-Accel-Redirect: ..\\", "*")),
    *meant("what concerns one connection is not passed on (RFC 9110 section 7.6.1)",
           ("request: what concerns one connection", "asked 1 *"), ("answer: what concerns one connection", "header *")),
    *meant("requests in HTTP/2 would come past the locations",
           ("request: an upgrade to HTTP/2", "asked 1 *")),
    *meant("what a client claims about who it is is dropped, unless real_ip_from names it",
           ("request: who asks, as the client claims it", "asked 1 *")),
    *meant("arguments are decoded, and no header has a line feed",
           ("request: a header that is set from an argument", "*")),
    *meant("scripts would take it for a variable of their own (HTTP_PROXY)",
           ("request: Proxy, which scripts take for a variable", "asked 1 proxy")),
    *meant("the application always gets a host",
           ("request: HTTP/1.0", "asked 1 host"), ("request: HTTP/1.0", "asked 1 x-forwarded-host")),
    *meant("the host of the URL counts (RFC 9112 section 3.2.2)",
           ("request: a whole URL", "asked 1 *")),
    *meant("405 says what is taken (RFC 9110 section 15.5.6)",
           ("request: TRACE", "header allow")),
    *meant("a POST of nothing says so (RFC 9110 section 8.6)",
           ("request: POST without a length", "asked 1 content-length"),
           ("smuggling: a length with an underscore", "asked 1 content-length"),
           ("smuggling: a fragment in the target", "asked 1 content-length"),
           ("smuggling: empty lines first", "asked 1 content-length")),
    *meant("a body goes on as it comes, and is not kept back to be counted",
           *((case, f"asked 1 {name}") for name in ("content-length", "transfer-encoding") for case in (
               "request: POST in chunks", "smuggling: chunks in capitals", "smuggling: a line feed ends a line",
               "smuggling: a chunk with an extension", "smuggling: trailers"))),
    # What comes back.
    *meant("an nginx in front has to know, too",
           ("answer: orders for nginx", "header x-accel-buffering")),
    *meant("it is no order",
           ("answer: orders for nginx", "header x-pad")),
    *meant("a Location without a host is right whatever is in front (RFC 9110 section 10.2.2)",
           ("answer: a redirect to itself*", "header location")),
    *meant("an answer that informs is none yet (RFC 9110 section 15.2)",
           ("answer: 10[03] first", "status")),
    *meant("a kept connection that ends is no answer: a GET is sent again on a new one",
           ("answer: nothing", "asked 2")),
    *meant("what is no answer of HTTP/1 is 502",
           ("answer: garbage", "status"), ("answer: a status of no number", "status"), ("answer: two lengths", "status"),
           ("answer: a length below 0", "status"), ("answer: a change that nobody asked for", "status")),
    *meant("what has come is passed on at once",
           ("answer: a body that stops", "body")),
    # X-Accel-Redirect.
    *meant("the application gets the path by which the location was found",
           ("X-Accel-Redirect: two slashes*", "asked 2"), ("X-Accel-Redirect: //another host", "asked 2")),
    *meant("where the last answer has its own the first one's is none: twice it would mean nothing",
           ("X-Accel-Redirect: headers where the last answer has its own", "header *"),
           ("X-Accel-Redirect: twice", "header expires")),
    *meant("a GET has no body; only a publisher location gets it, with its method",
           ("X-Accel-Redirect: P*", "asked 2 *")),
    *meant("a malformed target is no location",
           ("X-Accel-Redirect: a malformed escape", "*")),
    *meant("there are no named locations, so that no answer leads to one",
           ("X-Accel-Redirect: a named location", "*")),
    # Handing over to locations that push.
    *meant("what is said of a page is not said of a message",
           *(("hand-over: a poll, with headers of the application", f"header {name}") for name in (
               "accept-ranges", "content-disposition", "content-type", "expires"))),
    *meant("polls are nobody's to keep",
           ("hand-over: a poll*", "header cache-control")),
    *meant("HEAD is answered, and a POST waits as a GET does",
           ("hand-over: a poll, by HEAD", "status"), ("hand-over: a poll, by POST", "status")),
    *meant("426 says which version is spoken (RFC 6455 section 4.4)",
           ("hand-over: a WebSocket of an old version", "status")),
    *meant("a location that only takes messages opens none: it tells the state of the channel",
           ("hand-over: a WebSocket to where there is none", "status")),
    # auth_request.
    *meant("the application is told what it is asked about",
           ("auth_request: *", "asked 1 x-channel-id"), ("auth_request: *", "asked 1 x-subscriber-type")),
    *meant("the range is one of messages, and not of the application's page",
           ("auth_request: what it is asked with", "asked 1 range")),
    *meant("a refusal is passed on as the application words it, as nchan_authorize_request does",
           ("auth_request: *", "body"), ("auth_request: *", "header content-length"), ("auth_request: *", "header x-why"),
           ("auth_request: 302", "status"), ("auth_request: 404", "status")),
    *meant("who cannot be asked is told from who fails: 502 and 504",
           ("auth_request: 304", "status"), ("auth_request: garbage", "status"), ("auth_request: no answer in time", "status"),
           ("auth_request: the application is down", "status")),
    *meant("polls are nobody's to keep",
           ("auth_request: *", "header cache-control")),
    # Requests that two servers could read differently.
    *meant("the chunks count, the application gets nothing else, and the connection ends (RFC 9112 section 6.1)",
           ("smuggling: a length and chunks", "*"), ("smuggling: chunks and a length", "*")),
    *meant("twice the same is the same; the application gets it once (RFC 9110 section 8.6)",
           ("smuggling: the same length twice", "*")),
    *meant("400 is for a body whose end is unknown (RFC 9112 section 6.3)",
           ("smuggling: another coding", "status"), ("smuggling: identity", "status"), ("smuggling: chunks and identity", "status"),
           ("smuggling: chunks behind a vertical tab", "status")),
    *meant("a tab is a blank (RFC 9110 section 5.6.3)",
           ("smuggling: chunks behind a tab", "*")),
    *meant("it is no header line, no chunk or no request line (RFC 9112)",
           ("smuggling: a line without a colon", "*"), ("smuggling: a name with a bracket", "*"),
           ("smuggling: chunks that end their lines with a line feed", "*"), ("smuggling: a target above ASCII", "*"),
           ("smuggling: two blanks", "*"), ("smuggling: no version", "*"), ("smuggling: a request of HTTP/0.9", "*")),
    *meant("the request is understood but for its host, so the next one is, too",
           ("smuggling: two hosts", "*"), ("smuggling: no host", "*"), ("smuggling: a host with a slash", "*")),
    *meant("a host has no user (RFC 9110 section 4.2.4)",
           ("smuggling: a host with a user", "*")),
    *meant("a host may be empty (RFC 9112 section 3.2)",
           ("smuggling: an empty host", "*")),
    *meant("HTTP/1.0 and HTTP/1.1 are spoken, and 400 says so",
           ("smuggling: HTTP/?.?", "*")),
    *meant("a fragment is no part of a request",
           ("smuggling: a fragment in the target", "*")),
    *meant("methods are case-sensitive, and this one is the application's to refuse (RFC 9110 section 9.1)",
           ("smuggling: a method in small letters", "*")),
]
