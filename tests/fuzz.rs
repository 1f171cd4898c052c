//! The targets of `fuzz/` as ordinary tests: the kept corpus, and a number of inputs drawn from it that is the same
//! every time. `npm run fuzz` runs them under libFuzzer.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

/// Inputs drawn for each target.
const DRAWN: usize = 20_000;

/// Numbers that look random and are the same every time (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// An input with a few changes, such as libFuzzer makes them.
fn changed(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(5) {
        let at = numbers.below(input.len() + 1);
        match numbers.below(6) {
            0 => input.insert(at, numbers.byte()),
            1 if at < input.len() => input[at] = numbers.byte(),
            2 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            3 => {
                let to = (at + numbers.below(16)).min(input.len());
                input.drain(at..to);
            }
            4 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len() + 1);
                let to = (from + numbers.below(64)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let word = targets::WORDS[numbers.below(targets::WORDS.len())];
                input.splice(at..at, word.bytes());
            }
        }
    }
    input
}

fn run(name: &str) {
    let (_, target) = targets::TARGETS
        .iter()
        .find(|(target, _)| *target == name)
        .unwrap();
    let seeds = corpus(name);
    for seed in &seeds {
        target(seed);
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..DRAWN {
        let input = if round % 4 == 0 {
            (0..numbers.below(200)).map(|_| numbers.byte()).collect()
        } else {
            changed(&seeds, &mut numbers)
        };
        if std::panic::catch_unwind(|| target(&input)).is_err() {
            panic!(
                "{name} failed on {:?}, {}",
                String::from_utf8_lossy(&input),
                hex::encode(&input)
            );
        }
    }
}

#[test]
fn a_key_is_itself_or_refused() {
    run("key");
}

#[test]
fn any_text_is_a_card_or_refused_and_no_number_comes_back() {
    run("card");
}

#[test]
fn whatever_a_platform_says_is_masked_once_and_for_all() {
    run("redact");
}

#[test]
fn every_target_has_its_file_and_runs_here() {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap();
    let mut files: Vec<String> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut names: Vec<String> = targets::TARGETS
        .iter()
        .map(|(name, _)| format!("{name}.rs"))
        .collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
    let this = include_str!("fuzz.rs");
    for (name, _) in targets::TARGETS {
        assert!(this.contains(&format!("run(\"{name}\")")), "{name}");
    }
}
