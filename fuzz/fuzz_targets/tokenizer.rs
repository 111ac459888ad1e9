#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| nearsort_fuzz::run("tokenizer", data));
