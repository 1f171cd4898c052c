//! Values that are wiped when they are dropped.

pub(crate) use zeroize::Zeroizing as Wiped;
