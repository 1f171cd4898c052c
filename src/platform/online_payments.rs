//! Worldline Online Payments, the platform behind PAYONE E-Payment: the browser's half.
//!
//! The page fetches the session's key and the card's product from the platform's client API. It sends the card as
//! `encryptedCustomerInput`, a compact JWE (RSA-OAEP, A256CBC-HS512), to the merchant's server, which passes it on
//! and cannot decrypt it.

mod payload;
pub mod product;
mod request;

pub use payload::{Payload, Use, Values, nonce};
pub use request::{
    Browser, ClientSession, ClientSessionInput, Hosts, Purchase, confirm_payment, confirm_token,
    first_digits, hand_over,
};

use crate::card::Rules;

/// The rules for every card. Each product adds its own.
pub const RULES: Rules = Rules::COMMON;

/// The shortest modulus of the platform's keys.
pub const LEAST_KEY_BITS: usize = 2048;
