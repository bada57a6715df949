//! The running program's place in memory.

use std::ffi::{c_int, c_void};

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

struct Program {
    /// What is added to the file's addresses.
    bias: usize,
    begin: usize,
    end: usize,
}

impl Program {
    fn find() -> Self {
        let mut program = Self {
            bias: 0,
            begin: 0,
            end: 0,
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
    }
    program.begin = program.bias;
    1
}
