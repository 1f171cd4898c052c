//! Where JavaScript's objects are kept while the module uses them: in an array of the glue, and not in a table of the
//! module. The module is smaller, and needs neither reference types nor calls with several results.

use walrus::{FunctionBuilder, Module};

/// The names of the features in the module's own list. The generator reads there which kind of glue to write.
const DENIED: [&str; 2] = ["reference-types", "multivalue"];

/// The array as it begins in the glue, with places for borrowed objects and with four that are always there.
pub(crate) const ARRAY: &str =
    "let heap = new Array(1024).fill(undefined);\nheap.push(undefined, null, true, false);\n";

/// Its length.
const FIRST: i32 = 1028;

/// Has the generator keep objects in the glue.
///
/// # Errors
/// What the module lacks that every module of ours has.
pub(crate) fn keep_in_glue(module: &mut Module) -> Result<(), String> {
    let mut features = module
        .customs
        .remove_raw("target_features")
        .ok_or("the module does not list its features")?;
    for feature in DENIED {
        deny(&mut features.data, feature)?;
    }
    module.customs.add(features);

    // For this kind of glue the generator leaves two things open. The first of them it would import from nowhere.
    let failed = |error| format!("{error:#}");
    let first = module
        .imports
        .get_func("__wbindgen_externref_xform__", "__wbindgen_externref_statics_end")
        .map_err(failed)?;
    module
        .replace_imported_func(first, |(body, _)| {
            body.i32_const(FIRST);
        })
        .map_err(failed)?;
    // The second is called in a fresh instance, where the table would be filled.
    if module.start.is_none() {
        let start = FunctionBuilder::new(&mut module.types, &[], &[]);
        module.start = Some(start.finish(Vec::new(), &mut module.funcs));
    }
    Ok(())
}

fn deny(features: &mut [u8], feature: &str) -> Result<(), String> {
    let length = u8::try_from(feature.len()).map_err(|error| error.to_string())?;
    let row = [&[b'+', length], feature.as_bytes()].concat();
    let mut found = features
        .windows(row.len())
        .enumerate()
        .filter_map(|(at, bytes)| (bytes == row).then_some(at));
    let (Some(at), None) = (found.next(), found.next()) else {
        return Err(format!("the module does not list the feature {feature} once"));
    };
    if let Some(prefix) = features.get_mut(at) {
        *prefix = b'-';
    }
    Ok(())
}
