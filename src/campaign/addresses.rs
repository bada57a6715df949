//! Processes whose memory lies at the same addresses each time.
//!
//! A program that lets addresses reach its decisions (it sorts by them, or hashes them) then still
//! repeats. See personality(2).

use std::sync::Once;

/// Starts processes by `start`, on this thread, without address-space randomisation. Where that is not
/// allowed, as in many containers, says so once and starts them as they are.
pub(crate) fn with_fixed_addresses<T>(start: impl FnOnce() -> T) -> T {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: a system call without pointers. A personality is a thread's own, and its children's.
    let before = unsafe { libc::personality(ASK) };
    let fixed = before | libc::ADDR_NO_RANDOMIZE;
    // SAFETY: as above.
    if before < 0 || unsafe { libc::personality(fixed as libc::c_ulong) } < 0 {
        say_refused(&std::io::Error::last_os_error());
        return start();
    }
    let started = start();
    // SAFETY: as above; what this thread had before, it may have again.
    unsafe { libc::personality(before as libc::c_ulong) };
    started
}

fn say_refused(error: &std::io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        eprintln!(
            "note: addresses stay random ({error}): a program that decides by them does not repeat"
        );
    });
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Where a process's stack lies.
    fn stack_of_a_process() -> String {
        let output = Command::new("cat").arg("/proc/self/maps").output();
        let maps = String::from_utf8(output.expect("there is cat").stdout).expect("maps are text");
        let stack = maps.lines().find(|line| line.ends_with("[stack]"));
        stack.expect("a process has a stack").to_owned()
    }

    #[test]
    fn addresses_repeat_here_and_only_here() {
        let fixed: Vec<_> = (0..3)
            .map(|_| with_fixed_addresses(stack_of_a_process))
            .collect();
        let free: Vec<_> = (0..3).map(|_| stack_of_a_process()).collect();
        assert!(fixed[0] == fixed[1] && fixed[1] == fixed[2], "{fixed:?}");
        assert!(free[0] != free[1] || free[1] != free[2], "{free:?}");
    }
}
