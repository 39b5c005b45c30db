//! Configuration files: each is read, or says in lines what is wrong and where.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushgate::config::Config;

fuzz_target!(|text: &str| {
    // Seeds are files whose keys are comments; with these the mark is taken away.
    let uncommented = text.replace("\n#", "\n");
    for text in [text, &uncommented] {
        match Config::parse("f", text, &[]) {
            Ok(config) => {
                assert!(!config.servers.is_empty());
                let _ = config.listeners();
            }
            Err(errors) => {
                assert!(errors.iter().count() > 0);
                let lines = text.split('\n').count();
                for error in &errors {
                    assert!(!error.to_string().contains('\n'));
                    assert!(error.position.is_none_or(|(line, _)| (1..=lines).contains(&line)));
                }
            }
        }
    }
});
