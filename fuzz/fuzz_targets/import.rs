//! Files of nginx: each is carried over into a configuration that is one, or it is said why not.

#![no_main]

use std::{fs, path::PathBuf};

use libfuzzer_sys::fuzz_target;
use pushgate::{
    cli::import::{self, Import, WITH_REMARKS},
    config::Config,
};

fuzz_target!(|text: &[u8]| {
    // The files of this machine are another's input.
    let names = |name: &[u8]| text.windows(name.len()).any(|word| word.eq_ignore_ascii_case(name));
    if names(b"include") || names(b"template_file") {
        return;
    }
    let file: PathBuf = std::env::temp_dir().join(format!("import-{}.conf", std::process::id()));
    fs::write(&file, text).expect("a place for the file");
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let status = import::run(&Import { file }, &mut out, &mut log).expect("vectors take all");
    // Nothing that a terminal would obey.
    let log = String::from_utf8(log).expect("the report is UTF-8");
    assert!(log.chars().all(|c| c == '\n' || !c.is_control()));
    let out = String::from_utf8(out).expect("TOML is UTF-8");
    match status {
        0 => drop(Config::parse("f", &out, &[]).expect("what is whole is a configuration")),
        WITH_REMARKS => assert!(!out.is_empty() && !log.is_empty()),
        _ => assert!(out.is_empty() && !log.is_empty()),
    }
});
