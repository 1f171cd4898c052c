//! Packs a test card with the module's own code, and prints the request as the module builds it.

use cardseal::card::{Card, CardInput};
use cardseal::hosts::BaseUrl;
use cardseal::http::Request;
use cardseal::platform::{Platform, rules};
use cardseal::session::{AccessInput, Kind, SessionInput};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::Result;
use crate::output::{Failure, Outcome};
use crate::read::{self, member};
use crate::{args, card, now_ms, platforms};

pub(crate) fn run(options: &args::Pack) -> Result {
    let platform = options.platform.0;
    let kind = match options.kind {
        args::Kind::Tokenize => Kind::Tokenize,
        args::Kind::Update => Kind::Update,
        args::Kind::Payment => Kind::Payment,
    };
    let session = options
        .session
        .as_deref()
        .map(read::object)
        .transpose()?
        .unwrap_or_default();
    let input = card::input(options.test_card)?;
    let card = checked(&input, platform, kind)?;
    let packer = Packer {
        options,
        kind,
        session,
        card,
    };
    let value = (platforms::of(platform).pack)(&packer)?;
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    Ok(Outcome::new(0, &value, text))
}

fn checked(input: &CardInput, platform: Platform, kind: Kind) -> Result<Card> {
    Card::parse(input, &rules(platform, kind != Kind::Payment), now_ms()).map_err(|error| {
        let problems: Vec<&str> = error.problems().iter().map(|problem| problem.as_str()).collect();
        Failure::wrong(format!("the card is not valid: {}", problems.join(", ")))
    })
}

/// An error of the module, whose text holds nothing of a card.
pub(crate) fn failure(error: &cardseal::Error) -> Failure {
    let field = error
        .field()
        .map(|field| format!(" ({field})"))
        .unwrap_or_default();
    Failure::wrong(format!("{}: {error}{field}", error.code().as_str()))
}

pub(crate) fn written(request: &Request) -> Value {
    serde_json::to_value(request).unwrap_or_default()
}

/// What is packed, and for what.
pub(crate) struct Packer<'a> {
    pub(crate) options: &'a args::Pack,
    pub(crate) kind: Kind,
    pub(crate) session: Map<String, Value>,
    pub(crate) card: Card,
}

impl Packer<'_> {
    pub(crate) fn member(&self, name: &str) -> Option<String> {
        member(&self.session, name)
    }

    pub(crate) fn needed(&self, name: &str) -> Result<String> {
        self.member(name)
            .ok_or_else(|| Failure::usage(format!("the session needs {name}: see --session")))
    }

    /// The members that every session has.
    pub(crate) fn common(&self) -> SessionInput {
        let time = |name: &str| self.session.get(name).and_then(Value::as_f64);
        SessionInput {
            id: self.member("id"),
            platform: self.member("platform"),
            kind: self.member("kind"),
            mode: self.member("mode"),
            created_at: time("created_at"),
            expires_at: time("expires_at"),
        }
    }

    pub(crate) fn access(&self) -> AccessInput {
        AccessInput {
            base_url: self.member("base_url"),
            access_token: self.member("access_token"),
        }
    }

    pub(crate) fn server(&self) -> Result<BaseUrl> {
        BaseUrl::parse_server(&self.options.server)
            .ok_or_else(|| Failure::usage("--server must be https, or http on this machine"))
    }

    pub(crate) fn public_key(&self) -> Result<Zeroizing<String>> {
        let file =
            self.options.public_key.as_deref().ok_or_else(|| {
                Failure::usage("this platform's cards are encrypted: --public-key is needed")
            })?;
        read::text(file)
    }
}
