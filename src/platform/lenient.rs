//! Members of an answer whose type is not the documented one, as browser and gateways read them.

/// Stands for a text that decides and cannot be read. It is no word of any platform, so that nothing is approved or
/// declined for the lack of it.
pub const UNREADABLE: &str = "\u{fffd}";

/// The integer that a number is, within 2^53. JavaScript prints one without a fraction, whatever it was read from.
#[must_use]
pub fn integral(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the way back")]
    let integer = value as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "exact within 2^53")]
    let same = integer as f64 == value && value.abs() < 9_007_199_254_740_992.0;
    same.then_some(integer)
}
