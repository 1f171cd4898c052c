//! Charges a stored card with Online Payments, then looks up the payment.
//!
//! ```sh
//! cargo run -p cardseal-worldline --example online_payments -- https://payment.preprod.payone.com \
//!     PSPID API_KEY_ID SECRET_API_KEY [TOKEN]
//! ```
//!
//! Without a token, it only tests the connection.

use std::error::Error;

use cardseal_worldline::online_payments::client::{CallContext, Client, Configuration};
use cardseal_worldline::online_payments::domain::{
    AmountOfMoney, CardPaymentMethodSpecificInput, CreatePaymentRequest, Order,
};
use cardseal_worldline::online_payments::errors;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for the command line")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, pspid, key_id, secret, token @ ..] = arguments.as_slice() else {
        return Err("arguments: URL PSPID API_KEY_ID SECRET_API_KEY [TOKEN]".into());
    };
    let configuration = Configuration::new(base, "Example", key_id, secret.clone().into())?;
    let merchant = Client::from_configuration(&configuration)?.merchant(pspid)?;

    let test = merchant.services().test_connection().await?;
    println!("connection: {}", test.result.as_deref().unwrap_or("?"));
    let Some(token) = token.first() else {
        return Ok(());
    };

    let request = CreatePaymentRequest {
        order: Some(Order {
            amount_of_money: Some(AmountOfMoney {
                amount: Some(1999),
                currency_code: Some("EUR".into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        card_payment_method_specific_input: Some(CardPaymentMethodSpecificInput {
            token: Some(token.clone()),
            ..Default::default()
        }),
        ..Default::default()
    };
    // Use the same key to repeat this payment: the platform then returns the first outcome and charges nothing.
    let context = CallContext::with_idempotence_key(&uuid::Uuid::new_v4().to_string())?;
    let payment = match merchant.payments().create(&request, Some(&context)).await {
        Ok(response) => response.payment,
        Err(errors::Error::DeclinedPayment(declined)) => declined.result.payment,
        Err(error) => return Err(error.into()),
    };
    let id = payment
        .and_then(|payment| payment.id)
        .ok_or("the payment has no id")?;
    let payment = merchant.payments().get(&id).await?;
    println!("payment {id}: {}", payment.status.as_deref().unwrap_or("?"));
    Ok(())
}
