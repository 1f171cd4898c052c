//! `/payment-methods`: cards become ids here.

use serde_json::Value;
use time::Duration;

use super::book::{MethodState, PaymentMethod, Resource, Token};
use super::cards::{
    FINGERPRINT_PRESENCE, check_expiry, fingerprint, is_method_id, masked, new_method_id, wants_fingerprint,
};
use super::lists::{List, METHOD_ORDERS, Page};
use super::refusal::Refusal;
use super::wire::{self, Action, PaymentMethodCard};
use super::{Answer, Call, GpApi, Ledger, alphanumerics, timestamp};

/// What `usage_mode` can be.
pub(crate) const USAGE_MODES: [&str; 4] = ["SINGLE", "MULTIPLE", "USE_CARD_NUMBER", "USE_NETWORK_TOKEN"];

/// Names the platform's things in its refusals.
const NAME: &str = "PAYMENT_METHODS";
const PATH: &str = "payment-methods";

/// How a card is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// As when it was made.
    Created,
    /// As when it is read: the masked number has another name, and there is no `usage_mode`.
    Read,
}

impl GpApi {
    pub(crate) fn create_method(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        // Who leaves it out gets a lasting one.
        let usage_mode = fields.one_of("usage_mode", &USAGE_MODES)?.unwrap_or("MULTIPLE");
        // The platform's own page asks for a network token with a token that may create single-use payment
        // methods only. What it gets then is taken to be for single use as well.
        let single = match usage_mode {
            "SINGLE" => true,
            "USE_NETWORK_TOKEN" => !call.token.may("PMT_POST_Create"),
            _ => false,
        };
        let network_token = usage_mode == "USE_NETWORK_TOKEN";
        if (!single && !call.token.may("PMT_POST_Create"))
            || (network_token && !ledger.settings.network_tokens)
        {
            return Err(Refusal::not_permitted());
        }
        let mut card = self.read_card(fields, "card", call.now)?;
        // A security code lives as long as a single use.
        card.code_sent &= single;
        let print = wants_fingerprint(fields, "fingerprint_mode")?.then(|| fingerprint(&card));
        // With one account for it the name is not needed.
        self.account(fields, &call.token, "TKA_")?;
        let life = Duration::minutes(ledger.settings.single_use_minutes.into());
        let method = PaymentMethod {
            id: new_method_id(),
            card,
            name: fields.text("name")?.map(str::to_owned),
            reference: fields.text("reference")?.unwrap_or_default().into(),
            usage_mode,
            status: MethodState::Active,
            until: single.then(|| call.now + life),
            created_at: call.now,
            updated_at: call.now,
        };
        let mut answer = self.method_answer(&method, call, View::Created, "PAYMENT_METHOD_CREATE");
        if let (Some(fields), Some(print)) = (answer.as_object_mut(), print) {
            fields.insert("fingerprint".into(), print.into());
            fields.insert(
                "fingerprint_presence_indicator".into(),
                FINGERPRINT_PRESENCE.into(),
            );
        }
        ledger
            .book
            .remember_key(Resource::PaymentMethod, call.key, &method.id);
        ledger.book.add_payment_method(method);
        Ok(answer)
    }

    pub(crate) fn read_method(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let method = Self::method(ledger, call)
            // What was used up is as good as gone.
            .filter(|method| method.state(call.now) != MethodState::Inactive)
            .ok_or_else(|| Self::no_method(call, Refusal::nothing_to_read(NAME, PATH, &call.id)))?;
        Ok(self.method_answer(method, call, View::Read, "PAYMENT_METHOD_SINGLE"))
    }

    pub(crate) fn edit_method(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        // An empty date is what official clients send for none.
        if ![
            "usage_mode",
            "name",
            "card.number",
            "card.expiry_month",
            "card.expiry_year",
        ]
        .iter()
        .any(|name| fields.at(name).is_some())
        {
            return Err(Refusal::nothing_to_change());
        }
        let usage_mode = fields.one_of("usage_mode", &USAGE_MODES)?;
        if usage_mode == Some("SINGLE") {
            return Err(Refusal::only_multi());
        }
        let gone = || Self::no_method(call, Refusal::no_payment_method(&call.id));
        let old = Self::method(ledger, call)
            .filter(|method| method.state(call.now) == MethodState::Active)
            .cloned()
            .ok_or_else(gone)?;
        let mut card = old.card.clone();
        let month = fields
            .text("card.expiry_month")?
            .unwrap_or(&card.expiry_month)
            .to_owned();
        let year = fields
            .text("card.expiry_year")?
            .unwrap_or(&card.expiry_year)
            .to_owned();
        if let Some(number) = fields.text("card.number")? {
            card = self.facts(number, &month, &year)?;
        }
        card.expiry_month = month;
        card.expiry_year = year;
        if fields.at("card").is_some() {
            check_expiry(&card, call.now)?;
        }
        let name = fields
            .text("name")?
            .map(str::to_owned)
            .or_else(|| old.name.clone());
        let method = Self::method(ledger, call).ok_or_else(gone)?;
        method.card = card;
        method.name = name;
        method.updated_at = call.now;
        if let Some(usage_mode) = usage_mode {
            method.usage_mode = usage_mode;
            method.until = None;
            method.card.code_sent = false;
        }
        let method = method.clone();
        ledger
            .book
            .remember_key(Resource::PaymentMethod, call.key, &method.id);
        Ok(self.method_answer(&method, call, View::Created, "PAYMENT_METHOD_EDIT"))
    }

    pub(crate) fn delete_method(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let method = Self::method(ledger, call)
            .filter(|method| method.state(call.now) == MethodState::Active)
            .ok_or_else(|| Self::no_method(call, Refusal::no_payment_method(&call.id)))?;
        method.status = MethodState::Deleted;
        method.updated_at = call.now;
        let method = method.clone();
        ledger
            .book
            .remember_key(Resource::PaymentMethod, call.key, &method.id);
        Ok(self.method_answer(&method, call, View::Created, "PAYMENT_METHOD_DELETE"))
    }

    pub(crate) fn list_methods(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let list = List::read(&call.query()?, call.now, &METHOD_ORDERS)?;
        let kept = ledger.book.payment_methods().iter().filter(|method| {
            let status = method.state(call.now);
            // What was used up or has become too old is not listed.
            status != MethodState::Inactive
                && list.covers(method.created_at)
                && list.within("time_last_updated", &timestamp(method.updated_at))
                && list.matches("id", &method.id)
                && list.matches("reference", &method.reference)
                && list.matches("number_last4", &method.card.last4)
                && list.matches("status", status_word(status))
        });
        let kept: Vec<_> = kept.collect();
        Ok(self.methods_answer(&kept, &list, call, "PAYMENT_METHOD_LIST"))
    }

    pub(crate) fn search_methods(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let fields = &call.fields;
        let digest = fields.text("card.number")?.map(|number| self.digest(number));
        let reference = fields.text("reference")?;
        if fields.at("card").is_some() && digest.is_none() {
            return Err(Refusal::missing(": number"));
        }
        if digest.is_none() && reference.is_none() {
            return Err(Refusal::missing_one_of("reference,card"));
        }
        self.account(fields, &call.token, "TKA_")?;
        let kept = ledger.book.payment_methods().iter().filter(|method| {
            method.state(call.now) == MethodState::Active
                && digest.is_none_or(|digest| digest == method.card.digest)
                && reference.is_none_or(|reference| reference == method.reference)
        });
        let kept: Vec<_> = kept.collect();
        let list = List::read(&[], call.now, &METHOD_ORDERS)?;
        Ok(self.methods_answer(&kept, &list, call, "PAYMENT_METHOD_SEARCH"))
    }

    fn methods_answer(
        &self,
        kept: &[&PaymentMethod],
        list: &List,
        call: &Call<'_>,
        action: &'static str,
    ) -> Value {
        let Page { total, items } = list.page(kept);
        let items: Vec<Value> = items
            .iter()
            .map(|method| {
                let whole = self.method_answer(method, call, View::Read, action);
                ["id", "time_created", "status", "reference", "card"]
                    .iter()
                    .filter_map(|name| Some(((*name).to_owned(), whole.get(name)?.clone())))
                    .collect()
            })
            .collect();
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("TKA_"));
        list.answer(&self.app, account, total, "payment_methods", items, action)
    }

    fn method<'a>(ledger: &'a mut Ledger, call: &Call<'_>) -> Option<&'a mut PaymentMethod> {
        ledger.book.payment_method(&call.id)
    }

    /// An id of the wrong form is told apart from one that is not there.
    fn no_method(call: &Call<'_>, not_there: Refusal) -> Refusal {
        if is_method_id(&call.id) {
            not_there
        } else {
            Refusal::unexpected(&format!("payment_method.id: {}", call.id))
        }
    }

    fn method_answer(&self, method: &PaymentMethod, call: &Call<'_>, view: View, action: &str) -> Value {
        let account = self
            .app
            .accounts
            .iter()
            .find(|account| account.id.starts_with("TKA_"));
        let hide = |text: &str| hidden(text, &call.token);
        let made = view == View::Created;
        let number = masked(&method.card);
        let answer = wire::PaymentMethod {
            id: &method.id,
            time_created: timestamp(method.created_at),
            status: status_word(method.state(call.now)),
            usage_mode: made.then_some(method.usage_mode),
            merchant_id: hide(&self.app.merchant_id),
            merchant_name: hide(self.app.merchant_name),
            account_id: account.map(|account| hide(&account.id)),
            account_name: account.map(|account| hide(account.name)),
            reference: &method.reference,
            name: method.name.as_deref(),
            card: PaymentMethodCard {
                masked_number_last4: made.then(|| number.clone()),
                number_last4: (!made).then(|| number.to_lowercase()),
                brand: method.card.brand,
                expiry_month: &method.card.expiry_month,
                expiry_year: &method.card.expiry_year,
            },
            action: Action {
                id: format!("ACT_{}", alphanumerics(30)),
                kind: action,
                time_created: timestamp(call.now),
                result_code: "SUCCESS",
                app_id: hide(&self.app.id),
                app_name: hide(self.app.name),
            },
        };
        serde_json::to_value(answer).unwrap_or_default()
    }
}

const fn status_word(status: MethodState) -> &'static str {
    match status {
        MethodState::Active => "ACTIVE",
        MethodState::Inactive => "INACTIVE",
        MethodState::Deleted => "DELETED",
    }
}

/// What a restricted token shows of account, merchant and application: the prefix of an id, and no more. Only
/// the form of `account_id` was seen.
fn hidden(text: &str, token: &Token) -> String {
    if !token.restricted {
        return text.into();
    }
    let kept = match text.as_bytes() {
        [a, b, c, b'_', ..] if [a, b, c].iter().all(|byte| byte.is_ascii_uppercase()) => 4,
        _ => 0,
    };
    text.chars()
        .enumerate()
        .map(|(index, letter)| if index < kept { letter } else { 'X' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_all_but_the_prefix() {
        let mut token = Token {
            accounts: Vec::new(),
            narrowed: true,
            restricted: true,
            expires_at: time::OffsetDateTime::UNIX_EPOCH,
        };
        assert_eq!(hidden("TKA_1a", &token), "TKA_XX");
        assert_eq!(hidden("tokenization", &token), "XXXXXXXXXXXX");
        token.restricted = false;
        assert_eq!(hidden("TKA_1a", &token), "TKA_1a");
    }
}
