//! Filters: which messages of a channel one subscriber gets, and what it reads in them.

use bytes::Bytes;

use super::Meta;

/// A filter that a subscriber of a channel asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filter {
    /// `build-id`: what stands for an id becomes one.
    BuildId,
    /// `require-sub`: only who listens to another channel, too.
    RequireSub,
    /// `skip-self`: not who has sent it.
    SkipSelf,
    /// `skip-users`: not those that it names.
    SkipUsers,
    /// `var-subst`: what stands for meta becomes it.
    VarSubst,
}

impl Filter {
    /// The filter of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "build-id" => Self::BuildId,
            "require-sub" => Self::RequireSub,
            "skip-self" => Self::SkipSelf,
            "skip-users" => Self::SkipUsers,
            "var-subst" => Self::VarSubst,
            _ => return None,
        })
    }

    /// Whether it changes what is read.
    fn changes(self) -> bool {
        matches!(self, Self::BuildId | Self::VarSubst)
    }
}

/// What filters know of a subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber<'a> {
    /// Those of the channel.
    pub filters: &'a [Filter],
    /// What the application has said of it.
    pub meta: &'a Meta,
    /// Its channels, and the id of the last item of each.
    pub channels: &'a [(&'a str, Option<&'a str>)],
}

impl Subscriber<'_> {
    /// Whether it gets a message with this meta.
    pub fn admits(&self, meta: &[(Box<str>, Box<str>)]) -> bool {
        let said =
            |name: &str| meta.iter().find(|(key, _)| **key == *name).map(|(_, value)| &**value);
        let own = self.meta.get("user");
        self.filters.iter().all(|filter| match filter {
            Filter::BuildId | Filter::VarSubst => true,
            Filter::SkipSelf => own.is_none() || own != said("sender"),
            Filter::SkipUsers => {
                let skipped = said("skip_users").unwrap_or_default();
                !skipped.split(',').any(|user| Some(user.trim()) == own)
            }
            Filter::RequireSub => said("require_sub").is_none_or(|name| self.listens(name)),
        })
    }

    fn listens(&self, name: &str) -> bool {
        self.channels.iter().any(|(channel, _)| *channel == name)
    }

    /// Whether content that is written for some filters is written for those of this subscriber.
    pub fn reads(&self, filters: &[Box<str>]) -> bool {
        let own = self.filters.iter().copied().filter(|filter| filter.changes());
        own.map(Some).eq(filters.iter().map(|name| Filter::parse(name)))
    }

    /// The content as this subscriber reads it.
    pub fn render(&self, content: &Bytes) -> Bytes {
        let mut rendered = content.clone();
        for filter in self.filters {
            rendered = match filter {
                Filter::BuildId => self.build_id(&rendered),
                Filter::VarSubst => self.substitute(&rendered),
                _ => continue,
            };
        }
        rendered
    }

    /// `%I` is the id of this subscriber, `%(text)I` the text as an id, `%%` a `%`.
    fn build_id(&self, content: &Bytes) -> Bytes {
        let hex = self.meta.get("id_encoding") == Some("hex");
        let encode = |id: &[u8]| -> Vec<u8> {
            if hex {
                id.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
            } else {
                id.to_vec()
            }
        };
        expand(content, |name, kind| match (name, kind) {
            (None, b'I') => Some(encode(&self.id())),
            (Some(text), b'I') => Some(encode(text)),
            (None, b'%') => Some(b"%".to_vec()),
            _ => None,
        })
    }

    /// `id_format`, in which `%(channel)s` is the id of the last item of a channel.
    fn id(&self) -> Vec<u8> {
        let format = self.meta.get("id_format").unwrap_or_default();
        let last = |name: &[u8]| {
            let own = self.channels.iter().find(|(channel, _)| channel.as_bytes() == name);
            Some(own?.1.unwrap_or_default().as_bytes().to_vec())
        };
        expand(&Bytes::copy_from_slice(format.as_bytes()), |name, kind| match (name, kind) {
            (Some(name), b's') => Some(last(name).unwrap_or_default()),
            (None, b'%') => Some(b"%".to_vec()),
            _ => None,
        })
        .to_vec()
    }

    /// `%(name)s` is what the application has said of the subscriber by that name.
    fn substitute(&self, content: &Bytes) -> Bytes {
        let value = |name: &[u8]| {
            let value = self.meta.get(str::from_utf8(name).ok()?);
            Some(value.unwrap_or_default().as_bytes().to_vec())
        };
        expand(content, |name, kind| match (name, kind) {
            (Some(name), b's') => value(name),
            (None, b'%') => Some(b"%".to_vec()),
            _ => None,
        })
    }
}

/// The longest name in parentheses, with them, in bytes.
const MAX_NAME: usize = 256;
/// What replacing may add to a text, in bytes; one that would grow by more stays as it is.
const MAX_GROWTH: usize = 64 << 10;

/// Replaces `%X` and `%(name)X`, where something is known for it; anything else stays as it is.
fn expand(content: &Bytes, known: impl Fn(Option<&[u8]>, u8) -> Option<Vec<u8>>) -> Bytes {
    let Some(first) = memchr::memchr(b'%', content) else { return content.clone() };
    let mut out = content[..first].to_vec();
    let mut rest = &content[first..];
    while !rest.is_empty() {
        if out.len() + rest.len() > content.len() + MAX_GROWTH {
            return content.clone();
        }
        let (name, after) = match rest.get(1) {
            Some(b'(') => match memchr::memchr(b')', &rest[..rest.len().min(MAX_NAME)]) {
                Some(end) => (Some(&rest[2..end]), &rest[end + 1..]),
                None => (None, &rest[1..]),
            },
            _ => (None, &rest[1..]),
        };
        let replaced = after.first().and_then(|kind| known(name, *kind));
        rest = if let Some(value) = replaced {
            out.extend_from_slice(&value);
            &after[1..]
        } else {
            out.push(b'%');
            &rest[1..]
        };
        let next = memchr::memchr(b'%', rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..next]);
        rest = &rest[next..];
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(
        filters: &[Filter],
        meta: &[(&str, &str)],
        run: impl FnOnce(Subscriber<'_>) -> T,
    ) -> T {
        let mut known = Meta::default();
        for (name, value) in meta {
            known.set(name, value).unwrap();
        }
        let channels = [("a", Some("7")), ("b", None)];
        run(Subscriber { filters, meta: &known, channels: &channels })
    }

    #[test]
    fn a_text_that_would_grow_without_bound_stays_as_it_is() {
        let run = |text: String| {
            let content = Bytes::from(text);
            let known = |_: Option<&[u8]>, kind| (kind == b's').then(|| vec![b'x'; 1000]);
            (content.clone(), expand(&content, known))
        };
        let (_, grown) = run("%(n)s".repeat(60));
        assert_eq!(grown.len(), 60_000);
        let (content, same) = run("%(n)s".repeat(100));
        assert_eq!(content, same);
        let (content, same) = run(format!("%({})s", "n".repeat(MAX_NAME)));
        assert_eq!(content, same);
        let (content, same) = run("%(".repeat(500_000));
        assert_eq!(content, same);
    }

    #[test]
    fn some_messages_are_for_others() {
        let cases: [(Filter, &str, &str, bool); 10] = [
            (Filter::SkipSelf, "sender", "me", false),
            (Filter::SkipSelf, "sender", "you", true),
            (Filter::SkipSelf, "other", "me", true),
            (Filter::SkipUsers, "skip_users", "you,me", false),
            (Filter::SkipUsers, "skip_users", "you, him", true),
            (Filter::SkipUsers, "skip_users", "", true),
            (Filter::RequireSub, "require_sub", "a", true),
            (Filter::RequireSub, "require_sub", "c", false),
            (Filter::RequireSub, "other", "c", true),
            (Filter::BuildId, "sender", "me", true),
        ];
        for (filter, name, value, expected) in cases {
            let meta = [(name.into(), value.into())];
            let admits = with(&[filter], &[("user", "me")], |own| own.admits(&meta));
            assert_eq!(admits, expected, "{filter:?} {name}={value}");
        }
        let sender = [("sender".into(), "me".into())];
        assert!(with(&[Filter::SkipSelf], &[], |own| own.admits(&sender)));
    }

    #[test]
    fn ids_are_built_of_the_last_items() {
        let filters = [Filter::BuildId];
        for (format, encoding, content, expected) in [
            ("a:%(a)s,b:%(b)s", "", "id: %I\n100%% %(x)I %q", "id: a:7,b:\n100% x %q"),
            ("%(a)s%%", "hex", "%I %(xy)I", "3725 7879"),
            ("", "", "%I|%", "|%"),
            ("", "", "%(I", "%(I"),
            ("", "", "none", "none"),
        ] {
            let meta = [("id_format", format), ("id_encoding", encoding)];
            let rendered = with(&filters, &meta, |own| own.render(&content.into()));
            assert_eq!(rendered, expected, "{content}");
        }
    }

    #[test]
    fn variables_are_what_is_known_of_the_subscriber() {
        let meta = [("name", "Ann")];
        let rendered =
            with(&[Filter::VarSubst], &meta, |own| own.render(&"%(name)s %(x)s %%".into()));
        assert_eq!(rendered, "Ann  %");
        assert_eq!(with(&[], &meta, |own| own.render(&"%(name)s".into())), "%(name)s");
    }

    #[test]
    fn content_is_for_those_whose_filters_it_is_written_for() {
        let filters = [Filter::BuildId, Filter::SkipUsers];
        for (names, expected) in [(&["build-id"][..], true), (&[], false), (&["var-subst"], false)]
        {
            let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
            assert_eq!(with(&filters, &[], |own| own.reads(&names)), expected, "{names:?}");
        }
    }
}
