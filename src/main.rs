//! Arguments, configuration, log, server; the only exit codes.

fn main() {}
