//! What processes use of the machine, read from `/proc`.

use std::{
    collections::BTreeMap,
    fs,
    ops::{Add, Sub},
};

use serde::{Deserialize, Serialize};

/// Processor time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Cpu {
    /// Of all threads, as the scheduler has counted it.
    pub(super) total: u64,
    /// The part outside the kernel, which the clock's ticks tell: to 10 ms.
    pub(super) user: u64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Memory {
    /// What is shared counts for each process in parts.
    pub(super) pss: u64,
    /// The part that no file backs: heap, stacks and what is shared by processes without a name.
    pub(super) unfiled: u64,
}

/// A tick of the times in `stat`, which Linux always tells in hundredths of a second.
const TICK: u64 = 10_000_000;
/// Fields of `stat` after the name: the parent, and the ticks in user mode.
const PARENT: usize = 1;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

impl Add for Cpu {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { total: self.total + more.total, user: self.user + more.user }
    }
}

impl Sub for Cpu {
    type Output = Self;

    /// What was used since.
    fn sub(self, before: Self) -> Self {
        Self {
            total: self.total.saturating_sub(before.total),
            user: self.user.saturating_sub(before.user),
        }
    }
}

impl Add for Memory {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { pss: self.pss + more.pss, unfiled: self.unfiled + more.unfiled }
    }
}

pub(super) fn exists(pid: u32) -> bool {
    stat(pid).is_some()
}

/// Descriptors that this process has open.
pub(super) fn descriptors() -> Option<u32> {
    // One is that of the listing itself.
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(listed).ok()?.checked_sub(1)
}

/// The processes of these ids and all that they have started.
pub(super) fn family(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for pid in pids {
        if let Some(parent) = stat(pid).and_then(|fields| u32::try_from(*fields.get(PARENT)?).ok())
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = roots.to_vec();
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        let more = children.remove(pid).unwrap_or_default();
        found.extend(more.into_iter().filter(|pid| !roots.contains(pid)));
        at += 1;
    }
    found
}

/// Time that these processes have used; nothing for those that are gone.
pub(super) fn cpu(pids: &[u32]) -> Cpu {
    pids.iter().map(|pid| cpu_of(*pid)).fold(Cpu::default(), Add::add)
}

/// Memory that these processes use; nothing for those that are gone. `None`: it may not be seen.
pub(super) fn memory(pids: &[u32]) -> Option<Memory> {
    let there = pids.iter().filter(|pid| exists(**pid));
    there.map(|pid| memory_of(*pid)).try_fold(Memory::default(), |all, one| Some(all + one?))
}

fn cpu_of(pid: u32) -> Cpu {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    let ticks = |fields: &[u64], at: usize| fields.get(at).copied().unwrap_or_default();
    let fields = stat(pid).unwrap_or_default();
    let (user, system) = (ticks(&fields, USER_TICKS) * TICK, ticks(&fields, SYSTEM_TICKS) * TICK);
    let total: u64 = nanos.sum();
    // A kernel without schedstat tells ticks only.
    Cpu { total: if total == 0 { user + system } else { total }, user }
}

/// The fields of `stat` after the name, those that are numbers; what is none counts as 0.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have blanks and brackets in it.
    let fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(fields.map(|field| field.parse().unwrap_or_default()).collect())
}

fn memory_of(pid: u32) -> Option<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let bytes = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    let unfiled = ["Pss_Anon:", "Pss_Shmem:"].into_iter().filter_map(bytes).sum();
    Some(Memory { pss: bytes("Pss:")?, unfiled })
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio, id},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn a_process_is_seen_at_work() {
        let before = cpu(&[id()]);
        let start = Instant::now();
        let mut used = Cpu::default();
        while used.total < 50_000_000 || used.user == 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "{used:?}");
            used = cpu(&[id()]) - before;
        }
        let memory = memory(&[id()]).unwrap();
        assert!(memory.unfiled > 0 && memory.pss > memory.unfiled, "{memory:?}");
    }

    #[test]
    fn children_belong_to_the_family() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let found = family(&[id()]);
        let strangers = family(&[child.id()]);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(found.contains(&id()) && found.contains(&child.id()), "{found:?}");
        assert_eq!(strangers, [child.id()]);
    }

    #[test]
    fn who_is_gone_uses_nothing() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let pids = [child.id()];
        assert!(!exists(child.id()) && exists(id()));
        assert_eq!((cpu(&pids), memory(&pids)), (Cpu::default(), Some(Memory::default())));
    }
}
