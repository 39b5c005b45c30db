//! Locations that pass requests on to an application.

use http::HeaderName;

use super::{
    level::{Origin, Slot},
    location::Build,
    names::variable::{PASSED, TOLD},
    read::Directive,
    report::Kind,
    sense::{Part, Roles},
    value::Value,
};

const PROXY: Roles = Roles::PROXY;
const SCHEME: &str = "http://";
/// The arguments of a request as nginx adds them to an URL, and as pushgate does.
const ARGUMENTS: (&str, &str) = ("$is_args$args", "?$args");

impl<'t> Build<'_, 't> {
    /// Where requests go, and with which headers; with variables in it the URL is one for questions.
    pub(super) fn pass(&mut self, pass: &'t Directive) -> Result<Option<String>, String> {
        let url = pass.arg().replace(ARGUMENTS.0, ARGUMENTS.1);
        let Some(rest) = url.strip_prefix(SCHEME) else {
            return Err("applications are spoken to without TLS".to_owned());
        };
        let host = match rest.strip_prefix("unix:") {
            Some(_) => "localhost",
            None => rest.split(['/', '?']).next().unwrap_or_default(),
        };
        if host.contains('$') {
            return Err("its application is named by a variable".to_owned());
        }
        self.passed_headers(host);
        if url.contains('$') {
            let url = self.text(&url)?;
            self.report.carry(pass);
            return Ok(Some(url));
        }
        if self.pattern.path().is_none() && rest.contains('/') && !rest.starts_with("unix:") {
            return Err("a path in proxy_pass cannot replace that of an expression".to_owned());
        }
        self.report.carry(pass);
        self.set("proxy_pass", Value::Text(url));
        Ok(None)
    }

    /// nginx sends the name in `proxy_pass` as the host where nothing is said, pushgate the client's.
    fn passed_headers(&mut self, host: &str) {
        let slots = [Slot::Part(Part::ProxySetHeader)];
        let (found, origin) = self.chain.nearest(&slots).unwrap_or((Vec::new(), Origin::Family));
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut hosted = false;
        for directive in found {
            let (name, text) = (directive.arg(), directive.args.get(1).map_or("", |text| text));
            hosted |= name.eq_ignore_ascii_case("host");
            if is_given(name, text) {
                self.report.say(directive, Kind::Idle, "pushgate says so by itself");
                continue;
            }
            if name.parse::<HeaderName>().is_err() {
                self.report.say(directive, Kind::Dropped, "it is the name of no header");
                continue;
            }
            match self.text(text) {
                Ok(text) => {
                    self.report.carry(directive);
                    headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                    headers.push((name.to_owned(), text));
                }
                Err(why) => self.report.say(directive, Kind::Dropped, why),
            }
        }
        if !hosted {
            headers.insert(0, ("Host".to_owned(), host.to_owned()));
        }
        if !headers.is_empty() {
            let headers = Value::Table(headers);
            self.out.entries.set("proxy_set_header", headers, origin, PROXY);
        }
    }
}

/// Whether pushgate sends the like of it anyway.
fn is_given(name: &str, text: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let passed =
        PASSED.iter().any(|(own, value)| *own == name && value.is_none_or(|value| value == text));
    passed || TOLD.contains(&(name.as_str(), text))
}
