#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_checkers::history::Format;
use squall_checkers_fuzz::read_and_write;

fuzz_target!(|bytes: &[u8]| read_and_write(bytes, Some(Format::Fastlin)));
