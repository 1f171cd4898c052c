//! How the browser and the gateways read members of an answer that have another type than documented.

/// The value of a member that decides the outcome and has the wrong type. No platform sends it, so it is never read
/// as an approval or a decline.
pub const UNREADABLE: &str = "\u{fffd}";

/// Returns a number as an integer, if it is one below 2^53. `1.0` counts, because JavaScript prints it as `1`.
#[must_use]
pub fn integral(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the way back")]
    let integer = value as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "exact within 2^53")]
    let same = integer as f64 == value && value.abs() < 9_007_199_254_740_992.0;
    same.then_some(integer)
}
