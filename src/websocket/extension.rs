//! The negotiation of permessage-deflate (RFC 6455 section 9.1, RFC 7692 sections 5 and 7.1).
//!
//! An offer is taken as a whole or not at all: what is unknown, doubled, out of range or badly
//! written declines it, and the next one counts. That the connection then goes uncompressed harms
//! nobody.

use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

use super::Window;

const NAME: &str = "permessage-deflate";
/// What is always answered: both sides forget a message when it ends. A server may say so unasked,
/// and every client has to follow (RFC 7692 sections 7.1.1.1 and 7.1.1.2).
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// Window sizes that a client may name, as exponents of two.
const MIN_BITS: u8 = 8;
const MAX_BITS: u8 = 15;

/// What was agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Agreed {
    /// The `Sec-WebSocket-Extensions` of the answer.
    pub(super) answer: HeaderValue,
    /// How far back the server may refer.
    pub(super) window: Window,
}

/// The first offer that can be taken, over all header lines.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Agreed> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).into_iter();
    let mut offers = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| split(line, ','));
    offers.find_map(take)
}

/// One offer; `None`: declined.
fn take(offer: &str) -> Option<Agreed> {
    let mut parts = split(offer, ';');
    if !parts.next()?.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut offered = Offered::default();
    for part in parts {
        offered.add(part)?;
    }
    let Some(bits) = offered.server_max_window_bits else {
        return Some(Agreed { answer: HeaderValue::from_static(ANSWER), window: Window::Fifteen });
    };
    // The compressor keeps to one of its windows, which is no larger than what is asked for.
    let window =
        [Window::Fifteen, Window::Nine].into_iter().find(|window| window.bits() <= bits)?;
    let answer = format!("{ANSWER}; server_max_window_bits={bits}");
    Some(Agreed { answer: HeaderValue::from_str(&answer).ok()?, window })
}

/// The parameters of an offer, each at most once.
#[derive(Debug, Default)]
struct Offered {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: bool,
}

impl Offered {
    /// `name` or `name=value`; `None`: it spoils the offer.
    fn add(&mut self, parameter: &str) -> Option<()> {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end_matches(is_blank), Some(unquote(value)?)),
            None => (parameter, None),
        };
        let doubled = match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) => {
                std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            ("client_no_context_takeover", None) => {
                std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            ("server_max_window_bits", Some(value)) => {
                self.server_max_window_bits.replace(bits(&value)?).is_some()
            }
            // What a client would do if it were told to is of no interest: it may use all of its
            // window. The value has to be right all the same.
            ("client_max_window_bits", value) => {
                if let Some(value) = value {
                    bits(&value)?;
                }
                std::mem::replace(&mut self.client_max_window_bits, true)
            }
            _ => return None,
        };
        (!doubled).then_some(())
    }
}

/// A window size: a decimal number without leading zeros (RFC 7692 section 7.1.2.1).
fn bits(value: &str) -> Option<u8> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    let bits = value.parse().ok().filter(|_| digits)?;
    (MIN_BITS..=MAX_BITS).contains(&bits).then_some(bits)
}

/// A value without its quotes; what remains has to be a token either way.
fn unquote(value: &str) -> Option<String> {
    let value = value.trim_start_matches(is_blank);
    let Some(quoted) = value.strip_prefix('"') else {
        return is_token(value).then(|| value.to_owned());
    };
    let mut text = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => text.push(chars.next()?),
            other => text.push(other),
        }
    }
    (chars.as_str().is_empty() && is_token(&text)).then_some(text)
}

/// Whether `text` is a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let symbol = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || symbol(byte))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The parts between `separator`s that stand outside quoted strings, without blanks around them.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let ends = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
    .map(|part| part.trim_matches(is_blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(lines: &[&str]) -> Option<(String, Window)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(line).unwrap());
        }
        let agreed = negotiate(&headers)?;
        Some((agreed.answer.to_str().unwrap().to_owned(), agreed.window))
    }

    #[track_caller]
    fn assert_taken(offer: &str, bits: Option<u8>, window: Window) {
        let more = bits.map_or(String::new(), |bits| format!("; server_max_window_bits={bits}"));
        assert_eq!(agreed(&[offer]), Some((format!("{ANSWER}{more}"), window)), "{offer}");
    }

    #[test]
    fn what_browsers_offer_is_taken() {
        assert_taken("permessage-deflate; client_max_window_bits", None, Window::Fifteen);
        assert_taken("permessage-deflate", None, Window::Fifteen);
    }

    #[test]
    fn every_parameter_is_understood_quoted_or_not() {
        let all = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                   server_max_window_bits=10; client_max_window_bits=8";
        assert_taken(all, Some(10), Window::Nine);
        assert_taken(
            "Permessage-Deflate ;\tServer_Max_Window_Bits = \"1\\2\";client_max_window_bits=\"15\"",
            Some(12),
            Window::Nine,
        );
    }

    #[test]
    fn a_smaller_window_is_met_with_the_smallest() {
        for bits in 9..=14 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_taken(&offer, Some(bits), Window::Nine);
        }
        let offer = "permessage-deflate; server_max_window_bits=15";
        assert_taken(offer, Some(15), Window::Fifteen);
    }

    #[test]
    fn an_offer_that_cannot_be_met_or_understood_is_declined() {
        let bad = [
            "server_max_window_bits=8",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=+9",
            "server_max_window_bits=256",
            "server_max_window_bits=",
            "server_max_window_bits=\"\"",
            "server_max_window_bits=\"9",
            "server_max_window_bits=\"9\" 0",
            "server_max_window_bits=\"9 \"",
            "server_max_window_bits",
            "server_max_window_bits=9; server_max_window_bits=9",
            "client_max_window_bits=7",
            "client_max_window_bits; client_max_window_bits=9",
            "server_no_context_takeover=1",
            "client_no_context_takeover=\"\"",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "unknown",
            "mode=fast",
            "",
        ];
        for parameter in bad {
            assert_eq!(agreed(&[&format!("permessage-deflate; {parameter}")]), None, "{parameter}");
        }
        for offer in
            ["", ",", "x-webkit-deflate-frame", "permessage-deflat", "\"permessage-deflate\""]
        {
            assert_eq!(agreed(&[offer]), None, "{offer}");
        }
        assert_eq!(agreed(&[]), None);
    }

    #[test]
    fn the_first_offer_that_can_be_met_counts_over_all_lines() {
        let lines = [
            "bbf-usp-protocol, permessage-deflate; x=\"a,b;\\\"permessage-deflate\"",
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; \
             server_max_window_bits=11, permessage-deflate",
        ];
        let answer = format!("{ANSWER}; server_max_window_bits=11");
        assert_eq!(agreed(&lines), Some((answer, Window::Nine)));
    }
}
