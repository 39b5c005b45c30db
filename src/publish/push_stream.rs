//! Channel info in the words of the push stream module, with the escaping that it lacks.
//!
//! One channel is told alone, several in a group under the state of the server, in which channels
//! that match by a prefix ("wildcard") are counted apart: there are none here.

use super::{accept::Format, host::Census};
use crate::channel::{ChannelId, ChannelInfo};

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n";

/// One channel.
pub(super) fn one(info: &ChannelInfo, format: Format) -> String {
    let item = item(info, format);
    match format {
        Format::Xml => format!("{XML}{item}\r\n"),
        _ => format!("{item}\r\n"),
    }
}

/// Several channels, of which not all need to be there.
pub(super) fn group<'a>(
    infos: impl IntoIterator<Item = &'a ChannelInfo>,
    census: &Census<'_>,
    format: Format,
) -> String {
    let mut group = Group::new(census, format);
    infos.into_iter().for_each(|info| group.push(info));
    group.end()
}

/// Several channels, told one after the other.
#[derive(Debug)]
pub(super) struct Group {
    text: String,
    format: Format,
    begun: bool,
}

impl Group {
    /// Of no channel yet.
    pub(super) fn new(census: &Census<'_>, format: Format) -> Self {
        Self { text: head(census, format), format, begun: false }
    }

    /// Tells of one more.
    pub(super) fn push(&mut self, info: &ChannelInfo) {
        if std::mem::replace(&mut self.begun, true) {
            self.text.push_str(match self.format {
                Format::Json | Format::Text => ",\r\n",
                Format::Xml => "",
                Format::Yaml => "\r\n",
            });
        }
        if self.format == Format::Yaml {
            self.text.push_str(" -\r\n");
        }
        self.text.push_str(&item(info, self.format));
    }

    /// All of it.
    pub(super) fn end(self) -> String {
        self.text
            + match self.format {
                Format::Json => "\r\n]}\r\n",
                Format::Text | Format::Yaml => "\r\n",
                Format::Xml => "  </infos>\r\n</root>\r\n",
            }
    }
}

/// The server as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// The number of the process.
    pub(super) pid: u32,
    /// Messages ever published.
    pub(super) published: u64,
    /// Messages that are stored.
    pub(super) stored: u64,
    pub(super) subscribers: u64,
}

/// The server as a whole, with an entry for its process in place of workers.
pub(super) fn summary(summary: &Summary, census: &Census<'_>, format: Format) -> String {
    let Summary { pid, published, stored, subscribers } = summary;
    let Census { hostname, time, channels, uptime } = census;
    let time = date(*time);
    let server = [
        ("hostname", text(hostname, format)),
        ("time", if format == Format::Json { json(&time) } else { time }),
        ("channels", channels.to_string()),
        ("wildcard_channels", "0".into()),
        ("published_messages", published.to_string()),
        ("stored_messages", stored.to_string()),
        ("messages_in_trash", "0".into()),
        ("channels_in_delete", "0".into()),
        ("channels_in_trash", "0".into()),
        ("subscribers", subscribers.to_string()),
        ("uptime", uptime.to_string()),
    ];
    let pid = if format == Format::Json { json(&pid.to_string()) } else { pid.to_string() };
    let worker =
        [("pid", pid), ("subscribers", subscribers.to_string()), ("uptime", uptime.to_string())];
    let lines = |indent, fields| fields_of(fields, indent, format);
    match format {
        Format::Json => {
            let (server, worker) = (lines("", &server[..]), lines("", &worker[..]));
            format!("{{{server}, \"by_worker\": [\r\n{{{worker}}}\r\n]}}\r\n")
        }
        Format::Text => {
            format!("{}by_worker:\r\n{}", lines("", &server), lines("  ", &worker))
        }
        Format::Yaml => {
            format!("{}  by_worker:\r\n   -\r\n{}", lines("  ", &server), lines("    ", &worker))
        }
        Format::Xml => format!(
            "{XML}<infos>\r\n{}  <by_worker>\r\n    <worker>\r\n{}    </worker>\r\n  </by_worker>\r\n\
             </infos>\r\n",
            lines("  ", &server),
            lines("      ", &worker)
        ),
    }
}

/// Names and values, in JSON one behind the other, else each in a line.
fn fields_of(fields: &[(&str, String)], indent: &str, format: Format) -> String {
    let field = |(name, value): &(&str, String)| match format {
        Format::Json => format!("\"{name}\": {value}"),
        Format::Text | Format::Yaml => format!("{indent}{name}: {value}\r\n"),
        Format::Xml => format!("{indent}<{name}>{value}</{name}>\r\n"),
    };
    let fields: Vec<_> = fields.iter().map(field).collect();
    fields.join(if format == Format::Json { ", " } else { "" })
}

fn item(info: &ChannelInfo, format: Format) -> String {
    let ChannelInfo { channel, published, messages, subscribers, .. } = info;
    let name = name(channel, format);
    match format {
        Format::Json => format!(
            "{{\"channel\": {name}, \"published_messages\": {published}, \
             \"stored_messages\": {messages}, \"subscribers\": {subscribers}}}"
        ),
        Format::Text => format!(
            "channel: {name}\r\npublished_messages: {published}\r\n\
             stored_messages: {messages}\r\nactive_subscribers: {subscribers}"
        ),
        Format::Xml => format!(
            "<channel>\r\n\
             \x20 <name>{name}</name>\r\n\
             \x20 <published_messages>{published}</published_messages>\r\n\
             \x20 <stored_messages>{messages}</stored_messages>\r\n\
             \x20 <subscribers>{subscribers}</subscribers>\r\n\
             </channel>\r\n"
        ),
        Format::Yaml => format!(
            "  channel: {name}\r\n  published_messages: {published}\r\n\
             \x20 stored_messages: {messages}\r\n  subscribers: {subscribers}"
        ),
    }
}

fn head(census: &Census<'_>, format: Format) -> String {
    let Census { hostname, time, channels, uptime } = census;
    let time = date(*time);
    match format {
        Format::Json => format!(
            "{{\"hostname\": {}, \"time\": \"{time}\", \"channels\": {channels}, \
             \"wildcard_channels\": 0, \"uptime\": {uptime}, \"infos\": [\r\n",
            json(hostname)
        ),
        Format::Text => format!(
            "hostname: {hostname}, time: {time}, channels: {channels}, \
             wildcard_channels: 0, uptime: {uptime}, infos: \r\n"
        ),
        Format::Xml => format!(
            "{XML}<root>\r\n\
             \x20 <hostname>{}</hostname>\r\n\
             \x20 <time>{time}</time>\r\n\
             \x20 <channels>{channels}</channels>\r\n\
             \x20 <wildcard_channels>0</wildcard_channels>\r\n\
             \x20 <uptime>{uptime}</uptime>\r\n\
             \x20 <infos>\r\n",
            xml(hostname)
        ),
        Format::Yaml => format!(
            "hostname: {hostname}\r\ntime: {time}\r\nchannels: {channels}\r\n\
             wildcard_channels: 0\r\nuptime: {uptime}\r\ninfos: \r\n"
        ),
    }
}

/// The name of a channel, which may be any bytes: those that are no text are replaced.
fn name(channel: &ChannelId, format: Format) -> String {
    text(&channel.to_string(), format)
}

fn text(text: &str, format: Format) -> String {
    match format {
        Format::Json => json(text),
        Format::Text => printable(text),
        Format::Xml => xml(text),
        Format::Yaml => yaml(text),
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What would end a line, or is not to be seen, becomes U+FFFD; so do the two that XML 1.0 excludes.
fn printable(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(hidden, "\u{fffd}")
}

fn xml(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Bare where that is a scalar for sure (YAML 1.2 section 7.3.3), else in double quotes, where JSON
/// is YAML.
fn yaml(text: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if begins && text.bytes().all(bare) { text.to_owned() } else { json(text) }
}

/// A Unix second as `YYYY-MM-DDTHH:MM:SS`, in UTC.
fn date(second: u64) -> String {
    let (days, of_day) = (second / 86_400, second % 86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    // Years from March on, so that the leap day is the last of one: 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + later;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use httpdate::HttpDate;
    use proptest::prelude::*;

    use super::*;
    use crate::channel::MessageId;

    const CENSUS: Census<'_> =
        Census { hostname: "vm", time: 1_795_396_661, channels: 3, uptime: 25 };

    fn info(name: &str, published: u64, messages: usize) -> ChannelInfo {
        ChannelInfo {
            channel: ChannelId::new(name.as_bytes()),
            published,
            messages,
            requested: None,
            subscribers: 0,
            last_message_id: MessageId::ZERO,
        }
    }

    #[test]
    fn one_channel_is_told_as_the_module_does() {
        let info = info("ch1", 5, 4);
        for (format, expected) in [
            (
                Format::Json,
                "{\"channel\": \"ch1\", \"published_messages\": 5, \"stored_messages\": 4, \
                 \"subscribers\": 0}\r\n",
            ),
            (
                Format::Text,
                "channel: ch1\r\npublished_messages: 5\r\nstored_messages: 4\r\n\
                 active_subscribers: 0\r\n",
            ),
            (
                Format::Yaml,
                "  channel: ch1\r\n  published_messages: 5\r\n  stored_messages: 4\r\n  \
                 subscribers: 0\r\n",
            ),
            (
                Format::Xml,
                "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <name>ch1</name>\r\n  \
                 <published_messages>5</published_messages>\r\n  \
                 <stored_messages>4</stored_messages>\r\n  <subscribers>0</subscribers>\r\n\
                 </channel>\r\n\r\n",
            ),
        ] {
            assert_eq!(one(&info, format), expected);
        }
    }

    #[test]
    fn the_server_is_told_as_a_whole() {
        let of = |format| {
            let told = Summary { pid: 16221, published: 9, stored: 8, subscribers: 2 };
            summary(&told, &CENSUS, format)
        };
        let json = "{\"hostname\": \"vm\", \"time\": \"2026-11-23T01:17:41\", \"channels\": 3, \
                    \"wildcard_channels\": 0, \"published_messages\": 9, \"stored_messages\": 8, \
                    \"messages_in_trash\": 0, \"channels_in_delete\": 0, \"channels_in_trash\": 0, \
                    \"subscribers\": 2, \"uptime\": 25, \"by_worker\": [\r\n\
                    {\"pid\": \"16221\", \"subscribers\": 2, \"uptime\": 25}\r\n]}\r\n";
        assert_eq!(of(Format::Json), json);
        let lines = "hostname: vm|time: 2026-11-23T01:17:41|channels: 3|wildcard_channels: 0|\
                     published_messages: 9|stored_messages: 8|messages_in_trash: 0|\
                     channels_in_delete: 0|channels_in_trash: 0|subscribers: 2|uptime: 25|by_worker:|";
        let worker = "  pid: 16221|  subscribers: 2|  uptime: 25|";
        assert_eq!(of(Format::Text), format!("{lines}{worker}").replace('|', "\r\n"));
        let yaml = of(Format::Yaml);
        let read: Vec<_> = yaml.lines().map(str::trim).collect();
        let expected = format!("{lines}-|{worker}").replace("  ", "");
        assert_eq!(read, expected.trim_end_matches('|').split('|').collect::<Vec<_>>());
        assert!(yaml.contains("  by_worker:\r\n   -\r\n    pid: 16221\r\n"), "{yaml}");
        let xml = of(Format::Xml);
        assert!(
            xml.starts_with(&format!("{XML}<infos>\r\n  <hostname>vm</hostname>\r\n")),
            "{xml}"
        );
        let worker = "  <by_worker>\r\n    <worker>\r\n      <pid>16221</pid>\r\n      \
                      <subscribers>2</subscribers>\r\n      <uptime>25</uptime>\r\n    </worker>\r\n  \
                      </by_worker>\r\n</infos>\r\n";
        assert!(xml.ends_with(worker), "{xml}");
    }

    #[test]
    fn several_channels_are_a_group_under_the_state_of_the_server() {
        let infos = [info("ch1", 3, 3), info("ch2", 1, 1)];
        for (format, expected) in [
            (
                Format::Json,
                "{\"hostname\": \"vm\", \"time\": \"2026-11-23T01:17:41\", \"channels\": 3, \
                 \"wildcard_channels\": 0, \"uptime\": 25, \"infos\": [\r\n\
                 {\"channel\": \"ch1\", \"published_messages\": 3, \"stored_messages\": 3, \
                 \"subscribers\": 0},\r\n\
                 {\"channel\": \"ch2\", \"published_messages\": 1, \"stored_messages\": 1, \
                 \"subscribers\": 0}\r\n]}\r\n",
            ),
            (
                Format::Text,
                "hostname: vm, time: 2026-11-23T01:17:41, channels: 3, wildcard_channels: 0, \
                 uptime: 25, infos: \r\n\
                 channel: ch1\r\npublished_messages: 3\r\nstored_messages: 3\r\n\
                 active_subscribers: 0,\r\n\
                 channel: ch2\r\npublished_messages: 1\r\nstored_messages: 1\r\n\
                 active_subscribers: 0\r\n",
            ),
            (
                Format::Yaml,
                "hostname: vm\r\ntime: 2026-11-23T01:17:41\r\nchannels: 3\r\n\
                 wildcard_channels: 0\r\nuptime: 25\r\ninfos: \r\n \
                 -\r\n  channel: ch1\r\n  published_messages: 3\r\n  stored_messages: 3\r\n  \
                 subscribers: 0\r\n \
                 -\r\n  channel: ch2\r\n  published_messages: 1\r\n  stored_messages: 1\r\n  \
                 subscribers: 0\r\n",
            ),
            (
                Format::Xml,
                "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<root>\r\n  \
                 <hostname>vm</hostname>\r\n  <time>2026-11-23T01:17:41</time>\r\n  \
                 <channels>3</channels>\r\n  <wildcard_channels>0</wildcard_channels>\r\n  \
                 <uptime>25</uptime>\r\n  <infos>\r\n\
                 <channel>\r\n  <name>ch1</name>\r\n  \
                 <published_messages>3</published_messages>\r\n  \
                 <stored_messages>3</stored_messages>\r\n  <subscribers>0</subscribers>\r\n\
                 </channel>\r\n\
                 <channel>\r\n  <name>ch2</name>\r\n  \
                 <published_messages>1</published_messages>\r\n  \
                 <stored_messages>1</stored_messages>\r\n  <subscribers>0</subscribers>\r\n\
                 </channel>\r\n  </infos>\r\n</root>\r\n",
            ),
        ] {
            assert_eq!(group(&infos, &CENSUS, format), expected);
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        for (name, json, text, xml, yaml) in [
            (&b"qu\"ote\\"[..], r#""qu\"ote\\""#, "qu\"ote\\", "qu\"ote\\", r#""qu\"ote\\""#),
            (b"a\r\nb", r#""a\r\nb""#, "a\u{fffd}\u{fffd}b", "a\u{fffd}\u{fffd}b", r#""a\r\nb""#),
            (b"<&>", r#""<&>""#, "<&>", "&lt;&amp;&gt;", r#""<&>""#),
            (
                b"\xff\0",
                "\"\u{fffd}\\u0000\"",
                "\u{fffd}\u{fffd}",
                "\u{fffd}\u{fffd}",
                "\"\u{fffd}\\u0000\"",
            ),
            (b"- a: #b", r#""- a: #b""#, "- a: #b", "- a: #b", r#""- a: #b""#),
            (b"-1", r#""-1""#, "-1", "-1", r#""-1""#),
            (b"_a-1.b/2", r#""_a-1.b/2""#, "_a-1.b/2", "_a-1.b/2", "_a-1.b/2"),
        ] {
            let channel = ChannelId::new(name);
            for (format, expected) in [
                (Format::Json, json),
                (Format::Text, text),
                (Format::Xml, xml),
                (Format::Yaml, yaml),
            ] {
                assert_eq!(super::name(&channel, format), expected, "{format:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn json_is_json_whatever_the_name(name in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut info = info("", 1, 1);
            info.channel = ChannelId::new(&name);
            let name = String::from_utf8_lossy(&name);
            let alone: serde_json::Value = serde_json::from_str(&one(&info, Format::Json)).unwrap();
            prop_assert_eq!(alone["channel"].as_str(), Some(&*name));
            let group = group(&[info.clone(), info], &CENSUS, Format::Json);
            let group: serde_json::Value = serde_json::from_str(&group).unwrap();
            prop_assert_eq!(group["infos"][1]["channel"].as_str(), Some(&*name));
        }

        #[test]
        fn dates_are_those_of_the_calendar(second in 0..253_402_300_800_u64) {
            let known = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second)).to_string();
            let [_, day, month, year, time, _] = known.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{known}");
            };
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(month).unwrap() / 3 + 1;
            prop_assert_eq!(date(second), format!("{year}-{month:02}-{day}T{time}"));
        }
    }
}
