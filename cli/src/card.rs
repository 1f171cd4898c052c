//! The card: on standard input, asked for without an echo, or a published test card. Never an argument.

use std::io::IsTerminal;
use std::path::Path;

use cardseal::card::{CardInput, Secret};
use serde_json::Value;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::Result;
use crate::args::TestCard;
use crate::output::Failure;
use crate::read;

/// Shown in GreenPay's own article.
pub(crate) const TEST_VISA: &str = "4242424242424242";
const TEST_MASTERCARD: &str = "5555555555554444";
const TEST_AMEX: &str = "378282246310005";

/// The card that is to be packed.
pub(crate) fn input(test_card: Option<TestCard>) -> Result<CardInput> {
    if let Some(card) = test_card {
        return Ok(published(card));
    }
    if std::io::stdin().is_terminal() {
        return asked();
    }
    let text = read::text(Path::new("-"))?;
    let card: Value = serde_json::from_str(&text).map_err(|_| {
        Failure::usage("the card on standard input is not JSON; see --test-card for another way")
    })?;
    let member = |name: &str| match card.get(name) {
        Some(Value::String(text)) => Ok(Secret::new(text.clone())),
        None | Some(Value::Null) => Ok(Secret::default()),
        Some(_) => Err(Failure::usage(format!("the card's {name} must be text"))),
    };
    Ok(CardInput {
        number: member("number")?,
        expiry: member("expiry")?,
        cvc: member("cvc")?,
        holder: member("holder")?,
        nickname: card.get("nickname").map(|_| member("nickname")).transpose()?,
    })
}

fn published(card: TestCard) -> CardInput {
    let (number, cvc) = match card {
        TestCard::Visa => (TEST_VISA, "123"),
        TestCard::Mastercard => (TEST_MASTERCARD, "123"),
        TestCard::Amex => (TEST_AMEX, "1234"),
    };
    CardInput {
        number: number.into(),
        expiry: Secret::new(format!("12/{}", OffsetDateTime::now_utc().year() + 3)),
        cvc: cvc.into(),
        holder: "Test Card".into(),
        nickname: Some("Test card".into()),
    }
}

/// Asks on the terminal. Nothing of it is shown.
fn asked() -> Result<CardInput> {
    let ask = |prompt: &str| {
        let text = rpassword::prompt_password(prompt).map(Zeroizing::new);
        let text = text.map_err(|_| Failure::usage("the terminal cannot be asked for a card"))?;
        Ok::<_, Failure>(Secret::from(text.as_str()))
    };
    Ok(CardInput {
        number: ask("Card number (not shown): ")?,
        expiry: ask("Expiry, MM/YY (not shown): ")?,
        cvc: ask("Security code (not shown): ")?,
        holder: ask("Name on the card (not shown): ")?,
        nickname: Some(ask("Nickname, may be empty (not shown): ")?),
    })
}
