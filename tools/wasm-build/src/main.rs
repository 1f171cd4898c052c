//! `wasm-build glue <input.wasm> <output folder> <name>` writes `<name>.js` (the glue, for pages, as a module),
//! `<name>.d.ts` and `<name>_bg.wasm` from the library that cargo compiled; `glue-unoptimised` does the same for a library
//! of cargo's profile `dev`. `wasm-build codes` prints the crate's table of error codes as TypeScript.
//! `scripts/build.mjs` calls them.

mod objects;
mod panics;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use cardseal::Code;
use wasm_bindgen_cli_support::Bindgen;

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command-line tool prints what it makes and reports its failure"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["codes"] => {
            print!("{}", codes());
            ExitCode::SUCCESS
        }
        [command @ ("glue" | "glue-unoptimised"), input, output, name] => {
            match glue(Path::new(input), Path::new(output), name, command == "glue") {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    eprintln!("wasm-build: {message}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("usage: wasm-build codes | glue <input.wasm> <output folder> <name>");
            eprintln!("                        | glue-unoptimised <input.wasm> <output folder> <name>");
            ExitCode::from(2)
        }
    }
}

fn glue(input: &Path, output: &Path, name: &str, optimised: bool) -> Result<(), String> {
    let failed = |error| format!("{error:#}");
    let mut bindgen = Bindgen::new();
    let module = fs::read(input).map_err(|error| format!("{}: {error}", input.display()))?;
    let mut module = walrus::Module::from_buffer(&module).map_err(failed)?;
    // Without optimisation, the library's own functions that panic are not part of their callers, and format there.
    if optimised {
        panics::silence(&mut module)?;
    }
    objects::keep_in_glue(&mut module)?;
    bindgen
        .input_bytes(name, module.emit_wasm())
        .out_name(name)
        .web(true)
        .map_err(failed)?
        .typescript(true)
        // After a trap, a fresh instance takes the place of the broken one.
        .reset_state_function(true)
        // The loaders say where the module is. Without this, bundlers would ship the file for the inline entry too.
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(output).map_err(failed)?;
    beside(&output.join(format!("{name}.js"))).map_err(|error| error.to_string())
}

/// The class of errors is a file of the package, which every module shares, and no copy of its own for each.
fn beside(glue: &Path) -> std::io::Result<()> {
    const FILE: &str = "/src/ts/error.js";
    let text = fs::read_to_string(glue)?;
    let lines = text.lines().map(|line| {
        let from = line.find("'./snippets/").filter(|_| line.contains(FILE));
        match from.and_then(|at| line.get(..at)) {
            Some(import) => format!("{import}'./error.js';\n"),
            None => format!("{line}\n"),
        }
    });
    let text: String = lines.collect();
    if text.contains("/snippets/") {
        return Err(std::io::Error::other(
            "the glue imports a snippet that the package lacks",
        ));
    }
    if !text.contains(objects::ARRAY) {
        return Err(std::io::Error::other("the glue keeps objects in another array"));
    }
    fs::write(glue, text)
}

/// A constant for each code, so that a bundler keeps only those that are used.
fn codes() -> String {
    let rows = Code::ALL.iter().map(|code| {
        let (code, message) = (code.as_str(), code.message());
        format!("export const {code} = {{ code: {code:?}, message: {message:?} }} as const;\n")
    });
    let head = "// The error codes that TypeScript throws itself; made by the build from the table in src/error.rs.\n\n";
    std::iter::once(head.to_owned()).chain(rows).collect()
}
