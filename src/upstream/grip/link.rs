//! Links of the application, relative to the request that it has answered.

use http::Uri;

/// The path that a link means, with its arguments. It is always asked of the application itself,
/// whatever host it names.
pub(super) fn resolve(base: &Uri, link: &str) -> Option<Uri> {
    let link = link.split('#').next().unwrap_or_default();
    let absolute = ["http://", "https://", "//"].iter().find_map(|start| link.strip_prefix(start));
    let target = if let Some(rest) = absolute {
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        rooted(&rest[at..])
    } else if link.starts_with('/') {
        link.to_owned()
    } else if link.is_empty() {
        return Some(base.path_and_query()?.clone().into());
    } else if link.starts_with('?') {
        format!("{}{link}", base.path())
    } else {
        let folder = base.path().rfind('/').map_or("/", |end| &base.path()[..=end]);
        format!("{folder}{link}")
    };
    undotted(&target)
        .parse()
        .ok()
        .filter(|uri: &Uri| uri.host().is_none() && uri.path().starts_with('/'))
}

fn rooted(rest: &str) -> String {
    if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
}

/// The same without the segments `.` and `..` of its path (RFC 3986, section 5.2.4).
fn undotted(target: &str) -> String {
    let (path, arguments) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        // What such a segment is the last of is a folder.
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}{arguments}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_to_the_request_and_stay_at_the_application() {
        let base = Uri::from_static("/events/list?x=1");
        for (link, expected) in [
            ("/a?b=c", Some("/a?b=c")),
            ("?link=next", Some("/events/list?link=next")),
            ("more", Some("/events/more")),
            ("", Some("/events/list?x=1")),
            ("http://other:81/a?b", Some("/a?b")),
            ("https://other?b", Some("/?b")),
            ("//other/a", Some("/a")),
            ("/a#b", Some("/a")),
            ("../gone", Some("/gone")),
            ("../../gone", Some("/gone")),
            ("./a/./b/../c", Some("/events/a/c")),
            ("..", Some("/")),
            (".", Some("/events/")),
            ("/a/..", Some("/")),
            ("/a/b/..?c=../d", Some("/a/?c=../d")),
            ("http://other/../a//..", Some("/a/")),
            ("/...//a", Some("/...//a")),
            ("/a b", None),
            ("/a\r\nb", None),
        ] {
            let resolved = resolve(&base, link).map(|uri| uri.to_string());
            assert_eq!(resolved.as_deref(), expected, "{link}");
        }
    }
}
