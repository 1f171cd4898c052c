//! Processor time and memory of a process and its children, where the system says so (Linux).

/// What a process has used so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time in microseconds.
    pub(crate) cpu_us: f64,
    /// Resident memory in bytes.
    pub(crate) rss_bytes: u64,
}

/// The sum over a process and all of its children.
#[cfg(target_os = "linux")]
pub(crate) fn usage(pid: i32) -> Result<Usage, String> {
    use procfs::WithCurrentSystemInfo;
    use procfs::process::Process;

    let failed = |error: procfs::ProcError| format!("process {pid}: {error}");
    let process = Process::new(pid).map_err(failed)?;
    let stat = process.stat().map_err(failed)?;
    let ticks = u32::try_from(stat.utime + stat.stime).map_err(|error| error.to_string())?;
    let tick = u32::try_from(procfs::ticks_per_second()).map_err(|error| error.to_string())?;
    let mut sum = Usage {
        cpu_us: f64::from(ticks) * 1e6 / f64::from(tick),
        rss_bytes: stat.rss_bytes().get(),
    };
    for task in process.tasks().map_err(failed)?.flatten() {
        // A thread or a child may be gone by now.
        for child in task.children().unwrap_or_default() {
            let child = i32::try_from(child).map_err(|error| error.to_string())?;
            let used = usage(child).unwrap_or_default();
            sum.cpu_us += used.cpu_us;
            sum.rss_bytes += used.rss_bytes;
        }
    }
    Ok(sum)
}

/// The sum over a process and all of its children.
#[cfg(not(target_os = "linux"))]
pub(crate) fn usage(_pid: i32) -> Result<Usage, String> {
    Err("processes are measured on Linux only".into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_children_use_counts() {
        let own = i32::try_from(std::process::id()).unwrap();
        let before = usage(own).unwrap();
        assert!(before.rss_bytes > 100_000);
        let mut child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let began = Instant::now();
        let used = loop {
            black_box(());
            std::thread::sleep(Duration::from_millis(20));
            let used = usage(i32::try_from(child.id()).unwrap()).unwrap();
            if used.cpu_us > 0.0 || began.elapsed() > Duration::from_secs(30) {
                break used;
            }
        };
        let whole = usage(own).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(used.cpu_us > 0.0);
        assert!(whole.cpu_us >= before.cpu_us + used.cpu_us);
        assert!(usage(own).unwrap().cpu_us > 0.0);
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        let error = usage(i32::MAX).err().unwrap();
        assert!(error.contains("2147483647"), "{error}");
    }
}
