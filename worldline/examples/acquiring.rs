//! Pings Worldline Acquiring, then looks up a payment with its operations.
//!
//! ```sh
//! cargo run -p cardseal-worldline --example acquiring -- https://api.preprod.acquiring.worldline-solutions.com \
//!     TOKEN_URI CLIENT_ID CLIENT_SECRET ACQUIRER_ID MERCHANT_ID [PAYMENT_ID]
//! ```

use std::error::Error;

use cardseal_worldline::acquiring::client::{Client, Configuration};
use cardseal_worldline::acquiring::errors;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for the command line")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, token_uri, id, secret, acquirer, merchant, payment @ ..] = arguments.as_slice() else {
        return Err(
            "arguments: URL TOKEN_URI CLIENT_ID CLIENT_SECRET ACQUIRER_ID MERCHANT_ID [PAYMENT_ID]".into(),
        );
    };
    let configuration = Configuration::new(base, "Example", token_uri, id, secret.clone().into())?;
    let client = Client::new(configuration.communicator()?.build());
    client.ping().await?;
    println!("connected");

    if let Some(payment) = payment.first() {
        let merchant = client.merchant(acquirer, merchant)?;
        match merchant.payments().get(payment, true).await {
            Ok(payment) => {
                println!("status: {}", payment.status.as_deref().unwrap_or("?"));
                for operation in payment.operations.unwrap_or_default() {
                    println!("  {}", operation.operation_type.as_deref().unwrap_or("?"));
                }
            }
            Err(errors::Error::Reference(_)) => println!("payment not found"),
            Err(error) => return Err(error.into()),
        }
    }
    client.close();
    Ok(())
}
