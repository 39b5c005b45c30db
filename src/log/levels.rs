//! `RUST_LOG`: what the error log says.

use std::env;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, filter::Directive};

/// What sets the levels of the error log.
const LEVELS: &str = "RUST_LOG";

/// `RUST_LOG` makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{LEVELS}={value:?} cannot be understood: {why}")]
pub struct BadLevels {
    value: String,
    why: String,
}

/// Reads `RUST_LOG`: levels (`error`, `warn`, `info`, `debug`, `trace`, `off`), or `TARGET=LEVEL`, with
/// commas between them and blanks around them; `None`: it is not set, or blank.
pub fn levels() -> Result<Option<EnvFilter>, BadLevels> {
    let Some(value) = env::var_os(LEVELS) else { return Ok(None) };
    let bad = |why| BadLevels { value: value.to_string_lossy().into_owned(), why };
    let text = value.to_str().ok_or_else(|| bad("it is not UTF-8".to_owned()))?;
    read(text).map_err(bad)
}

fn read(text: &str) -> Result<Option<EnvFilter>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let words: Vec<_> = words.collect();
    if words.is_empty() {
        return Ok(None);
    }
    for word in &words {
        check(word)?;
    }
    EnvFilter::try_new(words.join(",")).map(Some).map_err(|error| error.to_string())
}

/// Why a word is none that makes sense. One that names nothing would silence all else.
fn check(word: &str) -> Result<(), String> {
    let is_level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    if is_level(word) {
        return Ok(());
    }
    let (head, tail) = word.rfind(']').map_or(("", word), |end| word.split_at(end));
    let target = match tail.split_once('=') {
        Some((_, level)) if !is_level(level) => {
            return Err(format!("{level:?} in {word:?} is no level"));
        }
        Some((target, _)) if head.is_empty() => target,
        _ => word.split('[').next().unwrap_or_default(),
    };
    let stands_alone = target == word;
    if stands_alone && target.split("::").next() != Some(env!("CARGO_PKG_NAME")) {
        return Err(format!("{word:?} is no level"));
    }
    // A span has a name, or the target has.
    let named = is_module(target) || (target.is_empty() && !head.is_empty());
    if !named {
        return Err(format!("{target:?} in {word:?} is no module"));
    }
    word.parse::<Directive>().map(drop).map_err(|error| format!("{word:?}: {error}"))
}

/// Whether a text can be the path of a module: the names of crates and modules are in lower case.
fn is_module(path: &str) -> bool {
    path.split("::").all(|name| {
        let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        !name.is_empty() && name.bytes().all(fits) && !name.as_bytes()[0].is_ascii_digit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Option<String>, String> {
        read(text).map(|filter| filter.map(|filter| filter.to_string()))
    }

    #[test]
    fn blanks_around_words_mean_nothing() {
        for text in ["", " ", "\n", ",", " ,\t, "] {
            assert_eq!(said(text), Ok(None), "{text:?}");
        }
        for (text, same) in [
            (" info ", "info"),
            ("info\n", "info"),
            ("info\r", "info"),
            ("warn, pushgate::hold=trace", "warn,pushgate::hold=trace"),
            (",warn ,", "warn"),
            ("INFO", "info"),
        ] {
            let same = EnvFilter::new(same).to_string();
            assert_eq!(said(text), Ok(Some(same)), "{text:?}");
        }
    }

    #[test]
    fn all_that_makes_sense_is_taken() {
        for text in [
            "warn",
            "3",
            "pushgate",
            "pushgate::hold",
            "off,pushgate::upstream=info",
            "hyper=debug,tokio_util::codec=off",
            "[request]=debug",
            "pushgate[request{a=1}]=debug",
        ] {
            assert!(matches!(said(text), Ok(Some(_))), "{text:?}: {:?}", said(text));
        }
    }

    #[test]
    fn a_word_that_names_nothing_is_told() {
        for (text, why) in [
            ("inof", "\"inof\" is no level"),
            ("info,hyper", "\"hyper\" is no level"),
            ("in fo", "\"in fo\" is no level"),
            ("warn;pushgate=debug", "\"warn;pushgate\" in \"warn;pushgate=debug\" is no module"),
            ("warn,Pushgate=debug", "\"Pushgate\" in \"Pushgate=debug\" is no module"),
            ("tokio-util=debug", "\"tokio-util\" in \"tokio-util=debug\" is no module"),
            ("pushgate =debug", "\"pushgate \" in \"pushgate =debug\" is no module"),
            ("pushgate:hold=debug", "\"pushgate:hold\" in \"pushgate:hold=debug\" is no module"),
            ("warn, pushgate=lodu", "\"lodu\" in \"pushgate=lodu\" is no level"),
            ("pushgate= debug", "\" debug\" in \"pushgate= debug\" is no level"),
            ("pushgate=", "\"\" in \"pushgate=\" is no level"),
            ("=debug", "\"\" in \"=debug\" is no module"),
            ("=", "\"\" in \"=\" is no level"),
            ("pushgate::", "\"pushgate::\" in \"pushgate::\" is no module"),
            ("pushgate[a{b=1,c=2}]=info", "\"pushgate[a{b\" in \"pushgate[a{b=1\" is no module"),
            ("Pushgate", "\"Pushgate\" is no level"),
        ] {
            assert_eq!(said(text), Err(why.to_owned()), "{text:?}");
        }
    }
}
