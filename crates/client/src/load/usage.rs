//! Processor time and memory of a process and its children, from `/proc`.

use std::fs;

/// Ticks of `/proc/PID/stat` per second: fixed by Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;
/// Totals of a process tree at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TreeUsage {
    /// Processor seconds since the processes began.
    pub(crate) cpu_s: f64,
    /// Resident bytes.
    pub(crate) rss: u64,
}

/// Follows a process and the children that it had when it was last looked for.
///
/// Finding children reads the whole process table, so it is done rarely; the sums are cheap.
pub(crate) struct Tree {
    root: u32,
    processes: Vec<u32>,
}

impl Tree {
    /// Finds a process and its children.
    pub(crate) fn of(root: u32) -> Self {
        let mut tree = Self {
            root,
            processes: Vec::new(),
        };
        tree.look();
        tree
    }

    /// Looks for children again.
    pub(crate) fn look(&mut self) {
        let parents = parents();
        self.processes = vec![self.root];
        let mut at = 0;
        while let Some(&parent) = self.processes.get(at) {
            let children = parents
                .iter()
                .filter(|&&(child, of)| of == parent && child != of);
            self.processes.extend(children.map(|&(child, _)| child));
            at += 1;
        }
    }

    /// Sums up; a process that is gone counts nothing.
    pub(crate) fn usage(&self) -> TreeUsage {
        let mut total = TreeUsage::default();
        for usage in self.processes.iter().filter_map(|&pid| of_process(pid)) {
            total.cpu_s += usage.cpu_s;
            total.rss += usage.rss;
        }
        total
    }
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parent_of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent_of(pid)?)))
        .collect()
}

/// Processor seconds of this process.
pub(crate) fn own_cpu_s() -> f64 {
    of_process(std::process::id()).map_or(0.0, |usage| usage.cpu_s)
}

fn of_process(pid: u32) -> Option<TreeUsage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&stat, page_bytes())
}

/// Reads fields 14 and 15 (ticks in user and system mode) and 24 (resident pages); the name in field 2 may hold anything.
fn parse_stat(stat: &str, page_bytes: u64) -> Option<TreeUsage> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = number(14)? + number(15)?;
    Some(TreeUsage {
        cpu_s: ticks as f64 / TICKS_PER_SECOND,
        rss: number(24)? * page_bytes,
    })
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests;
