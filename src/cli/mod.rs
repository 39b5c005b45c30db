//! The command line: nginx's letters, and commands that do something else than serve.

pub mod bench;
mod connection;
mod endpoint;
pub mod import;
pub mod listen;
pub mod publish;
mod response;
mod url;
mod visible;
mod wire;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{ArgAction, Parser, Subcommand};

use crate::config::{Config, Errors};

/// The exit status when the configuration is wrong.
pub const BAD_CONFIGURATION: u8 = 64;

/// The exit status when a command could not do what it was asked.
const FAILED: u8 = 1;

/// The exit status of wrong arguments.
const USAGE: u8 = 2;

/// Names the configuration file when `-c` does not.
pub const CONFIG_VARIABLE: &str = "PUSHGATE_CONFIG";

/// Where the configuration file is when nobody names it, the first that exists.
const CONFIG_FILES: [&str; 2] = ["conf/pushgate.toml", "/etc/pushgate/pushgate.toml"];

const CONFIG_HELP: &str = "The configuration file; else what $PUSHGATE_CONFIG names, \
                           conf/pushgate.toml or /etc/pushgate/pushgate.toml";

/// Holds browser connections so that application servers do not have to.
///
/// Wrong arguments end the process with status 2.
#[derive(Clone, Debug, Default, Eq, Parser, PartialEq)]
#[command(name = "pushgate", version, disable_version_flag = true)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// `-c`.
    #[arg(short = 'c', value_name = "FILE", help = CONFIG_HELP)]
    pub config: Option<PathBuf>,

    /// Check the configuration file and exit
    #[arg(short = 't')]
    pub test: bool,

    /// Say nothing but errors
    #[arg(short = 'q')]
    pub quiet: bool,

    /// Replace what the root of the configuration file says
    #[arg(short = 'g', value_name = "key=value")]
    pub overrides: Vec<String>,

    /// Print the version and exit
    #[arg(short = 'v', action = ArgAction::Version)]
    version: Option<bool>,

    /// What to do; none: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum Command {
    /// Publish a message
    ///
    /// Prints the state of the channel as the gateway tells it. Exit status 1: it was refused, or the
    /// gateway cannot be reached; the reason is on the standard error.
    Publish(publish::Publish),
    /// Follow a channel, reconnecting and resuming
    ///
    /// Prints messages as they come, each on a line. Connections that are lost are made again, after 1
    /// to 30 seconds, and go on where they were. Exit status 0: the channel was deleted (410), as many
    /// messages have come as were asked for, or nobody reads them. Exit status 1: it was refused (any other
    /// 4xx), or what answers makes no sense; the reason is on the standard error.
    Listen(listen::Listen),
    /// Put a server of this machine under load and check every message
    Bench(Box<bench::Bench>),
    /// Make a configuration of an nginx.conf with the push module, Nchan or push-stream
    Import(import::Import),
}

impl Arguments {
    /// The configuration file: `-c`, else what `$PUSHGATE_CONFIG` names, else the first of the usual
    /// ones that exists, else the last of them.
    pub fn config_file(&self) -> PathBuf {
        let variable = std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
        self.config_file_among(variable, Path::exists)
    }

    fn config_file_among(
        &self,
        variable: Option<PathBuf>,
        exists: impl Fn(&Path) -> bool,
    ) -> PathBuf {
        let named = self.config.clone();
        let named = named.or_else(|| variable.filter(|path| !path.as_os_str().is_empty()));
        named.unwrap_or_else(|| {
            let [here, system] = CONFIG_FILES.map(PathBuf::from);
            if exists(&here) { here } else { system }
        })
    }

    /// The configuration that they name.
    pub fn load(&self) -> Result<Config, Errors> {
        Config::load(&self.config_file(), &self.overrides)
    }
}

/// Checks a configuration file (`-t`), says what comes of it and returns the exit status. A file
/// that is fine is worth a line unless `quiet`.
pub fn check(
    path: &Path,
    overrides: &[String],
    quiet: bool,
    out: &mut impl Write,
) -> io::Result<u8> {
    match Config::load(path, overrides) {
        Ok(_) if quiet => Ok(0),
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(out, "pushgate: warning: {warning}")?;
            }
            writeln!(out, "pushgate: the configuration file {} is fine", path.display())?;
            Ok(0)
        }
        Err(errors) => {
            writeln!(out, "{errors}")?;
            Ok(BAD_CONFIGURATION)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["pushgate"], words].concat())
    }

    #[test]
    fn nginx_letters_are_understood() {
        let all = arguments(&["-t", "-q", "-c", "x.toml", "-g", "workers=2", "-g", "user='www'"]);
        let expected = Arguments {
            config: Some("x.toml".into()),
            test: true,
            quiet: true,
            overrides: vec!["workers=2".into(), "user='www'".into()],
            version: None,
            command: None,
        };
        assert_eq!(all.unwrap(), expected);
        assert_eq!(arguments(&[]).unwrap(), Arguments::default());
    }

    #[test]
    fn wrong_arguments_end_with_status_2_and_the_version_with_0() {
        for words in [&["-x"][..], &["-c"], &["-g"], &["file"], &["--config", "x"]] {
            assert_eq!(arguments(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
        let version = arguments(&["-v"]).unwrap_err();
        assert_eq!(version.exit_code(), 0);
        assert_eq!(version.to_string(), format!("pushgate {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn the_configuration_file_is_searched_in_order() {
        let none = Arguments::default();
        let named = arguments(&["-c", "named"]).unwrap();
        let variable = || Some(PathBuf::from("variable"));
        let found = |arguments: &Arguments, variable, exists: bool| {
            arguments.config_file_among(variable, |_| exists).display().to_string()
        };
        assert_eq!(found(&named, variable(), true), "named");
        assert_eq!(found(&none, variable(), true), "variable");
        assert_eq!(found(&none, Some(PathBuf::new()), true), "conf/pushgate.toml");
        assert_eq!(found(&none, None, true), "conf/pushgate.toml");
        assert_eq!(found(&none, None, false), "/etc/pushgate/pushgate.toml");
    }

    fn checked(text: &str, overrides: &[&str], quiet: bool) -> (u8, String, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
        let mut out = Vec::new();
        let status = check(file.path(), &overrides, quiet, &mut out).unwrap();
        (status, String::from_utf8(out).unwrap(), file.path().display().to_string())
    }

    #[test]
    fn a_check_says_what_comes_of_it() {
        let (status, out, path) = checked("[[server]]", &["workers=2"], false);
        assert_eq!(out, format!("pushgate: the configuration file {path} is fine\n"));
        assert_eq!(status, 0);
        assert_eq!(checked("[[server]]", &[], true).1, "");

        let (status, out, path) = checked("wokers = 1\n[[server]]", &["workers=0"], true);
        assert_eq!(status, BAD_CONFIGURATION);
        assert_eq!(
            out,
            format!(
                "{path}:1:1: wokers: unknown key, did you mean `workers`?\n\
                 -g:1:9: workers: must be a number from 1 to 1024\n"
            )
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let mut out = Vec::new();
        let status = check(Path::new("/nowhere/x.toml"), &[], false, &mut out).unwrap();
        assert_eq!(status, BAD_CONFIGURATION);
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("/nowhere/x.toml: cannot be read: "), "{out}");
    }
}
