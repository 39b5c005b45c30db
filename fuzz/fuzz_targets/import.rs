//! Files of nginx: each is carried over into a configuration that is one, or it is said why not.

#![no_main]

use std::{fs, path::PathBuf};

use libfuzzer_sys::fuzz_target;
use pushgate::{
    cli::import::{self, Import, WITH_REMARKS},
    config::Config,
};

fuzz_target!(|text: &[u8]| {
    // What it includes are the files of this machine, which are another's input.
    if text.windows(7).any(|word| word.eq_ignore_ascii_case(b"include")) {
        return;
    }
    let file: PathBuf = std::env::temp_dir().join(format!("import-{}.conf", std::process::id()));
    fs::write(&file, text).expect("a place for the file");
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let status = import::run(&Import { file }, &mut out, &mut log).expect("vectors take all");
    // Nothing that a terminal would obey.
    assert!(log.iter().all(|byte| *byte == b'\n' || *byte >= b' ' && *byte != 0x7F));
    let out = String::from_utf8(out).expect("TOML is UTF-8");
    match status {
        0 => drop(Config::parse("f", &out, &[]).expect("what is whole is a configuration")),
        WITH_REMARKS => assert!(!out.is_empty() && !log.is_empty()),
        _ => assert!(out.is_empty() && !log.is_empty()),
    }
});
