//! The shipped module: [`Module`] behind `wasm-bindgen`, and an allocator that wipes.
//!
//! Every call ends by overwriting the stack that it used, and the allocator overwrites every heap block as it is
//! freed. Together they leave no card and no key in linear memory.

#[cfg(feature = "bare")]
use cardseal_random as _;
use spin::Mutex;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::boundary::Module;
use crate::random::SystemRandom;

/// Wipes every block as it is freed, whoever allocated it: our code, a library, or the glue that brings strings in.
/// The allocator under it is chosen for its size; a page makes few calls and each frees what it allocates.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator>> =
    zeroizing_alloc::ZeroAlloc(lol_alloc::LockedAllocator::new(
        lol_alloc::FreeListAllocator::new(),
    ));

/// More than the deepest call needs; the memory scan in the tests would find the rest.
const STACK_TO_WIPE: usize = 48 * 1024;

/// Nobody ever waits for it: there is one thread, and no call within a call.
static MODULE: Mutex<Module> = Mutex::new(Module::new());

/// See [`Module::call`]. A function, because the glue of an exported class is half as large again as all other glue.
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is public")]
#[wasm_bindgen]
#[must_use]
pub fn call(input: &str) -> String {
    let output = run(input);
    wipe_stack();
    output
}

#[inline(never)]
fn run(input: &str) -> String {
    match MODULE.try_lock() {
        Some(mut module) => module.call(input, &mut SystemRandom),
        // A call before this one has trapped.
        None => std::arch::wasm32::unreachable(),
    }
}

#[inline(never)]
fn wipe_stack() {
    let mut area = [0_u8; STACK_TO_WIPE];
    // Keeps the optimiser from seeing that nobody reads it.
    std::hint::black_box(&mut area);
}
