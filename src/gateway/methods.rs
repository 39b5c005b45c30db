//! What a request has to be before a location looks at it, and the methods that locations take.

use http::{HeaderValue, Method, Response, Version, header, request};

use crate::{
    config::Location,
    hold::Answer,
    publish,
    response::{Refusal, empty},
    subscribe, upstream,
};

/// A request names its host once, unless it is of HTTP/1.0 (RFC 9112 section 3.2).
pub(super) fn check_host(head: &request::Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, None) if head.version < Version::HTTP_11 => Ok(()),
        (Some(host), None) if host.as_bytes().iter().all(|byte| is_of_host(*byte)) => Ok(()),
        (Some(_), None) => Err(Refusal::BadRequest("The request's host is no host.".into())),
        _ => Err(Refusal::BadRequest("The request has to name its host once.".into())),
    }
}

/// What a host and a port may be of (RFC 3986 sections 3.2.2 and 3.2.3).
fn is_of_host(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&'
        | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']')
}

/// A body in another transfer coding than chunks would be taken, and passed on, in none: it is refused
/// (RFC 9112 section 6.1). Chunks of chunks there may not be.
pub(super) fn check_coding(head: &request::Parts) -> Result<(), Refusal> {
    let lines = head.headers.get_all(header::TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
    let mut chunked = 0;
    for coding in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
        if !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::UnknownCoding);
        }
        chunked += 1;
    }
    if chunked > 1 {
        return Err(Refusal::BadRequest("The body may be chunked once.".into()));
    }
    Ok(())
}

/// What a location does not take is refused before anything else is asked of the request.
pub(super) fn check_method(location: &Location, method: &Method) -> Result<(), Refusal> {
    if location.proxy.is_some() && upstream::takes(method) {
        return Ok(());
    }
    if location.items.is_some() {
        let refused = Refusal::MethodNotAllowed { allow: allow(location) };
        return if *method == Method::POST { Ok(()) } else { Err(refused) };
    }
    let publishes = matches!(*method, Method::POST | Method::PUT | Method::DELETE);
    if location.proxy.is_none() && subscribes(method) || (publishes && location.publisher.is_some())
    {
        return Ok(());
    }
    Err(Refusal::MethodNotAllowed { allow: allow(location) })
}

/// The methods that a location takes.
fn allow(location: &Location) -> &'static str {
    if location.items.is_some() {
        return publish::items::ALLOW;
    }
    match (&location.proxy, &location.publisher) {
        (Some(_), _) => upstream::ALLOW,
        (None, Some(_)) => publish::ALLOW,
        (None, None) => subscribe::ALLOW,
    }
}

/// The methods by which a location with both roles is listened to.
pub(super) fn subscribes(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// A page of another site must not publish with its visitor's rights.
pub(super) fn same_origin(location: &Location, head: &request::Parts) -> Result<(), Refusal> {
    let Some(origin) = head.headers.get(header::ORIGIN) else { return Ok(()) };
    let host = head.headers.get(header::HOST);
    if subscribes(&head.method) || location.cors.permits(Some(origin), host) {
        return Ok(());
    }
    Err(Refusal::Forbidden("Pages of this origin may not publish here.".into()))
}

/// OPTIONS, and the question of a browser before it asks across origins.
pub(super) fn options(location: &Location, head: &request::Parts) -> Answer {
    let allow = allow(location);
    let mut response = Response::new(empty());
    let wanted = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = head.headers.get(header::ORIGIN);
    *response.headers_mut() = location.cors.preflight(origin, wanted, allow);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    Answer::Respond(response)
}
