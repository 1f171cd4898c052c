//! Access tokens: `POST /accesstoken`, and what an application may do.

use serde_json::Value;
use sha2::{Digest, Sha512};
use time::{Duration, OffsetDateTime};

use super::book::Token;
use super::fields::Fields;
use super::refusal::Refusal;
use super::wire::{AccessToken, Account, Scope};
use super::{Answer, GpApi, Ledger, alphanumerics, timestamp};
use crate::StartError;
use crate::host::Secrets;

/// How long a token lives that was asked for without saying so.
const DEFAULT_SECONDS: i64 = 86_399;

const INTERVALS: [(&str, i64); 9] = [
    ("5_MINUTES", 5 * 60),
    ("10_MINUTES", 10 * 60),
    ("30_MINUTES", 30 * 60),
    ("1_HOUR", 3600),
    ("3_HOURS", 3 * 3600),
    ("6_HOURS", 6 * 3600),
    ("12_HOURS", 12 * 3600),
    ("DAY", 24 * 3600),
    ("WEEK", 7 * 24 * 3600),
];

/// What the account for transactions permits.
const TRANSACTION_PERMISSIONS: [&str; 28] = [
    "TRN_POST_Authorize",
    "TRN_POST_Capture",
    "TRN_POST_Capture_Multiple",
    "TRN_POST_Refund",
    "TRN_POST_Refund_Standalone",
    "TRN_POST_Reverse",
    "TRN_POST_Adjust",
    "TRN_POST_Reauthorize",
    "TRN_POST_Confirm",
    "TRN_POST_Initiate",
    "TRN_GET_List",
    "TRN_GET_Single",
    "VER_POST_Verify",
    "AUT_POST_Check_Availability",
    "AUT_POST_Initiate",
    "AUT_POST_Results",
    "CCS_POST_DCC",
    "LNK_POST_Create",
    "LNK_GET_List",
    "LNK_GET_Single",
    "LNK_PATCH_Edit",
    "ACC_GET_List",
    "ACC_GET_Single",
    "ACT_GET_List",
    "ACT_GET_Single",
    "ACT_POST_Multiple",
    "INS_POST_Query",
    "BIN_GET_Details",
];

/// And the one for tokenization.
const TOKENIZATION_PERMISSIONS: [&str; 7] = [
    "PMT_POST_Create",
    "PMT_POST_Create_Single",
    "PMT_POST_Detokenize",
    "PMT_POST_Search",
    "PMT_GET_List",
    "PMT_GET_Single",
    "PMT_PATCH_Edit",
];

/// The account for what was settled. Of these names and those below only `TRN_GET_List_Funded` and `DIS_POST_Accept`
/// were seen.
const DATA_PERMISSIONS: [&str; 5] = [
    "TRN_GET_List_Funded",
    "DEP_GET_List",
    "DEP_GET_Single",
    "DIS_GET_List_Funded",
    "DIS_GET_Single_Funded",
];

/// The one for disputes.
const DISPUTE_PERMISSIONS: [&str; 4] = [
    "DIS_GET_List",
    "DIS_GET_Single",
    "DIS_POST_Accept",
    "DIS_POST_Challenge",
];

/// And the one for the assessment of risks, which is not played.
const RISK_PERMISSIONS: [&str; 1] = ["RAS_POST_Create"];

/// The merchant's application.
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) name: &'static str,
    pub(crate) merchant_id: String,
    pub(crate) merchant_name: &'static str,
    /// Each with all that can be permitted.
    pub(crate) accounts: [Account; 5],
}

impl App {
    pub(crate) fn make(secrets: Secrets) -> Result<Self, StartError> {
        let id =
            |prefix: &str| -> Result<String, StartError> { Ok(format!("{prefix}_{}", secrets.hex(prefix)?)) };
        let account =
            |prefix: &str, name: &'static str, permissions: &[&'static str]| -> Result<Account, StartError> {
                Ok(Account {
                    id: id(prefix)?,
                    name,
                    permissions: permissions.to_vec(),
                })
            };
        Ok(Self {
            id: secrets.hex("app")?,
            key: secrets.hex("app key")?.split_off(16),
            name: "cardseal_sandbox",
            merchant_id: id("MER")?,
            merchant_name: "Sandbox_merchant",
            accounts: [
                account("TRA", "transaction_processing", &TRANSACTION_PERMISSIONS)?,
                account("TKA", "tokenization", &TOKENIZATION_PERMISSIONS)?,
                account("DAA", "settlement_reporting", &DATA_PERMISSIONS)?,
                account("DIA", "dispute_management", &DISPUTE_PERMISSIONS)?,
                account("RAA", "EOS_RiskAssessment", &RISK_PERMISSIONS)?,
            ],
        })
    }

    /// Every account with what it permits of the given; all of it if none are.
    fn scope(&self, wanted: Option<&[&str]>) -> Result<Vec<Account>, Refusal> {
        let Some(wanted) = wanted else {
            return Ok(self.accounts.to_vec());
        };
        let known = |name: &&str| {
            self.accounts
                .iter()
                .any(|account| account.permissions.contains(name))
        };
        // An empty list would be a token for nothing; what the platform makes of it is not known.
        if wanted.is_empty() || !wanted.iter().all(known) {
            return Err(Refusal::invalid_permissions());
        }
        let narrowed = self.accounts.iter().cloned().map(|mut account| {
            account
                .permissions
                .retain(|permission| wanted.contains(permission));
            account
        });
        Ok(narrowed
            .filter(|account| !account.permissions.is_empty())
            .collect())
    }
}

/// Lower-case hex of SHA-512 over two texts: the secret of a token request, and the signature of a
/// notification. Not taken from the library, which is to be checked by it.
pub(crate) fn sha512_hex(first: &[u8], second: &str) -> String {
    hex::encode(Sha512::new().chain_update(first).chain_update(second).finalize())
}

impl GpApi {
    pub(crate) fn make_token(&self, ledger: &mut Ledger, fields: &Fields, now: OffsetDateTime) -> Answer {
        let app_id = fields.needed("app_id")?;
        let nonce = fields.needed("nonce")?;
        let secret = fields.needed("secret")?;
        fields.needed("grant_type")?;
        fields.one_of("grant_type", &["client_credentials"])?;
        let seconds = lifetime(fields)?;
        let restricted = fields.one_of("restricted_token", &["YES", "NO"])? == Some("YES");
        let permissions = permissions(fields)?;
        if app_id != self.app.id {
            return Err(Refusal::wrong_credentials("App credentials not recognized"));
        }
        if secret != sha512_hex(nonce.as_bytes(), &self.app.key) {
            return Err(Refusal::wrong_credentials(
                "Credentials not recognized to create access token.",
            ));
        }
        let accounts = self.app.scope(permissions.as_deref())?;
        let token = alphanumerics(28);
        let answer = AccessToken {
            token: &token,
            kind: "Bearer",
            scope: Scope {
                merchant_id: &self.app.merchant_id,
                merchant_name: self.app.merchant_name,
                accounts: &accounts,
            },
            app_id: &self.app.id,
            app_name: self.app.name,
            time_created: timestamp(now),
            seconds_to_expire: seconds,
        };
        let answer = serde_json::to_value(answer).unwrap_or_default();
        ledger.book.add_token(
            token,
            Token {
                accounts,
                narrowed: permissions.is_some(),
                restricted,
                expires_at: now + Duration::seconds(seconds),
            },
        );
        Ok(answer)
    }

    /// The account of a call: by name, by id, or by both, which then have to agree. `prefix` tells the kind.
    /// Nothing if the call names none.
    pub(crate) fn account<'a>(
        &'a self,
        fields: &Fields,
        token: &Token,
        prefix: &str,
    ) -> Result<Option<&'a Account>, Refusal> {
        let (name, id) = (fields.text("account_name")?, fields.text("account_id")?);
        if name.is_none() && id.is_none() {
            return Ok(None);
        }
        let reachable = |account: &&Account| token.accounts.iter().any(|other| other.id == account.id);
        self.app
            .accounts
            .iter()
            .filter(reachable)
            .find(|account| {
                account.id.starts_with(prefix)
                    && name.is_none_or(|name| name == account.name)
                    && id.is_none_or(|id| id == account.id)
            })
            .map(Some)
            .ok_or_else(Refusal::wrong_account)
    }
}

/// Seconds win over the interval where both are given; which one does at the platform is not known.
fn lifetime(fields: &Fields) -> Result<i64, Refusal> {
    let words = INTERVALS.map(|(word, _)| word);
    let interval = fields.one_of("interval_to_expire", &words)?;
    if let Some(given) = fields.at("seconds_to_expire") {
        return given
            .as_i64()
            .filter(|seconds| (60..=604_800).contains(seconds))
            .ok_or_else(|| Refusal::unexpected("seconds_to_expire"));
    }
    Ok(interval
        .and_then(|word| INTERVALS.iter().find(|(other, _)| *other == word))
        .map_or(DEFAULT_SECONDS, |(_, seconds)| *seconds))
}

fn permissions(fields: &Fields) -> Result<Option<Vec<&str>>, Refusal> {
    let Some(given) = fields.at("permissions") else {
        return Ok(None);
    };
    let names: Option<Vec<&str>> = given
        .as_array()
        .and_then(|names| names.iter().map(Value::as_str).collect());
    names.map(Some).ok_or_else(|| Refusal::unexpected("permissions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "exampleAppKey123";

    #[test]
    fn hashes_the_vectors() {
        for (nonce, secret) in [
            (
                "0123456789abcdef0123456789abcdef",
                "a98bee34da9d0815d5a33c23971435df92199b9c191b2bb2c2964cdd3ff620ca3d94f2f81c90ee4f13b8f743477b38641b2e309ca26a4520f11a4e6255a0d169",
            ),
            (
                "2026-01-02T03:04:05.678Z",
                "93d93b9924dbf28565d62673d9908a8c6ec5cc815ae3d3a8767b7566a14da14b3307a8ed3cdbdb39791cb5009dbea70f3b4eb0445bb126657b6c8addb567f99f",
            ),
        ] {
            assert_eq!(sha512_hex(nonce.as_bytes(), KEY), secret);
        }
    }

    #[test]
    fn signs_the_vectors() {
        for (payload, signature) in [
            (
                r#"{"id":"TRN_abc","status":"CAPTURED","amount":"1999"}"#,
                "03ef302063828a1f645b7af729ab38878d2d1500709f272cabcc8ec6fe84b81b5e1da3f0244ac299e18bcd259ed6973b789d43606175e94ec7e2a129e4c1f8e8",
            ),
            (
                "id=TRN_abc&status=CAPTURED",
                "c45bb59b0f2234d4d9751f88a1c283b81f6697e7dadb1bce1c12a3acb0b674751df72ba5056d653428132ec2f70e2d6f4317799e74588ddbbab65de9514eb995",
            ),
        ] {
            assert_eq!(sha512_hex(payload.as_bytes(), KEY), signature);
        }
    }

    #[test]
    fn narrows_the_scope_to_what_was_asked_for() {
        let app = App::make(Secrets::new("gp_api", None)).unwrap();
        let kinds: Vec<_> = app
            .scope(None)
            .unwrap()
            .iter()
            .map(|account| account.id[..4].to_owned())
            .collect();
        assert_eq!(kinds, ["TRA_", "TKA_", "DAA_", "DIA_", "RAA_"]);
        let scope = app.scope(Some(&["PMT_POST_Create_Single"])).unwrap();
        assert_eq!(scope.len(), 1);
        assert!(scope[0].id.starts_with("TKA_"));
        assert_eq!(scope[0].permissions, ["PMT_POST_Create_Single"]);
        for wrong in [&["PMT_POST_Create_Single", "PMT_DELETE"][..], &[]] {
            assert_eq!(app.scope(Some(wrong)), Err(Refusal::invalid_permissions()));
        }
    }
}
