//! Values that are wiped when they are dropped.

#[cfg(not(feature = "bare"))]
pub(crate) use zeroize::Zeroizing as Wiped;

/// In the shipped module the allocator wipes every block as it is freed and every call wipes its stack, so that a loop
/// at each place where something is dropped would only be bytes to download.
#[cfg(feature = "bare")]
#[allow(
    unreachable_pub,
    reason = "a public field has this type, as it has the other's"
)]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wiped<T>(T);

#[cfg(feature = "bare")]
impl<T> Wiped<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

#[cfg(feature = "bare")]
impl<T> From<T> for Wiped<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(feature = "bare")]
impl<T> core::ops::Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(feature = "bare")]
impl<T> core::ops::DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
