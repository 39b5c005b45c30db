use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::router::Router;

/// A request that tests change to their needs.
struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    pattern: Pattern,
    path: &'static str,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: Method::GET,
            uri: Uri::from_static("/"),
            headers: HeaderMap::new(),
            pattern: Pattern::parse("/").unwrap(),
            path: "/",
        }
    }
}

impl Request {
    fn of(uri: &'static str) -> Self {
        Self { uri: Uri::from_static(uri), ..Self::default() }
    }

    fn with(lines: &[(&'static str, &'static str)]) -> Self {
        let mut request = Self::default();
        for (name, value) in lines {
            request.headers.append(*name, HeaderValue::from_static(value));
        }
        request
    }

    fn matching(pattern: &str, path: &'static str) -> Self {
        Self { pattern: Pattern::parse(pattern).unwrap(), path, ..Self::default() }
    }

    fn expand_bytes(&self, text: &str) -> Vec<u8> {
        self.scoped(text, |template, scope| template.expand(scope).into_owned())
    }

    fn expand_uri(&self, text: &str) -> Option<String> {
        self.scoped(text, Template::expand_uri).map(|uri| uri.to_string())
    }

    fn scoped<T>(&self, text: &str, use_it: impl Fn(&Template, &Scope<'_>) -> T) -> T {
        let router = Router::new([&self.pattern]);
        let captures = router.find(self.path.as_bytes()).unwrap().captures;
        let push = Push {
            channel_id: b"room",
            event: "",
            identity: b"ann",
            subscriber_type: "long-poll",
            message_id: MessageId::new(5, 1),
            previous_message_id: None,
            subscriber_count: Some(3),
        };
        let scope = Scope {
            method: &self.method,
            uri: &self.uri,
            asked: &self.uri,
            path: self.path.as_bytes(),
            headers: &self.headers,
            captures: &captures,
            peer: Peer::Inet("192.0.2.1".parse().unwrap(), 4711),
            connection: Veiled { veil: &Veil::default(), number: 17 },
            request_id: 0xab,
            scheme: "http",
            server_name: "push.example",
            token: None,
            push,
        };
        use_it(&Template::parse(text, &self.pattern).unwrap(), &scope)
    }

    fn expand(&self, text: &str) -> String {
        String::from_utf8(self.expand_bytes(text)).unwrap()
    }
}

fn prefix() -> Pattern {
    Pattern::parse("/").unwrap()
}

#[test]
fn arguments_are_decoded_once() {
    let request = Request::of("/?cid=a%20b%2525+c&x=1");
    assert_eq!(request.expand("$arg_cid"), "a b%25+c");
    assert_eq!(Request::of("/?cid=%ff%zz%").expand_bytes("$arg_cid"), b"\xff%zz%");
}

#[test]
fn what_a_value_brings_into_an_uri_stays_where_it_is_put() {
    let request = Request::of("/sub/x?id=a%26b/c%20%23%0d%0a%ff&up=..&raw=1&far=..%2f..%5cb");
    for (text, expected) in [
        ("/auth?c=$arg_id&x", Some("/auth?c=a%26b%2Fc%20%23%0D%0A%FF&x")),
        ("/auth/$arg_id", Some("/auth/a%26b%2Fc%20%23%0D%0A%FF")),
        ("/auth?$args", Some("/auth?id=a%26b/c%20%23%0d%0a%ff&up=..&raw=1&far=..%2f..%5cb")),
        ("/a$uri", Some("/a/")),
        ("/a/$arg_up/b", None),
        ("/a/$arg_far", None),
        ("/a/x$arg_far", None),
        ("/a?x=$arg_far", Some("/a?x=..%2F..%5Cb")),
        ("/a/.$arg_none", None),
        ("/a/.$arg_raw", Some("/a/.1")),
        ("/a?b=$arg_up", Some("/a?b=..")),
        ("$arg_raw", None),
        ("$request_uri", Some("/sub/x?id=a%26b/c%20%23%0d%0a%ff&up=..&raw=1&far=..%2f..%5cb")),
    ] {
        assert_eq!(request.expand_uri(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn the_first_argument_of_a_name_counts_in_any_case() {
    let request = Request::of("/?xcid=0&cid&CID=1&cid=2&b=x=y");
    assert_eq!(request.expand("$arg_cid/$arg_Cid/$arg_b"), "1/1/x=y");
    assert_eq!(Request::of("/").expand("<$arg_cid>"), "<>");
}

#[test]
fn headers_are_found_by_underscores_and_joined() {
    let request = Request::with(&[("x-user-id", "7"), ("via", "a"), ("via", "b")]);
    assert_eq!(request.expand("$http_x_user_id $http_via $http_none."), "7 a, b .");
}

#[test]
fn cookies_are_found_in_every_line() {
    let request = Request::with(&[("cookie", "a=1;b= 2 "), ("cookie", "sid=x=y; b=3")]);
    assert_eq!(request.expand("$cookie_a$cookie_b$cookie_SID$cookie_c"), "12x=y");
}

#[test]
fn groups_are_found_by_number_and_name() {
    let request = Request::matching(r"~ ^/(\w+)/(?<id>\d+)(x)?$", "/sub/42");
    assert_eq!(request.expand("$1-$2-$id-$3-${1}0-$10"), "sub-42-42--sub0-sub0");
}

#[test]
fn the_host_is_the_one_asked_for() {
    for (host, expanded) in [
        ("Example.COM:8080", "example.com"),
        ("example.com.", "example.com"),
        ("[2001:DB8::1]:80", "[2001:db8::1]"),
        ("", "push.example"),
    ] {
        assert_eq!(Request::with(&[("host", host)]).expand("$host"), expanded, "{host}");
    }
    assert_eq!(Request::default().expand("$host"), "push.example");
    assert_eq!(Request::of("http://A.example:81/").expand("$host"), "a.example");
}

#[test]
fn the_rest_says_what_it_is_called() {
    let request = Request { path: "/ä", ..Request::of("/%C3%A4?b=%20") };
    for (text, expanded) in [
        ("$uri", "/ä"),
        ("$request_uri", "/%C3%A4?b=%20"),
        ("$args", "b=%20"),
        ("$scheme", "http"),
        ("$remote_addr", "192.0.2.1"),
        ("$remote_port", "4711"),
        ("$request_method", "GET"),
        ("$request_id", "000000000000000000000000000000ab"),
        ("$server_name", "push.example"),
        ("$push_channel_id", "room"),
        ("$push_subscriber_type", "long-poll"),
        ("$push_message_id", "5:1"),
        ("$push_previous_message_id", ""),
        ("$push_subscriber_count", "3"),
    ] {
        assert_eq!(request.expand(text), expanded, "{text}");
    }
    // It is a number, and not the one that says how many came before.
    let connection = request.expand("$connection");
    assert!(connection.parse::<u64>().is_ok_and(|number| number != 17), "{connection}");
}

#[test]
fn braces_and_double_dollars_are_understood() {
    let request = Request::of("/?a=1");
    assert_eq!(request.expand("$$${arg_a}b$$$arg_a.$${arg_a}"), "$1b$1.${arg_a}");
    assert_eq!(request.expand(""), "");
}

#[test]
fn one_part_alone_is_not_copied() {
    let request = Request::of("/?a=plain");
    let captures = Captures::default();
    let scope = Scope {
        method: &request.method,
        uri: &request.uri,
        asked: &request.uri,
        path: b"/",
        headers: &request.headers,
        captures: &captures,
        peer: Peer::Unix,
        connection: Veiled { veil: &Veil::default(), number: 0 },
        request_id: 0,
        scheme: "http",
        server_name: "",
        token: None,
        push: Push::default(),
    };
    for text in ["$arg_a", "literal", "a$$b", "", "$uri", "$host", "$remote_port"] {
        let template = Template::parse(text, &prefix()).unwrap();
        assert!(matches!(template.expand(&scope), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    for (text, reason) in [
        ("$", "a `$` needs the name of a variable after it; a dollar sign is written `$$`"),
        ("a$-b", "a `$` needs the name of a variable after it; a dollar sign is written `$$`"),
        ("${arg_a", "`${` needs the name of a variable and a `}` after it"),
        ("${}", "`${` needs the name of a variable and a `}` after it"),
        ("${a b}", "`${` needs the name of a variable and a `}` after it"),
        ("$remote_adr", "unknown variable `$remote_adr`, did you mean `$remote_addr`?"),
        ("$args_cid", "unknown variable `$args_cid`, did you mean `$arg_cid`?"),
        ("$arg_", "unknown variable `$arg_`, did you mean `$args`?"),
        ("$3", "`$3`: the path \"/\" has no groups"),
    ] {
        assert_eq!(Template::parse(text, &prefix()).unwrap_err().to_string(), reason, "{text}");
    }
    let regex = Pattern::parse("~ ^/(a)(?<who>b)$").unwrap();
    let few = Template::parse("$3", &regex).unwrap_err().to_string();
    assert_eq!(few, "`$3`: the path \"~ ^/(a)(?<who>b)$\" has 2 groups");
    let near = Template::parse("$whom", &regex).unwrap_err().to_string();
    assert_eq!(near, "unknown variable `$whom`, did you mean `$who`?");
}

proptest! {
    #[test]
    fn templates_round_trip(
        text in "([a-z$ä]|\\$\\$|\\$arg_a|\\$\\{1\\}|\\$12|\\$\\{who\\}|\\$http_x_y ){0,8}",
    ) {
        let pattern = Pattern::parse("~ (?<who>.)").unwrap();
        if let Ok(template) = Template::parse(&text, &pattern) {
            prop_assert_eq!(Template::parse(&template.to_string(), &pattern), Ok(template));
        }
    }

    #[test]
    fn a_text_without_dollars_is_itself(text in "[^$]{0,20}") {
        prop_assert_eq!(Request::default().expand(&text), text);
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Template::parse(&text, &prefix());
    }
}
