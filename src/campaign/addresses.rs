//! Where the memory of processes lies: at the same addresses each time, or not.
//!
//! At the same addresses, a program that lets them reach its decisions (it sorts by them, or hashes
//! them) still repeats. See personality(2).

use std::sync::Once;

/// At which addresses a process has its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// The same for each process of a program.
    Fixed,
    /// Others for each process, as the operating system has it for safety.
    Random,
}

impl Addresses {
    /// Starts processes by `start`, on this thread, with such addresses. Where that is not allowed, as
    /// in many containers, says so once and starts them as they are.
    pub(crate) fn start<T>(self, start: impl FnOnce() -> T) -> T {
        with_personality(self, start)
    }
}

fn with_personality<T>(addresses: Addresses, start: impl FnOnce() -> T) -> T {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: a system call without pointers. A personality is a thread's own, and its children's.
    let before = unsafe { libc::personality(ASK) };
    let wanted = match addresses {
        Addresses::Fixed => before | libc::ADDR_NO_RANDOMIZE,
        Addresses::Random => before & !libc::ADDR_NO_RANDOMIZE,
    };
    // SAFETY: as above.
    if before < 0 || unsafe { libc::personality(wanted as libc::c_ulong) } < 0 {
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
            "note: addresses of memory cannot be chosen here ({error}): a program that decides by them \
             does not repeat"
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
    fn fixed_addresses_repeat_and_random_ones_do_not() {
        let fixed: Vec<_> = (0..3)
            .map(|_| Addresses::Fixed.start(stack_of_a_process))
            .collect();
        let free: Vec<_> = (0..3)
            .map(|_| Addresses::Random.start(stack_of_a_process))
            .collect();
        assert!(fixed[0] == fixed[1] && fixed[1] == fixed[2], "{fixed:?}");
        assert!(free[0] != free[1] || free[1] != free[2], "{free:?}");
    }
}
