//! Names for addresses: the symbol table of this program's file (ELF, 64 bits, little-endian).
//!
//! The file is this program's own, and is read with the care of one that is not: what does not make
//! sense gives no names, and no panic.

use std::path::Path;

/// The functions and statics of a program.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// In order of their addresses.
    symbols: Vec<Symbol>,
    /// In order of their places among the thread-locals.
    thread_locals: Vec<Symbol>,
}

#[derive(Clone, Debug)]
struct Symbol {
    begin: u64,
    size: u64,
    /// As the compiler mangles it.
    name: String,
}

const SECTION_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;
const SYMBOL_TABLE: u32 = 2;
const KIND_OBJECT: u8 = 1;
const KIND_FUNCTION: u8 = 2;
const KIND_THREAD_LOCAL: u8 = 6;

impl Symbols {
    /// Those of the running program; none if it has been stripped of them.
    pub fn of_this_program() -> Self {
        Self::of_file(Path::new("/proc/self/exe"))
    }

    fn of_file(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        Self::parse(&bytes).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        const ELF_64_LITTLE: &[u8] = b"\x7fELF\x02\x01";
        if !bytes.starts_with(ELF_64_LITTLE) {
            return None;
        }
        let sections_at = usize::try_from(u64_at(bytes, 40)?).ok()?;
        let count = usize::from(u16::from_le_bytes(bytes.get(60..62)?.try_into().ok()?));
        let section = |index: usize| {
            let begin = sections_at.checked_add(index.checked_mul(SECTION_SIZE)?)?;
            bytes.get(begin..begin.checked_add(SECTION_SIZE)?)
        };
        let table = (0..count)
            .filter_map(section)
            .find(|section| u32_at(section, 4) == Some(SYMBOL_TABLE))?;
        let names = contents(bytes, section(u32_at(table, 40)? as usize)?)?;
        let entries = contents(bytes, table)?.chunks_exact(SYMBOL_SIZE);
        let of_kinds = |kinds: &[u8]| {
            let entries = entries
                .clone()
                .filter(|entry| kinds.contains(&(entry[4] & 0xf)));
            let mut symbols: Vec<_> = entries
                .filter_map(|entry| Symbol::parse(entry, names))
                .collect();
            symbols.sort_unstable_by(|a, b| (a.begin, &a.name).cmp(&(b.begin, &b.name)));
            symbols
        };
        Some(Self {
            symbols: of_kinds(&[KIND_OBJECT, KIND_FUNCTION]),
            thread_locals: of_kinds(&[KIND_THREAD_LOCAL]),
        })
    }

    /// The name of the function or static at an address.
    pub fn at(&self, address: u64) -> Option<String> {
        name_in(&self.symbols, address)
    }

    /// The name of the thread-local at a place among them.
    pub fn thread_local_at(&self, place: u64) -> Option<String> {
        name_in(&self.thread_locals, place)
    }

    /// The functions of return addresses, without those that every call goes through; of std's, one that calls
    /// another is enough.
    pub fn callers(&self, addresses: &[u64]) -> Vec<String> {
        // A return address is behind its call, which may be the last of its function.
        let functions = addresses
            .iter()
            .filter_map(|address| self.at(address.saturating_sub(1)));
        let mut names: Vec<_> = functions.collect();
        names.dedup();
        names.retain(|name| is_of_interest(name));
        without_inside_of_std(names)
    }
}

impl Symbol {
    fn parse(entry: &[u8], names: &[u8]) -> Option<Self> {
        let name = names.get(u32_at(entry, 0)? as usize..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        let mangled = std::str::from_utf8(&name[..end]).ok()?;
        Some(Self {
            begin: u64_at(entry, 8)?,
            size: u64_at(entry, 16)?,
            name: mangled.to_owned(),
        })
    }

    /// Its name as its author wrote it.
    fn readable(&self) -> String {
        format!("{:#}", rustc_demangle::demangle(&self.name))
    }
}

fn name_in(symbols: &[Symbol], address: u64) -> Option<String> {
    let after = symbols.partition_point(|symbol| symbol.begin <= address);
    let symbol = symbols[..after].last()?;
    let is_inside = address - symbol.begin < symbol.size.max(1);
    is_inside.then(|| symbol.readable())
}

/// What a section holds.
fn contents<'a>(bytes: &'a [u8], section: &[u8]) -> Option<&'a [u8]> {
    let begin = usize::try_from(u64_at(section, 24)?).ok()?;
    let size = usize::try_from(u64_at(section, 32)?).ok()?;
    bytes.get(begin..begin.checked_add(size)?)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at.checked_add(8)?)?;
    word.try_into().ok().map(u64::from_le_bytes)
}

/// Whether a function says anything about who called: those of the simulator's inside and of the
/// language's machinery are in every stack.
fn is_of_interest(name: &str) -> bool {
    const EVERYWHERE: [&str; 9] = [
        "squall_sim::engine::",
        "squall_sim::interpose::",
        "core::ops::function",
        "core::panic::",
        "std::panic::",
        "__rust",
        "std::panicking",
        "std::sys::thread::",
        "std::thread",
    ];
    let name = name.trim_start_matches(['<', '&']);
    !EVERYWHERE.iter().any(|prefix| name.starts_with(prefix))
        && !name.contains("__rust_begin_short_backtrace")
        && !name.starts_with("_Unwind")
}

/// Keeps, of functions of std that call one another, the one that somebody else called.
fn without_inside_of_std(names: Vec<String>) -> Vec<String> {
    let mut names = names.into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(name) = names.next() {
        let is_inside = is_of_std(&name) && names.peek().is_some_and(|caller| is_of_std(caller));
        if !is_inside {
            kept.push(name);
        }
    }
    kept
}

fn is_of_std(name: &str) -> bool {
    let name = name.trim_start_matches(['<', '&']);
    ["std::", "core::", "alloc::"]
        .iter()
        .any(|library| name.starts_with(library))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn a_function_of_ours() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn this_program_knows_its_functions() {
        let symbols = Symbols::of_this_program();
        let name = "symbols::tests::a_function_of_ours";
        let ours = symbols
            .symbols
            .iter()
            .find(|symbol| symbol.readable().ends_with(name));
        let ours = ours.expect("tests are not stripped");
        assert_eq!(symbols.at(ours.begin + 1), Some(ours.readable()));
        assert_eq!(a_function_of_ours(), 7);
    }

    #[test]
    fn of_std_what_was_called_is_kept() {
        let called = [
            "getrandom",
            "std::sys::random::linux::getrandom",
            "std::hash::random::RandomState::new",
            "server::session",
            "<core::pin::Pin<P> as core::future::future::Future>::poll",
            "server::main",
        ];
        let kept = without_inside_of_std(called.map(str::to_owned).to_vec());
        let expected = [called[0], called[2], called[3], called[4], called[5]];
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_is_no_program_has_no_names() {
        let program = std::fs::read("/proc/self/exe").expect("there is this program");
        for bytes in [&b""[..], b"\x7fELF", &program[..4096], &[0xff; 200]] {
            assert!(Symbols::parse(bytes).unwrap_or_default().symbols.is_empty());
        }
        let mut damaged = program[..200].to_vec();
        damaged[40..48].fill(0xff);
        assert!(Symbols::parse(&damaged).is_none());
    }
}
