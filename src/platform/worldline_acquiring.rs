//! Worldline Acquiring: the browser's half. The platform has no key for pages, so the card is sealed with the
//! merchant's own key, by WebCrypto.

use crate::card::{Card, NameRule, Rules, Secret};
use crate::error::{Code, Result};
use crate::hosts::BaseUrl;
use crate::http::Request;
use crate::json;
use crate::platform::Platform;
use crate::session::{self, Kind, Mode, ServerSession, SessionInput};
use zeroize::Zeroizing;

/// The rules for a card. The name is not sent to the platform; the server stores it with the card, up to this length.
pub const RULES: Rules = Rules {
    holder: NameRule {
        shortest: 2,
        longest: 100,
        ..NameRule::OPTIONAL
    },
    ..Rules::COMMON
};

/// What accompanies a network token, which replaces the card number.
#[derive(Clone)]
pub struct NetworkToken {
    /// Proves that the token may be used.
    pub cryptogram: String,
    /// The electronic commerce indicator.
    pub eci: Option<String>,
    /// The id of the party that requested the token from the network.
    pub requestor_id: Option<String>,
}

/// Returns the rules for a card. A network token needs no security code.
#[must_use]
pub fn rules(network_token: Option<&NetworkToken>) -> Rules {
    Rules {
        cvc: network_token.is_none(),
        ..RULES
    }
}

/// The text that is sealed. The year has four digits.
#[must_use]
pub fn plaintext(card: &Card, network_token: Option<&NetworkToken>) -> Zeroizing<String> {
    json::object(|object| {
        object
            .text("number", card.number.expose())
            .object("expiry", |object| {
                object
                    .number("month", card.expiry.month().into())
                    .number("year", card.expiry.year().into());
            })
            .optional("cvc", given(&card.cvc))
            .optional("holder", given(&card.holder));
        if let Some(token) = network_token {
            object.object("network_token", |object| {
                object
                    .text("cryptogram", &token.cryptogram)
                    .optional("eci", token.eci.as_deref())
                    .optional("requestor_id", token.requestor_id.as_deref());
            });
        }
    })
}

fn given(text: &Secret) -> Option<&str> {
    Some(text.expose()).filter(|text| !text.is_empty())
}

/// Checks the session that the card is sealed for. It must come from the Cardseal server, which opens the card.
///
/// # Errors
/// Those of a session.
pub fn session(given: &SessionInput, kind: Kind, now_ms: f64) -> Result<ServerSession> {
    let own = given.of_server(Platform::WorldlineAcquiring, kind, now_ms)?;
    let own = own
        .filter(|session| session.mode == Mode::Relay)
        .ok_or_else(|| session::malformed("mode"))?;
    let id = session::id(own.id, "id", Code::SessionMalformed)?;
    Ok(ServerSession { id, ..own })
}

/// The request that sends a sealed card to the merchant's server.
#[must_use]
pub fn request(server: &BaseUrl, kind: Kind, session: &str, sealed: &str) -> Request {
    Request::post(server.join(kind.server_path()), |body| {
        body.text("session", session).text("sealed", sealed);
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::card::CardInput;

    const NOW: f64 = 1_795_219_200_000.0;

    fn card(number: &str, cvc: &str, holder: &str, token: Option<&NetworkToken>) -> Result<Card> {
        let input = CardInput {
            number: number.into(),
            expiry: "12/2031".into(),
            cvc: cvc.into(),
            holder: holder.into(),
            nickname: Some("My Visa".into()),
        };
        Card::parse(&input, &rules(token), NOW)
    }

    #[test]
    fn what_is_sealed_is_the_card_and_what_comes_with_it() {
        let token = NetworkToken {
            cryptogram: "AgAAAAAAAIR8CQrXcIhbQAAAAAA=".into(),
            eci: Some("05".into()),
            requestor_id: None,
        };
        let whole = card("4176 6699 9900 0104", "012", "Zoë \"Z\" Müller", None).unwrap();
        assert_eq!(
            *plaintext(&whole, None),
            r#"{"number":"4176669999000104","expiry":{"month":12,"year":2031},"cvc":"012","holder":"Zoë \"Z\" Müller"}"#
        );
        let bare = card("4176669999000104", "", " ", Some(&token)).unwrap();
        assert_eq!(
            *plaintext(&bare, Some(&token)),
            r#"{"number":"4176669999000104","expiry":{"month":12,"year":2031},"network_token":{"cryptogram":"AgAAAAAAAIR8CQrXcIhbQAAAAAA=","eci":"05"}}"#
        );
        let problems = |card: Result<Card>| {
            let error = card.unwrap_err();
            let codes = error.problems().iter().map(|problem| problem.as_str());
            codes.collect::<Vec<_>>()
        };
        assert_eq!(problems(card("4176669999000104", "", "", None)), ["cvc_missing"]);
        assert_eq!(
            problems(card("4176669999000104", "1", "", Some(&token))),
            ["cvc_length"]
        );
        assert_eq!(
            problems(card("4176669999000105", "012", &"x".repeat(101), None)),
            ["number_check_digit", "holder_too_long"]
        );
    }

    #[test]
    fn only_a_session_whose_server_calls_the_platform_takes_a_card() {
        let own = SessionInput {
            id: Some("ses_1".into()),
            platform: Some("worldline_acquiring".into()),
            kind: Some("payment".into()),
            mode: Some("relay".into()),
            created_at: Some(NOW),
            expires_at: Some(NOW + 1000.0),
        };
        let read = |change: fn(&mut SessionInput)| {
            let mut given = own.clone();
            change(&mut given);
            session(&given, Kind::Payment, NOW)
                .map(|session| session.id)
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(read(|_| {}), Ok("ses_1".into()));
        let malformed = |field| Err((Code::SessionMalformed, Some(field)));
        assert_eq!(read(|given| given.mode = None), malformed("mode"));
        assert_eq!(
            read(|given| given.mode = Some("direct".into())),
            malformed("mode")
        );
        assert_eq!(read(|given| given.id = Some("a b".into())), malformed("id"));
        assert_eq!(read(|given| given.id = None), malformed("id"));
        let is = |code| Err((code, None));
        assert_eq!(
            read(|given| given.kind = Some("update".into())),
            is(Code::SessionWrongKind)
        );
        assert_eq!(
            read(|given| given.platform = Some("greenpay".into())),
            is(Code::SessionWrongPlatform)
        );
        assert_eq!(
            read(|given| given.expires_at = Some(NOW)),
            is(Code::SessionExpired)
        );
    }

    #[test]
    fn the_request_holds_the_session_and_the_sealed_card() {
        let server = BaseUrl::parse_server("https://shop.example/pay/").unwrap();
        let token = request(&server, Kind::Tokenize, "ses_1", "a..b.c.d");
        assert_eq!(
            (token.method, &*token.url, &*token.body),
            (
                "POST",
                "https://shop.example/pay/v1/tokens",
                r#"{"session":"ses_1","sealed":"a..b.c.d"}"#
            )
        );
        let payment = request(&server, Kind::Payment, "ses_1", "a..b.c.d").idempotent(Some("k-1".into()));
        assert_eq!(payment.url, "https://shop.example/pay/v1/payments");
        assert_eq!(payment.headers.last(), Some(&("idempotency-key", "k-1".into())));
    }
}
