//! nginx.conf in, TOML and a report out.
