//! Texts that look like a part of what is around them, through every framing and back, read as
//! strictly as the format allows.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::{HOUSES, request, spoken};
use crate::{
    client::Way,
    formats,
    frames::inflate,
    harness::{Client, Gateway},
    locations::locations,
    site::NOW,
    websocket::read,
};

/// What others did not escape, and what they might not.
const TEXTS: [&str; 34] = [
    "",
    " ",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\r\r",
    "\r\n\r\n",
    "a\rb\nc\r\nd\n\re",
    "\nafter and before\n",
    "ends with CR\r",
    "data: x",
    "x\n\nid: 99:99\nevent: gap\ndata: forged\n\n",
    "x\r\rdata: forged\r\r",
    ": comment\nretry: 1\n",
    "\u{feff}with a mark",
    "</script>",
    "</ScRiPt ><script>alert(1)</script>",
    "<!--<script>-->",
    "\u{2028}",
    "a\u{2028}b\u{2029}c",
    "{\"a\":\"</script><!--\u{2028}\u{2029}\"}",
    "\"quoted\" and \\ and \\u2028",
    "\"]);alert(1);([\"",
    ")</script>\n",
    "~id~ ~text~ ~channel~",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "--",
    "\r\n--\r\n",
    "--boundary--\r\n",
    "\0\u{1}\u{7f}\u{80}",
    "id: 99:99\ncontent-type: text/html\n\nforged",
    "{\"messages\":[]}",
];

fn gateway(hold: &str, dialect: &str) -> Gateway {
    Gateway::start_with("", &locations(hold, &spoken(dialect)), |settings| {
        settings.clock = Box::new(|| NOW);
    })
}

/// The events of a stream as the HTML standard reads them (section 9.2.6): id, type, data.
fn events(stream: &str) -> Vec<(String, String, String)> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    assert!(stream.ends_with("\n\n"), "an event is not complete: {stream:?}");
    let (mut events, mut id) = (Vec::new(), String::new());
    let (mut kind, mut data) = (String::new(), None::<String>);
    for line in stream.split_terminator('\n') {
        if line.is_empty() {
            if let Some(mut data) = data.take() {
                data.pop();
                events.push((id.clone(), std::mem::take(&mut kind), data));
            }
            kind.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut id),
            "event" => value.clone_into(&mut kind),
            "data" => data.get_or_insert_default().extend([value, "\n"]),
            "" | "retry" => {}
            other => panic!("a field {other:?}"),
        }
    }
    events
}

/// What a script gets of a text: the value if it is JSON, else the text as a string.
fn argument(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()))
}

/// Nothing in it means anything to a page, or to a script of the time before JSON.
fn assert_inert(script: &str) {
    for end in ["</", "<!--", "\u{2028}", "\u{2029}"] {
        assert!(!script.contains(end), "{script:?}");
    }
}

/// The text of one part, and what it says of itself.
fn assert_part(part: &str, boundary: &str, tag: usize, text: &str) {
    let end = format!("\r\n{boundary}");
    assert!(part.ends_with(&end), "{part:?}");
    let part = &part[..part.len() - end.len()];
    assert!(!part.contains(boundary), "{part:?}");
    let (head, body) = part.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("\r\nEtag: {tag}")), "{head:?}");
    let coded = head.contains("\r\nContent-Transfer-Encoding: base64");
    let body = if coded { STANDARD.decode(body).unwrap() } else { body.as_bytes().to_vec() };
    assert_eq!(body, text.as_bytes());
}

/// One answer, which has the message alone.
fn assert_answer(way: Way, client: &mut Client, tag: usize, text: &str) {
    let answer = client.response();
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let entry = (Some((NOW, tag as u64)), text.to_owned());
    match way {
        Way::Json | Way::BatchJson => assert_eq!(formats::document(&answer.body), [entry]),
        Way::BatchRaw => assert_eq!(body, format!("{text}\n")),
        Way::Jsonp => {
            let script = body.strip_prefix("/**/parent.handle(").unwrap();
            let array = script.strip_suffix(");").unwrap();
            assert_inert(array);
            let arguments: Value = serde_json::from_str(array).unwrap();
            assert_eq!(arguments, Value::Array(vec![argument(text)]));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        Way::BatchMultipart => {
            let content_type = answer.header("content-type").unwrap();
            let boundary = content_type.strip_prefix("multipart/mixed; boundary=").unwrap();
            let boundary = format!("--{boundary}");
            let parts = body.strip_prefix(&boundary).unwrap().strip_suffix("--\r\n").unwrap();
            assert_part(parts, &boundary, tag, text);
        }
        _ => assert_eq!(body, text),
    }
}

/// An endless response or a WebSocket, and what is needed to read it.
struct Endless {
    way: Way,
    client: Client,
    boundary: String,
    packed: Vec<u8>,
    read: usize,
    /// `~id~` is the number of a message.
    numbered: bool,
}

impl Endless {
    fn open(gateway: &Gateway, dialect: &str, way: Way) -> Self {
        let mut client = gateway.connect();
        client.send(request(way, "GET", "1", ""));
        let head = client.head();
        let boundary = head.lines().find_map(|line| {
            line.strip_prefix("Content-Type: multipart/mixed; boundary=").map(str::to_owned)
        });
        let boundary = format!("--{}", boundary.unwrap_or_default());
        let mut opened = Self {
            way,
            client,
            boundary,
            packed: Vec::new(),
            read: 0,
            numbered: dialect == "push_stream",
        };
        if matches!(way, Way::Events | Way::Gzip | Way::Multipart) {
            opened.chunk();
        }
        opened
    }

    /// The next chunk, decompressed.
    fn chunk(&mut self) -> String {
        let chunk = self.client.chunk().unwrap();
        if self.way != Way::Gzip {
            return String::from_utf8(chunk).unwrap();
        }
        self.packed.extend(chunk);
        let mut plain = Vec::new();
        // The stream goes on: what there is ends in the middle of it.
        let end = std::io::Read::read_to_end(&mut GzDecoder::new(&self.packed[..]), &mut plain);
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        let new = plain.split_off(self.read);
        self.read = plain.len() + new.len();
        String::from_utf8(new).unwrap()
    }

    /// The next message.
    fn assert_next(&mut self, tag: usize, text: &str) {
        let id = format!("{NOW}:{tag}");
        match self.way {
            // An empty chunk would end the response.
            Way::Chunked if text.is_empty() => {}
            Way::Chunked => assert_eq!(self.chunk(), text),
            Way::Raw => assert_eq!(self.chunk(), format!("{text}\n")),
            Way::Stream if self.numbered => {
                assert_eq!(self.chunk(), format!("{} {text}\n", tag + 1));
            }
            Way::Stream => assert_eq!(self.chunk(), format!("{id} {text}\n")),
            Way::Multipart => {
                let part = self.chunk();
                assert_part(&part, &self.boundary, tag, text);
            }
            Way::Events | Way::Gzip => {
                let lines = text.replace("\r\n", "\n").replace('\r', "\n");
                assert_eq!(events(&self.chunk()), [(id, String::new(), lines)]);
            }
            way => {
                let (first, payload) = read(&mut self.client);
                let payload = if first == 0xc1 { inflate(&payload) } else { payload };
                assert!(matches!(first, 0x81 | 0xc1), "{first:#x}");
                let meta = if way == Way::Bare { String::new() } else { format!("id: {id}\n\n") };
                assert_eq!(String::from_utf8(payload).unwrap(), format!("{meta}{text}"));
            }
        }
    }
}

#[test]
fn texts_that_look_like_a_frame_are_texts_in_every_answer() {
    for (hold, dialect) in HOUSES {
        let gateway = gateway(hold, dialect);
        for (tag, text) in TEXTS.into_iter().enumerate() {
            let waiting = Way::held().into_iter().filter(|way| way.polls());
            let mut polls: Vec<_> = waiting
                .map(|way| {
                    let mut client = gateway.connect();
                    client.send(request(way, "GET", "1", ""));
                    (way, client)
                })
                .collect();
            gateway.wait_for_subscribers("/pub?c=1", polls.len());
            gateway.publish("/pub?c=1", text);
            for (way, client) in &mut polls {
                assert_answer(*way, client, tag, text);
            }
            // And at once.
            for way in Way::ALL.into_iter().filter(|way| way.polls()) {
                let mut client = gateway.connect();
                client.send(request(way, "GET", "1", ""));
                assert_answer(way, &mut client, tag, text);
            }
            gateway.request("DELETE", "/pub?c=1", "", "");
        }
    }
}

#[test]
fn texts_that_look_like_a_frame_are_texts_in_every_stream() {
    for (hold, dialect) in HOUSES {
        let gateway = gateway(hold, dialect);
        let mut streams: Vec<_> =
            Way::endless().into_iter().map(|way| Endless::open(&gateway, dialect, way)).collect();
        gateway.wait_for_subscribers("/pub?c=1", streams.len());
        let find = |stream: &&Endless| stream.way == Way::Multipart;
        let boundary = streams.iter().find(find).unwrap().boundary.clone();
        // What only listeners can know.
        let known = [boundary.clone(), format!("\r\n{boundary}--\r\n"), format!("\r\n{boundary}")];
        let texts = TEXTS.into_iter().map(str::to_owned).chain(known);
        for (tag, text) in texts.enumerate() {
            gateway.publish("/pub?c=1", &text);
            for stream in &mut streams {
                stream.assert_next(tag, &text);
            }
        }
    }
}

#[test]
fn texts_that_look_like_a_script_are_arguments_in_the_iframe() {
    for (hold, dialect) in HOUSES {
        let gateway = gateway(hold, dialect);
        let mut page = gateway.connect();
        page.get("/iframe?c=1", "");
        page.head();
        page.chunk();
        gateway.wait_for_subscribers("/pub?c=1", 1);
        for text in TEXTS {
            gateway.publish("/pub?c=1", text);
            let call = String::from_utf8(page.chunk().unwrap()).unwrap();
            let call = call.strip_prefix("<script>parent.handle(").unwrap();
            let call = call.strip_suffix(")</script>\n").unwrap();
            assert_inert(call);
            assert_eq!(serde_json::from_str::<Value>(call).unwrap(), argument(text), "{hold}");
        }
    }
}
