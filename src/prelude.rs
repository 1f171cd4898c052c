//! The names of `alloc` that `std` would bring: the shipped module is built without `std`, whose panic and
//! formatting code would be most of its size.

#![allow(unused_imports, reason = "every module takes what it needs")]

pub(crate) use alloc::borrow::ToOwned;
pub(crate) use alloc::boxed::Box;
pub(crate) use alloc::string::{String, ToString};
pub(crate) use alloc::vec::Vec;
pub(crate) use alloc::{format, vec};

/// What stands before and after the first occurrence; `str`'s own search is for long texts, in two kilobytes of code.
pub(crate) fn split_once<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = text
        .as_bytes()
        .windows(separator.len())
        .position(|part| part == separator.as_bytes())?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}
