//! What a page hands over, and what the server stores of an order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::greenpay::Packed;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::gateway::PagePayload;

/// A card of this platform is a few hundred bytes of hex; more would only be a burden to the platform.
const MAX_LD: usize = 8192;
/// The wrapped key of an 8192-bit key is 1368 characters.
const MAX_LK: usize = 2048;

/// What the server stores of a session: the platform's order.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) session: String,
    pub(super) token: String,
}

impl Order {
    pub(super) fn read(state: &SecretString) -> Result<Self, Refusal> {
        serde_json::from_str(state.expose_secret()).map_err(|_| Refusal::Invalid("session"))
    }
}

/// The shape of what the browser sealed, before anything is sent.
pub(super) fn check_sealed(ld: &str, lk: &str) -> Result<(), Refusal> {
    let hex = !ld.is_empty() && ld.len().is_multiple_of(2) && ld.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hex || ld.len() > MAX_LD {
        return Err(Refusal::Invalid("ld"));
    }
    let base64 = STANDARD.decode(lk).is_ok_and(|bytes| !bytes.is_empty());
    if !base64 || lk.len() > MAX_LK {
        return Err(Refusal::Invalid("lk"));
    }
    Ok(())
}

pub(super) fn packed(payload: PagePayload) -> Result<Packed, Refusal> {
    let PagePayload::Sealed {
        data: ld,
        key: Some(lk),
        ..
    } = payload
    else {
        return Err(Refusal::Invalid("ld"));
    };
    check_sealed(&ld, &lk)?;
    Ok(Packed { ld, lk })
}

/// Whether a text can be a header value and a part of a body: the platform hands out UUIDs.
pub(super) fn opaque(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
