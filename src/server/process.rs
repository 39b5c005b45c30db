//! What the process is to the system: its user, and the file that says its number.

use std::{ffi::CString, fs, io, path::PathBuf};

use nix::unistd::{User, initgroups, setgid, setuid};

use crate::config::Process;

/// The `pid_file`, removed at the end.
#[derive(Debug)]
pub struct PidFile(Option<PathBuf>);

/// Why the process could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `user` cannot be used.
    #[error("cannot run as user {0:?}: {1}")]
    User(String, io::Error),
    /// `pid_file` cannot be written.
    #[error("cannot write the pid file {0}: {1}")]
    PidFile(PathBuf, io::Error),
}

/// Writes `pid_file` and gives up the rights that were needed to bind, for those of `user`.
pub fn settle(process: &Process) -> Result<PidFile, SetupError> {
    if let Some(path) = &process.pid_file {
        fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|error| SetupError::PidFile(path.clone(), error))?;
    }
    if let Some(name) = &process.user {
        become_user(name).map_err(|error| SetupError::User(name.clone(), error))?;
    }
    Ok(PidFile(process.pid_file.clone()))
}

fn become_user(name: &str) -> io::Result<()> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such user");
    let user = User::from_name(name)?.ok_or_else(missing)?;
    initgroups(&CString::new(name)?, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)?;
    Ok(())
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // The user may have lost the right to; then the file stays.
            let _ = fs::remove_file(path);
        }
    }
}
