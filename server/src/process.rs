//! Keeps what this process knows out of dumps, debuggers and swap.

use std::io;

/// Forbids core dumps, and that other processes of the same user read or trace this one.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
pub fn forbid_dumps() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Other systems have neither.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub const fn forbid_dumps() -> io::Result<()> {
    Ok(())
}

/// Keeps all memory out of swap: of this moment, and what is allocated later. A page is locked once it is used, so this
/// takes no more memory than before.
///
/// # Errors
/// If the system may refuse later allocations because of it, or refuses now. Nothing is locked then.
#[cfg(target_os = "linux")]
pub fn lock_memory() -> io::Result<()> {
    use rustix::mm::MlockAllFlags;
    use rustix::process::{Resource, getrlimit};
    use rustix::thread::{CapabilitySet, capabilities};
    let privileged = || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // With a limit, an allocation beyond it would fail at any later time.
    if getrlimit(Resource::Memlock).current.is_some() && !privileged() {
        return Err(io::Error::other(
            "the limit of locked memory (`ulimit -l`) is not unlimited",
        ));
    }
    rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?;
    Ok(())
}

/// Other systems lock single pages only.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn lock_memory() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Protects the process of a configuration: no dumps, unless they are allowed, and no swap where cards are opened.
pub fn protect(config: &crate::config::Config) {
    if !config.core_dumps
        && let Err(cause) = forbid_dumps()
    {
        tracing::warn!(%cause, "this process can be dumped: its memory holds the platforms' secrets");
    }
    let opens_cards = |account: &crate::config::Account| account.gateway.capabilities().handles_clear_cards;
    if config.platforms.values().any(opens_cards) {
        match lock_memory() {
            Ok(()) => tracing::info!("memory is locked: cards that are opened here are never swapped"),
            Err(cause) => tracing::warn!(
                %cause,
                "memory is not locked: cards that are opened here may be written to swap; raise the limit (systemd: \
                 LimitMEMLOCK=infinity), or run without swap"
            ),
        }
    }
}
