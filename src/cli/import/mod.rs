//! `pushgate import`: an nginx.conf with the push module, Nchan or the push stream module, as a
//! configuration of pushgate, with a report of what is not quite the same.
//!
//! What must hold: a location that nginx guarded is not carried over unguarded, and no directive is
//! left out in silence.

mod access;
mod error;
mod glob;
mod hoist;
mod hooks;
mod level;
mod lex;
mod listen;
mod location;
mod lost;
mod names;
mod nchan;
mod proxy;
mod push;
mod push_stream;
mod read;
mod real_ip;
mod refusal;
mod report;
mod role;
mod root;
mod sense;
mod site;
mod sweep;
mod translate;
mod value;
mod variable;
mod write;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;
pub use error::ReadError;
use report::Report;
use write::File;

use crate::{cli::visible, config::Config};

/// The exit status when a configuration is written, and something of nginx.conf is not in it or not the
/// same: the report says what.
pub const WITH_REMARKS: u8 = 3;
const FAILED: u8 = 1;

/// A file with more locations is not checked here: each of them would be compared with each.
const MAX_CHECKED: usize = 5000;

/// `pushgate import`.
///
/// The configuration goes to the standard output, the report to the standard error. The status is 0 if
/// all was carried over, 3 if the report names something that is different or missing, 1 if there is
/// nothing that could be carried over, or the file is no nginx.conf.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Import {
    /// The file, with what it includes
    #[arg(value_name = "NGINX_CONF")]
    pub file: PathBuf,
}

/// Carries a file over and returns the exit status.
pub fn run(asked: &Import, out: &mut impl Write, log: &mut impl Write) -> io::Result<u8> {
    let imported = match import(&asked.file) {
        Ok(imported) => imported,
        Err(error) => {
            writeln!(log, "pushgate: {}", visible::line(error.to_string().as_bytes()))?;
            return Ok(FAILED);
        }
    };
    write!(log, "{}", imported.report)?;
    if imported.locations == 0 {
        let file = asked.file.display().to_string();
        writeln!(
            log,
            "pushgate: {} has no location of the push modules that could be carried over",
            visible::line(file.as_bytes())
        )?;
        return Ok(FAILED);
    }
    out.write_all(imported.toml.as_bytes())?;
    out.flush()?;
    for warning in &imported.warnings {
        writeln!(log, "pushgate: warning: {warning}")?;
    }
    writeln!(log, "pushgate: {imported}")?;
    Ok(if imported.is_whole() { 0 } else { WITH_REMARKS })
}

/// A configuration, and what is to be said of it.
#[derive(Debug)]
struct Imported {
    toml: String,
    report: Report,
    servers: usize,
    locations: usize,
    /// What `pushgate -t` has against it, or why that is not known.
    faults: Option<String>,
    /// What it finds worth a look.
    warnings: Vec<String>,
}

impl Imported {
    fn is_whole(&self) -> bool {
        !self.report.has_losses() && self.faults.is_none() && self.warnings.is_empty()
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |number: usize| if number == 1 { "" } else { "s" };
        let (servers, locations) = (self.servers, self.locations);
        let (s, l) = (plural(servers), plural(locations));
        write!(f, "{servers} server{s} with {locations} location{l} carried over")?;
        match &self.faults {
            Some(faults) => write!(f, ", and not fine yet:\n{faults}"),
            None if !self.is_whole() => f.write_str(", with remarks"),
            None => Ok(()),
        }
    }
}

fn import(path: &Path) -> Result<Imported, ReadError> {
    let tree = read::read(path)?;
    let (file, report) = translate::translate(&tree);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let toml = file.to_toml(&name, |place| report.place(place));
    let File { servers, .. } = &file;
    let locations = servers.iter().map(|server| server.locations.len()).sum();
    let shown = |text: String| visible::visible(text.as_bytes());
    let (faults, warnings) = if locations > MAX_CHECKED {
        let why = "too many locations to check them here: `pushgate -t` does";
        (Some(why.to_owned()), Vec::new())
    } else {
        match Config::parse("the configuration", &toml, &[]) {
            Ok(Config { warnings, .. }) => {
                (None, warnings.iter().map(|warning| shown(warning.to_string())).collect())
            }
            Err(faults) => (Some(shown(faults.to_string())), Vec::new()),
        }
    };
    Ok(Imported { toml, report, servers: servers.len(), locations, faults, warnings })
}
