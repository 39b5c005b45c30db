//! The program, run as people run it.

use std::{
    fs,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

/// What a run has told.
#[derive(Debug)]
pub struct Told {
    pub status: i32,
    pub report: Value,
}

/// Runs `pushgate bench` with words, which blanks separate.
pub fn bench(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.arg("bench").args(words.split_whitespace()).output().unwrap()
}

/// The same where a process may have so many descriptors.
pub fn bench_with_descriptors(most: u64, words: &str) -> Output {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {most}; exec \"$0\" bench \"$@\""));
    command.arg(env!("CARGO_BIN_EXE_pushgate")).args(words.split_whitespace()).output().unwrap()
}

/// A run, with a report for programs.
#[track_caller]
pub fn report(words: &str) -> Told {
    Told::of(bench(&format!("{words} --json")))
}

/// A report, and the least and the most memory of the process in bytes while it ran.
pub fn report_with_memory(words: &str) -> (Told, [u64; 2]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.arg("bench").args(words.split_whitespace());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut seen = Vec::new();
    while child.try_wait().unwrap().is_none() {
        seen.extend(memory(child.id()));
        // Memory tells nobody that it has grown.
        thread::sleep(Duration::from_millis(50));
    }
    let range = [seen.iter().min(), seen.iter().max()].map(|seen| *seen.unwrap());
    (Told::of(child.wait_with_output().unwrap()), range)
}

/// Resident memory of a process that is there, without what it shares with files.
fn memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

impl Told {
    #[track_caller]
    pub fn of(output: Output) -> Self {
        let progress = String::from_utf8(output.stderr).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let report = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{error} in {text:?}, {progress:?}");
        });
        Told { status: output.status.code().unwrap(), report }
    }

    /// The faults of which there are any.
    pub fn faults(&self) -> Vec<(&str, u64)> {
        let faults = self.report["faults"].as_object().unwrap();
        let numbers = faults.iter().filter_map(|(kind, number)| Some((&**kind, number.as_u64()?)));
        numbers.filter(|(kind, number)| *kind != "checked" && *number > 0).collect()
    }

    pub fn count(&self, pointer: &str) -> u64 {
        let number = self.report.pointer(pointer).and_then(Value::as_u64);
        number.unwrap_or_else(|| panic!("no {pointer} in {:#}", self.report))
    }

    pub fn number(&self, pointer: &str) -> f64 {
        let number = self.report.pointer(pointer).and_then(Value::as_f64);
        number.unwrap_or_else(|| panic!("no {pointer} in {:#}", self.report))
    }

    /// Nothing went wrong, and so many messages were checked.
    #[track_caller]
    pub fn assert_clean(&self, checked: u64) {
        assert_eq!(self.faults(), [], "{self:#?}");
        assert_eq!((self.status, &self.report["complete"]), (0, &Value::Bool(true)), "{self:#?}");
        assert_eq!(self.report["faults"]["checked"], checked, "{self:#?}");
    }
}
