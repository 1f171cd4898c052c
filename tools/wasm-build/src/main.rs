//! `wasm-build <input.wasm> <output folder>`: writes `cardseal.js` (the glue, for pages, as a module) and
//! `cardseal_bg.wasm` from the library that cargo compiled. `scripts/build.mjs` calls it and then optimises.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

/// The file names are part of the package's contract: `cardseal/cardseal_bg.wasm` is exported.
const NAME: &str = "cardseal";

#[expect(
    clippy::print_stderr,
    reason = "a command-line tool reports its failure there"
)]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(output), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: wasm-build <input.wasm> <output folder>");
        return ExitCode::from(2);
    };
    match generate(&input, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("wasm-build: {message}");
            ExitCode::FAILURE
        }
    }
}

fn generate(input: &OsString, output: &OsString) -> Result<(), String> {
    Bindgen::new()
        .input_path(Path::new(input))
        .out_name(NAME)
        .web(true)
        .map_err(|error| format!("{error:#}"))?
        // The types that users read are written by hand, in src/js/index.d.ts.
        .typescript(false)
        // The loaders say where the module is. Without this, bundlers would ship the file for the inline entry too.
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(Path::new(output))
        .map_err(|error| format!("{error:#}"))
}
