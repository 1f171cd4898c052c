//! `GpApi` of `index.d.ts`, but for sending.

use super::wire::{ErrorBody, PaymentMethod};
use super::{Ask, Hosts, RULES, payment_method_request, read_error, read_payment_method};
use crate::boundary::{
    Call, Client, Token, base_url, card, optional_bool, optional_text, server_session, session_text, status,
    unreadable, write_request,
};
use crate::error::{Code, Error};
use crate::json::{Json, Value};
use crate::platform::Platform;
use crate::prelude::*;
use crate::random::Random;
use crate::session::Kind;

/// Where requests go.
struct Core {
    hosts: Option<Hosts>,
}

/// From the options object.
pub(crate) fn open(options: &Value) -> Result<(Box<dyn Client>, Json), Error> {
    let environment = options.get("environment");
    let hosts = match environment.as_text() {
        None if environment.is_null() => None,
        Some("sandbox") => Some(Hosts::Sandbox),
        Some("production") => Some(Hosts::Production),
        Some("sandbox_eu") => Some(Hosts::SandboxEu),
        Some("production_eu") => Some(Hosts::ProductionEu),
        Some(_) => return Err(Error::new(Code::OptionInvalid).at("environment")),
        None => {
            let url = optional_text(environment.get("base"), "base")?.unwrap_or_default();
            Some(Hosts::Custom(base_url(url, false, "environment")?))
        }
    };
    let mut facts = Json::with_capacity(4);
    facts.raw("{}");
    Ok((Box::new(Core { hosts }), facts))
}

impl Client for Core {
    fn call(&self, call: &Call<'_>, _: &mut dyn Random) -> Result<Json, Error> {
        match call.name {
            "tokenizeRequest" => self.tokenize_request(call),
            "readToken" => read_token(call),
            _ => Err(Code::TypeInvalid.into()),
        }
    }
}

impl Core {
    /// `session, card, options` to the request.
    fn tokenize_request(&self, call: &Call<'_>) -> Result<Json, Error> {
        let (session, options) = (call.argument(0), call.argument(2));
        // A token of the caller's own backend is taken too; its age is the platform's to judge.
        server_session(session, Platform::GpApi, Kind::Tokenize, call.now)?;
        let hosts = match (&self.hosts, optional_text(session.get("base_url"), "base_url")?) {
            (Some(hosts), _) => hosts.clone(),
            (None, Some(url)) => Hosts::Custom(base_url(url, false, "base_url")?),
            (None, None) => return Err(Error::new(Code::OptionInvalid).at("environment")),
        };
        let access_token = session_text(session, "access_token")?;
        if !(1..=4096).contains(&access_token.len()) || !access_token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::new(Code::SessionMalformed).at("access_token"));
        }
        let reference = match optional_text(options.get("reference"), "reference")? {
            Some(reference) => reference,
            None => session_text(session, "reference")?,
        };
        let ask = Ask {
            access_token,
            reference,
            account_name: optional_text(session.get("account_name"), "account_name")?,
            network_token: optional_bool(options.get("useNetworkToken"), "useNetworkToken")?.unwrap_or(false),
        };
        let card = card(call.argument(1), &RULES, call.now)?;
        Ok(write_request(&payment_method_request(&hosts, &ask, &card)))
    }
}

/// The platform's answer to `tokenize`. As the official library has it, the JSON decides and not the status; both
/// count here, so that an error is never taken for a card.
fn read_token(call: &Call<'_>) -> Result<Json, Error> {
    let (status, answer) = (status(call.argument(0))?, call.argument(1));
    if !(200..300).contains(&status) || !answer.get("error_code").is_null() {
        let body = ErrorBody::read(answer).ok_or_else(|| unreadable(status))?;
        return Err(read_error(status, &body));
    }
    let method = PaymentMethod::read(answer).ok_or_else(|| unreadable(status))?;
    let token = read_payment_method(&method).map_err(|error| error.with_status(status))?;
    let shown = Token {
        id: &token.id,
        brand: token.brand.as_deref(),
        last4: token.last4.as_deref(),
        expiry: token.expiry,
        holder: token.holder.as_deref(),
        // Good for one use; the server makes a lasting token of it.
        ..Token::default()
    };
    let mut json = shown.write(Platform::GpApi);
    json.raw("null}");
    Ok(json)
}
