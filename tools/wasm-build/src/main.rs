//! `wasm-build glue <input.wasm> <output folder> <name>` writes `<name>.js` (the glue, for pages, as a module),
//! `<name>.d.ts` and `<name>_bg.wasm` from the library that cargo compiled. `wasm-build glue-mvp` does the same without
//! reference types, for what becomes JavaScript. `wasm-build codes` prints the crate's table of error codes as TypeScript.
//! `scripts/build.mjs` calls them.

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
        [command @ ("glue" | "glue-mvp"), input, output, name] => {
            match glue(Path::new(input), Path::new(output), name, command == "glue-mvp") {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    eprintln!("wasm-build: {message}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("usage: wasm-build codes | glue | glue-mvp <input.wasm> <output folder> <name>");
            ExitCode::from(2)
        }
    }
}

fn glue(input: &Path, output: &Path, name: &str, mvp: bool) -> Result<(), String> {
    let failed = |error| format!("{error:#}");
    let mut bindgen = Bindgen::new();
    let mut module = fs::read(input).map_err(|error| format!("{}: {error}", input.display()))?;
    if mvp {
        for feature in ["reference-types", "multivalue"] {
            deny(&mut module, feature)?;
        }
    }
    let mut module = walrus::Module::from_buffer(&module).map_err(failed)?;
    panics::silence(&mut module)?;
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

/// Says in the module's list of features that it goes without this one. The generator reads there whether objects are kept
/// in a table of the module or in an array of the glue; the code of the crate is the same for both.
fn deny(module: &mut [u8], feature: &str) -> Result<(), String> {
    let length = u8::try_from(feature.len()).map_err(|error| error.to_string())?;
    let row = [&[b'+', length], feature.as_bytes()].concat();
    let mut found = module
        .windows(row.len())
        .enumerate()
        .filter_map(|(at, bytes)| (bytes == row).then_some(at));
    let (Some(at), None) = (found.next(), found.next()) else {
        return Err(format!("the module does not list the feature {feature} once"));
    };
    if let Some(prefix) = module.get_mut(at) {
        *prefix = b'-';
    }
    Ok(())
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
