//! The table of `benches/compare`, made of runs that are known.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

/// A run that holds connections.
fn held(round: u32, server: &str, bytes: f64, lost: u32) -> Value {
    let faults = json!({"checked": 10, "lost": lost, "told": []});
    let memory = json!([
        {"when": "held", "unfiled_each": bytes},
        {"when": "after messages", "unfiled_each": 2.0 * bytes},
    ]);
    json!({"round": round, "case": "hold sse", "server": server, "complete": true,
        "faults": faults, "memory": memory, "phases": []})
}

fn compared(folder: &Path, runs: &[Value]) -> Output {
    let described = json!({"command": "./benches/compare", "date": "2026-01-02", "machine": "a machine",
        "versions": "this and that", "connections": 10_000, "load": 0.25});
    let lines = [&[described], runs].concat().iter().map(Value::to_string).collect::<Vec<_>>();
    let file = folder.join("known.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare");
    let mut command = Command::new("python3");
    command.arg(script).arg("--from").arg(file).arg("--out").arg(folder).output().unwrap()
}

#[test]
fn a_row_has_median_lowest_and_highest_and_ratios_of_one_round() {
    let folder = tempfile::tempdir().unwrap();
    let runs = [
        held(0, "Nchan", 10_000.0, 0),
        held(0, "pushgate", 100.0, 0),
        held(1, "Nchan", 20_000.0, 0),
        held(1, "pushgate", 160.0, 0),
        held(2, "Nchan", 30_000.0, 0),
        held(2, "pushgate", 600.0, 0),
    ];
    let output = compared(folder.path(), &runs);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}");
    assert!(table.starts_with("`./benches/compare` on 2026-01-02: this and that; a machine, "));
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(
        rows[1..],
        [
            "| memory of a held connection, SSE | 20,000 B [10,000-30,000] | 160 B [100-600] | \
             0.0100 [0.00800-0.0200] |",
            "| memory of a held connection, SSE, after a message | 40,000 B [20,000-60,000] | 320 B [200-1,200] | \
             0.0100 [0.00800-0.0200] |",
            "| lost, doubled, out of order, corrupt or otherwise wrong | none of 30 messages | \
             none of 30 messages | |",
        ]
    );
    let plot = fs::read_to_string(folder.path().join("memory.svg")).unwrap();
    assert!(plot.contains("20,000 B") && plot.contains("160 B"), "{plot}");
    assert_eq!(fs::read_to_string(folder.path().join("table.md")).unwrap(), table);
}

#[test]
fn a_run_with_a_fault_makes_no_figure_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        compared(folder.path(), &[held(0, "Nchan", 100.0, 0), held(0, "pushgate", 1.0, 3)]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(table.contains("| memory of a held connection, SSE | 100 B | failed | failed |"));
    assert!(table.contains("| none of 10 messages | 3 lost of 10 messages; 1 runs failed | |"));
}
