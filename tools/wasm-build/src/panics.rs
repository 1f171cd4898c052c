//! Takes the messages of panics out of a module. The standard library prints nowhere in a browser, so nobody could read
//! them; the code that makes them is a kilobyte and a half of a module. A panic still ends in a trap.

use std::collections::HashMap;

use walrus::ir::{Call, Instr, InstrLocId, Unreachable, Visitor, dfs_in_order};
use walrus::{FunctionId, LocalFunction, Module};

/// Beginnings of the names of what runs in a panic and nowhere else.
const PANICKING: [&str; 8] = [
    "core::panicking::",
    "std::panicking::",
    "core::cell::panic_",
    "core::cell::lazy::panic_",
    "core::slice::index::slice_index_fail",
    "core::option::expect_failed",
    "alloc::raw_vec::handle_error",
    "alloc::alloc::handle_alloc_error",
];

/// Makes a trap of every function that panics, and of every function that formats a value for the message.
///
/// # Errors
/// The name of a function that formats a value although it is in no panic: as a trap it would no longer work.
pub(crate) fn silence(module: &mut Module) -> Result<(), String> {
    let named = |name: Option<&str>| format!("{:#}", rustc_demangle::demangle(name.unwrap_or_default()));
    let functions = module.funcs.iter();
    let names: HashMap<FunctionId, String> = functions
        .map(|function| (function.id(), named(function.name.as_deref())))
        .collect();
    let is = |kind: fn(&str) -> bool, function| names.get(&function).is_some_and(|name| kind(name));
    for (id, function) in module.funcs.iter_local_mut() {
        if is(panics, id) || is(formats, id) {
            let entry = function.entry_block();
            function.block_mut(entry).instrs =
                vec![(Instr::Unreachable(Unreachable {}), InstrLocId::default())];
        }
    }
    // A message's values are formatted through addresses: whoever calls directly wants the text.
    for (id, function) in module.funcs.iter_local() {
        if called_by(function).into_iter().any(|called| is(formats, called)) {
            let name = names.get(&id).map_or("a function", String::as_str);
            return Err(format!(
                "{name} formats a value: write its text without core::fmt"
            ));
        }
    }
    Ok(())
}

fn panics(name: &str) -> bool {
    PANICKING.iter().any(|beginning| name.starts_with(beginning))
}

fn formats(name: &str) -> bool {
    name.starts_with("core::fmt::") || name.starts_with("<core::fmt::") || name.contains(" as core::fmt::")
}

fn called_by(function: &LocalFunction) -> Vec<FunctionId> {
    struct Calls(Vec<FunctionId>);
    impl Visitor<'_> for Calls {
        fn visit_call(&mut self, call: &Call) {
            self.0.push(call.func);
        }
    }
    let mut calls = Calls(Vec::new());
    dfs_in_order(&mut calls, function, function.entry_block());
    calls.0
}

#[cfg(test)]
mod tests {
    use walrus::FunctionBuilder;

    use super::*;

    /// Adds a function that calls another.
    fn function(module: &mut Module, name: &str, callee: Option<FunctionId>) -> FunctionId {
        let mut builder = FunctionBuilder::new(&mut module.types, &[], &[]);
        builder.name(name.into());
        if let Some(callee) = callee {
            builder.func_body().call(callee);
        }
        builder.finish(Vec::new(), &mut module.funcs)
    }

    fn body(module: &Module, id: FunctionId) -> Vec<&Instr> {
        let function = module.funcs.get(id).kind.unwrap_local();
        let block = function.block(function.entry_block());
        block.instrs.iter().map(|(instruction, _)| instruction).collect()
    }

    #[test]
    fn a_panic_is_a_trap_and_what_else_there_is_stays() {
        let mut module = Module::default();
        let write = function(&mut module, "core::fmt::write", None);
        let display = function(&mut module, "<usize as core::fmt::Display>::fmt", Some(write));
        let panic = function(&mut module, "core::panicking::panic_fmt", Some(display));
        let own = function(&mut module, "cardseal::card::check", Some(panic));
        silence(&mut module).unwrap();
        for id in [write, display, panic] {
            assert!(matches!(body(&module, id)[..], [Instr::Unreachable(_)]));
        }
        assert!(matches!(body(&module, own)[..], [Instr::Call(call)] if call.func == panic));
    }

    #[test]
    fn what_formats_a_value_in_no_panic_is_refused_by_its_name() {
        let mut module = Module::default();
        let write = function(&mut module, "core::fmt::write", None);
        function(&mut module, "alloc::fmt::format::format_inner", Some(write));
        let error = silence(&mut module).unwrap_err();
        assert!(
            error.starts_with("alloc::fmt::format::format_inner formats a value"),
            "{error}"
        );
    }
}
