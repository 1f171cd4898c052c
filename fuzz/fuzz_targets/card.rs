#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| cardseal_fuzz::card(data));
