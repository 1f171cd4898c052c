//! `GreenPay` of `index.d.ts`, but for sending.

use super::wire::{PaymentAnswer, TokenAnswer};
use super::{
    Counter, GreenPay, Hosts, Outcome, PAYMENT_RULES, Packed, Payload, Payment, SESSION_MS, TOKEN_RULES,
    Target, Verb, Verified, read_payment, read_token,
};
use crate::boundary::{
    Call, Client, Own, Token, base_url, card, fresh, id, moment, optional_bool, optional_text,
    server_session, session_text, status, unreadable, visible, write_request,
};
use crate::crypto::public_key::PublicKey;
use crate::error::{Code, Error};
use crate::json::{Json, Value};
use crate::platform::Platform;
use crate::prelude::*;
use crate::random::Random;
use crate::session::{Kind, Mode};

/// The parsed key and where requests go.
struct Core {
    greenpay: GreenPay,
    hosts: Hosts,
    server: String,
    signature_required: bool,
}

/// From the options object; the facts about the key go back to the page.
pub(crate) fn open(options: &Value) -> Result<(Box<dyn Client>, Json), Error> {
    let key = optional_text(options.get("publicKey"), "publicKey")?.ok_or(Code::KeyMissing)?;
    let environment = options.get("environment");
    let hosts = match environment.as_text() {
        None if environment.is_null() => Hosts::Sandbox,
        Some("sandbox") => Hosts::Sandbox,
        Some("production") => Hosts::Production,
        Some(_) => return Err(Error::new(Code::OptionInvalid).at("environment")),
        None => {
            let url = optional_text(environment.get("checkout"), "checkout")?;
            Hosts::Custom(base_url(url.unwrap_or_default(), false, "environment")?)
        }
    };
    let signature_required = match optional_text(options.get("signature"), "signature")? {
        None | Some("required") => true,
        Some("warn") => false,
        Some(_) => return Err(Error::new(Code::OptionInvalid).at("signature")),
    };
    let key = PublicKey::parse(key)?;
    let server = optional_text(options.get("server"), "server")?.unwrap_or_default();
    let mut facts = Json::with_capacity(64);
    facts
        .raw("{\"bits\":")
        .integer(u32::try_from(key.bits()).unwrap_or_default());
    facts.raw(if key.is_short() {
        ",\"isShort\":true}"
    } else {
        ",\"isShort\":false}"
    });
    let core = Core {
        greenpay: GreenPay::new(key),
        hosts,
        server: base_url(server, true, "server")?,
        signature_required,
    };
    Ok((Box::new(core), facts))
}

impl Client for Core {
    fn call(&self, call: &Call<'_>, random: &mut dyn Random) -> Result<Json, Error> {
        match call.name {
            "pack" => self.pack(call, random),
            "tokenizeRequest" => self.request(call, Kind::Tokenize, random),
            "updateTokenRequest" => self.request(call, Kind::Update, random),
            "payRequest" => self.request(call, Kind::Payment, random),
            "readToken" => self.read_token(call),
            "readPayment" => self.read_payment(call),
            _ => Err(Code::TypeInvalid.into()),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Extras<'a> {
    token: Option<&'a str>,
    kount: Option<&'a str>,
    tokenize: bool,
}

impl Core {
    /// Encrypts what the first argument holds: a card, and `token`, `tokenize` or `kountSession`.
    fn pack(&self, call: &Call<'_>, random: &mut dyn Random) -> Result<Json, Error> {
        let input = call.argument(0);
        let token = optional_text(input.get("token"), "token")?
            .map(|token| id(token, "token"))
            .transpose()?;
        let kount = visible(input, "kountSession")?;
        let tokenize = optional_bool(input.get("tokenize"), "tokenize")?;
        let verb = match (token, kount, tokenize) {
            (Some(_), None, None) => Verb::UpdateToken,
            (Some(_), _, _) => return Err(Error::new(Code::OptionInvalid).at("token")),
            (None, None, None) => Verb::Tokenize,
            (None, kount, _) => Verb::Pay {
                kount: kount.is_some(),
            },
        };
        let extras = Extras {
            token,
            kount,
            tokenize: tokenize.unwrap_or(false),
        };
        let packed = self.seal(
            verb,
            input.get("card"),
            extras,
            call.argument(1),
            call.now,
            random,
        )?;
        let mut json = Json::with_capacity(32 + packed.ld.len() + packed.lk.len());
        json.raw("{\"ld\":")
            .text(&packed.ld)
            .raw(",\"lk\":")
            .text(&packed.lk)
            .raw("}");
        Ok(json)
    }

    /// `session, card, options` to the request of one kind.
    fn request(&self, call: &Call<'_>, kind: Kind, random: &mut dyn Random) -> Result<Json, Error> {
        let (session, options) = (call.argument(0), call.argument(2));
        let target = self.target(session, kind, options, call.now)?;
        let (verb, extras) = match kind {
            Kind::Tokenize => (Verb::Tokenize, Extras::default()),
            Kind::Update => {
                let given = optional_text(options.get("token"), "token")?;
                let token = given.or(optional_text(session.get("card_token"), "card_token")?);
                let token = id(
                    token.ok_or_else(|| Error::new(Code::OptionInvalid).at("token"))?,
                    "token",
                )?;
                let extras = Extras {
                    token: Some(token),
                    ..Extras::default()
                };
                (Verb::UpdateToken, extras)
            }
            Kind::Payment => {
                let kount = visible(options, "kountSession")?;
                let tokenize = optional_bool(options.get("tokenize"), "tokenize")?.unwrap_or(false);
                let verb = Verb::Pay {
                    kount: kount.is_some(),
                };
                let extras = Extras {
                    token: None,
                    kount,
                    tokenize,
                };
                (verb, extras)
            }
        };
        let packed = self.seal(verb, call.argument(1), extras, options, call.now, random)?;
        Ok(write_request(&verb.request(&target, &packed)))
    }

    /// Recognises the session and checks its age, before anything is encrypted.
    fn target(&self, session: &Value, kind: Kind, options: &Value, now: f64) -> Result<Target, Error> {
        let own = server_session(session, Platform::GreenPay, kind, now)?;
        if let Some(created) = moment(session, "created_at")? {
            fresh(created + SESSION_MS, now)?;
        }
        Ok(match own {
            Some(Own {
                id: own,
                mode: Mode::Relay,
            }) => Target::Relay {
                server: self.server.clone(),
                session: id(own, "id")?.into(),
                idempotency_key: visible(options, "idempotencyKey")?.map(Into::into),
            },
            _ => Target::Direct {
                hosts: match optional_text(session.get("checkout_url"), "checkout_url")? {
                    Some(url) => Hosts::Custom(base_url(url, false, "checkout_url")?),
                    None => self.hosts.clone(),
                },
                session: id(session_text(session, "session")?, "session")?.into(),
                token: id(session_text(session, "token")?, "token")?.into(),
            },
        })
    }

    fn seal(
        &self,
        verb: Verb,
        given: &Value,
        extras: Extras<'_>,
        options: &Value,
        now: f64,
        random: &mut dyn Random,
    ) -> Result<Packed, Error> {
        let counter = match optional_text(options.get("counter"), "counter")? {
            None | Some("byte") => Counter::Byte,
            Some("integer") => Counter::Integer,
            Some("block") => Counter::Block,
            Some(_) => return Err(Error::new(Code::OptionInvalid).at("counter")),
        };
        let rules = if matches!(verb, Verb::Pay { .. }) && !extras.tokenize {
            PAYMENT_RULES
        } else {
            TOKEN_RULES
        };
        let card = card(given, &rules, now)?;
        let payload = match (verb, extras.token) {
            (Verb::UpdateToken, Some(token)) => Payload::UpdateToken(&card, token),
            (Verb::Tokenize | Verb::UpdateToken, _) => Payload::NewToken(&card),
            (Verb::Pay { .. }, _) => Payload::Payment {
                card: &card,
                tokenize: extras.tokenize,
                kount_session: extras.kount,
            },
        };
        self.greenpay.pack(payload, counter, random)
    }

    /// The platform's answer to a direct `tokenize` or `updateToken`.
    fn read_token(&self, call: &Call<'_>) -> Result<Json, Error> {
        let status = status(call.argument(0))?;
        let answer = TokenAnswer::read(call.argument(1)).ok_or_else(|| unreadable(status))?;
        let token = read_token(self.greenpay.key(), status, &answer)?;
        if self.signature_required && !token.signature.verified {
            return Err(Error::new(Code::SignatureInvalid).with_status(status));
        }
        let shown = Token {
            id: &token.token,
            brand: token.brand.as_deref(),
            bin: token.bin.as_deref(),
            last4: token.last4.as_deref(),
            expiry: token.expiry,
            holder: token.holder.as_deref(),
            nickname: token.nickname.as_deref(),
        };
        let mut json = shown.write(Platform::GreenPay);
        write_verified(&mut json, &token.signature);
        json.raw("}");
        Ok(json)
    }

    /// The platform's answer to a direct `pay`; what cannot be read says nothing.
    fn read_payment(&self, call: &Call<'_>) -> Result<Json, Error> {
        let status = status(call.argument(0))?;
        let answer = PaymentAnswer::read(call.argument(1));
        let payment = answer
            .map(|answer| read_payment(self.greenpay.key(), status, &answer))
            .transpose()?;
        Ok(write_payment(payment.as_ref()))
    }
}

fn write_verified(json: &mut Json, signature: &Verified) {
    json.raw(if signature.verified {
        "{\"verified\":true"
    } else {
        "{\"verified\":false"
    });
    json.raw(",\"signedFields\":");
    json.list(&signature.signed_fields, |json, field| {
        json.text(field);
    });
    json.raw("}");
}

/// `PaymentOutcome` of `index.d.ts`, but for `raw`.
fn write_payment(payment: Option<&Payment>) -> Json {
    let outcome = payment.map_or(Outcome::Unknown, |payment| payment.outcome);
    let text = |pick: fn(&Payment) -> &Option<String>| payment.and_then(|payment| pick(payment).as_deref());
    let mut json = Json::with_capacity(512);
    json.raw("{\"id\":null,\"platform\":")
        .text(Platform::GreenPay.id());
    json.raw(",\"status\":").text(outcome.as_str());
    json.raw(",\"orderReference\":")
        .optional(text(|payment| &payment.order_reference));
    json.raw(",\"authorization\":")
        .optional(text(|payment| &payment.authorization));
    json.raw(",\"brand\":").optional(text(|payment| &payment.brand));
    json.raw(",\"last4\":").optional(text(|payment| &payment.last4));
    json.raw(",\"decline\":");
    match payment.and_then(|payment| payment.decline.as_ref()) {
        Some(decline) => {
            json.raw("{\"code\":").optional(decline.code.as_deref());
            json.raw(",\"reason\":").text(decline.reason);
            json.raw(",\"message\":").text(&decline.message).raw("}");
        }
        None => {
            json.raw("null");
        }
    }
    json.raw(",\"signature\":");
    match payment {
        Some(payment) => write_verified(&mut json, &payment.signature),
        None => {
            json.raw("null");
        }
    }
    json.raw("}");
    json
}
