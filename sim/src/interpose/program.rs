//! The running program's place in memory.

use std::ffi::{c_int, c_void};

use serde::{Deserialize, Serialize};

/// Addresses as the program's file has them, without where it happens to lie in memory. Those that
/// are not the program's own (libc's, the kernel's) are left out.
pub(super) fn relative(addresses: &[usize]) -> Vec<u64> {
    let program = Program::find();
    let relative = addresses.iter().filter_map(|address| {
        let is_inside = (program.begin..program.end).contains(address);
        is_inside.then(|| (address - program.bias) as u64)
    });
    relative.collect()
}

/// What a piece of memory is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Memory {
    Statics,
    /// Of the run's thread.
    ThreadLocals,
}

/// A piece of the program's memory that it may write.
pub(super) struct Region {
    pub(super) memory: Memory,
    /// In the program's file; of thread-locals, counted from the first.
    pub(super) address: u64,
    begin: usize,
    words: usize,
}

impl Region {
    /// What it holds, word by word.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        let begin = self.begin as *const u64;
        // SAFETY: the loader has mapped these words for as long as the program runs, and they are
        // aligned. Others may write them: a word is read as it is, and assumed to be nothing.
        (0..self.words).map(move |index| unsafe { begin.add(index).read_volatile() })
    }
}

/// The program's statics and this thread's thread-locals.
pub(super) fn writable() -> Vec<Region> {
    Program::find().writable
}

struct Program {
    /// What is added to the file's addresses.
    bias: usize,
    begin: usize,
    end: usize,
    writable: Vec<Region>,
}

impl Program {
    fn find() -> Self {
        let mut program = Self {
            bias: 0,
            begin: 0,
            end: 0,
            writable: Vec::new(),
        };
        // SAFETY: the loader calls `visit` with the pointer that it is given, during this call.
        unsafe { libc::dl_iterate_phdr(Some(visit), std::ptr::from_mut(&mut program).cast()) };
        program
    }
}

/// The program is the first object that the loader tells of.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    program: *mut c_void,
) -> c_int {
    // SAFETY: the loader's record and our own program, both for the time of this call.
    let (info, program) = unsafe { (&*info, &mut *program.cast::<Program>()) };
    program.bias = info.dlpi_addr as usize;
    for index in 0..usize::from(info.dlpi_phnum) {
        // SAFETY: the loader gives this many headers.
        let header = unsafe { &*info.dlpi_phdr.add(index) };
        if header.p_type == libc::PT_LOAD {
            let end = program.bias + (header.p_vaddr + header.p_memsz) as usize;
            program.end = program.end.max(end);
        }
        program.take_writable(header, info.dlpi_tls_data as usize);
    }
    program.begin = program.bias;
    1
}

impl Program {
    fn take_writable(&mut self, header: &libc::Elf64_Phdr, thread_locals: usize) {
        const WORD: usize = size_of::<u64>();
        let (address, size) = (header.p_vaddr as usize, header.p_memsz as usize);
        match header.p_type {
            libc::PT_LOAD if header.p_flags & libc::PF_W != 0 => {
                let begin = address.next_multiple_of(WORD);
                self.writable.push(Region {
                    memory: Memory::Statics,
                    address: begin as u64,
                    begin: self.bias + begin,
                    words: (address + size - begin) / WORD,
                });
            }
            libc::PT_TLS if thread_locals.is_multiple_of(WORD) && thread_locals != 0 => {
                self.writable.push(Region {
                    memory: Memory::ThreadLocals,
                    address: 0,
                    begin: thread_locals,
                    words: size / WORD,
                });
            }
            _ => {}
        }
    }
}
