//! Reads files and standard input. Messages name the file, never what is in it.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::Result;
use crate::capture::{self, Exchange};
use crate::output::Failure;

/// No key, request or configuration comes near; a HAR file may be large.
const LARGEST: u64 = 64 << 20;

/// A file's text, or that of standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let name = path.display();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LARGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::usage(format!("{name} cannot be read: {}", error.kind())))?;
    Ok(text)
}

/// A file with a JSON object.
pub(crate) fn object(path: &Path) -> Result<Map<String, Value>> {
    serde_json::from_str(&text(path)?)
        .map_err(|_| Failure::usage(format!("{} is no JSON object", path.display())))
}

/// A file with captured requests.
pub(crate) fn requests(path: &Path) -> Result<Vec<Exchange>> {
    capture::read(&text(path)?).map_err(|error| Failure::usage(format!("{} {error}", path.display())))
}

/// A text member.
pub(crate) fn member(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}
