//! Seals values before they are written, and opens what was sealed: AES-256-GCM with a key for each row. Why it is as it
//! is says docs/decisions/0014-encryption-at-rest.md.
//!
//! A sealed value is a text: the version's byte, the name of its key, a dot, and nonce, ciphertext and tag in base64url.
//! What rows are found by is in its column as a blind index of the same form, and sealed in a second one.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Result, StoreError};

/// What a sealed value begins with. No text of a caller does: they have no control characters.
const VERSION: char = '\u{1}';
/// What follows it in place of a key's name where the value itself begins with a control character.
const LITERAL: char = '=';
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// How much of an HMAC is stored: two values of one shop do not meet in 128 bits.
const INDEX_BYTES: usize = 16;
const SALT: &[u8] = b"cardseal encryption at rest";
/// What describes a payment whose customer was erased. It is the same for all, and stays as it is.
pub(super) const NAMELESS: &str = "Payment";

/// A key that values are sealed with.
pub struct EncryptionKey {
    /// Its name, which every value that it sealed has.
    pub name: String,
    /// The key.
    pub bytes: SecretBox<[u8; KEY_BYTES]>,
}

/// The keys that a store may use.
#[derive(Default)]
pub struct EncryptionKeys {
    /// The name of the one that seals. Without one, values are written in clear.
    pub current: Option<String>,
    /// All of them. Each opens what it sealed.
    pub keys: Vec<EncryptionKey>,
}

/// Without the keys.
impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
        f.debug_struct("EncryptionKeys")
            .field("current", &self.current)
            .field("keys", &names)
            .finish()
    }
}

/// Why a value does not open. Never says anything of the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not configured.
    #[error("was sealed with the key `{0}`, which is not configured")]
    UnknownKey(String),
    /// A newer version wrote it, or something else did.
    #[error("is sealed in a form that this version does not know")]
    UnknownForm,
    /// A part of it is missing.
    #[error("is sealed and not whole")]
    Truncated,
    /// It was changed, or belongs to another row or column.
    #[error("does not open: it was changed, or moved here from another row or column")]
    Changed,
    /// The system's random source failed.
    #[error("cannot be sealed: the system's random source does not work")]
    NoRandomness,
    /// It is longer than the cipher allows.
    #[error("cannot be sealed: it is too long")]
    TooLong,
}

/// What rows are found by. The same text has another blind index for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    PlatformToken,
    SessionReference,
    Customer,
}

impl Index {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::PlatformToken => b"platform token",
            Self::SessionReference => b"session reference",
            Self::Customer => b"customer",
        }
    }
}

/// What is derived from a key.
struct Key {
    name: String,
    /// How all begins that it made.
    mark: String,
    /// Derives the key of a row.
    rows: Hkdf<Sha256>,
    /// Makes blind indexes.
    index: Zeroizing<[u8; KEY_BYTES]>,
    /// Tells this key from another one of the same name.
    check: String,
}

impl Key {
    fn new(key: &EncryptionKey) -> Result<Self> {
        let (_, own) = Hkdf::<Sha256>::extract(Some(SALT), key.bytes.expose_secret());
        let derive = |label: &[u8]| {
            let mut derived = Zeroizing::new([0; KEY_BYTES]);
            let done = own.expand(label, &mut *derived);
            done.map(|()| derived)
                .map_err(|_| StoreError::Unknown("length of a derived key"))
        };
        let rows = Hkdf::from_prk(&*derive(b"rows")?);
        Ok(Self {
            name: key.name.clone(),
            mark: format!("{VERSION}{}.", key.name),
            rows: rows.map_err(|_| StoreError::Unknown("length of a derived key"))?,
            index: derive(b"index")?,
            check: hex::encode(&derive(b"check")?[..INDEX_BYTES]),
        })
    }

    /// The cipher of a row. Few values are ever sealed with it, so that random nonces do not meet.
    fn cipher(&self, table: &str, row: &str) -> Result<Aes256Gcm> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.rows
            .expand_multi_info(&[table.as_bytes(), &[0], row.as_bytes()], &mut *key)
            .map_err(|_| StoreError::Unknown("length of a derived key"))?;
        Ok(Aes256Gcm::new((&*key).into()))
    }

    fn blind(&self, index: Index, text: &str) -> Result<String> {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.index)
            .map_err(|_| StoreError::Unknown("length of a derived key"))?
            .chain_update(index.label())
            .chain_update([0])
            .chain_update(text);
        let mut blind = self.mark.clone();
        URL_SAFE_NO_PAD.encode_string(&mac.finalize().into_bytes()[..INDEX_BYTES], &mut blind);
        Ok(blind)
    }
}

/// What a value is bound to, beside the row that its key is for.
fn bound(mark: &str, table: &str, column: &str, row: &str) -> Vec<u8> {
    [mark, table, column, row].join("\0").into_bytes()
}

/// The form of a stored text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form<'t> {
    Clear(&'t str),
    /// The name of a key, and what it made.
    Sealed(&'t str, &'t str),
    Unknown,
}

impl<'t> Form<'t> {
    fn of(text: &'t str) -> Self {
        let Some(rest) = text.strip_prefix(VERSION) else {
            // Every later version begins with another control character.
            return if begins_with_control(text) {
                Self::Unknown
            } else {
                Self::Clear(text)
            };
        };
        if let Some(literal) = rest.strip_prefix(LITERAL) {
            return Self::Clear(literal);
        }
        rest.split_once('.')
            .map_or(Self::Unknown, |(name, made)| Self::Sealed(name, made))
    }
}

fn begins_with_control(text: &str) -> bool {
    text.as_bytes().first().is_some_and(|byte| *byte < b' ')
}

/// A clear text as it is stored.
fn clear(text: &str) -> Cow<'_, str> {
    if begins_with_control(text) {
        format!("{VERSION}{LITERAL}{text}").into()
    } else {
        text.into()
    }
}

/// The keys in use.
pub(super) struct Ring {
    current: Option<usize>,
    keys: Vec<Key>,
}

/// No key: everything is written in clear.
pub(super) static EMPTY: Ring = Ring::empty();

impl Ring {
    const fn empty() -> Self {
        Self {
            current: None,
            keys: Vec::new(),
        }
    }

    /// # Errors
    /// If the current key is not among the keys.
    pub(super) fn new(keys: &EncryptionKeys) -> Result<Self> {
        let position = |name: &String| keys.keys.iter().position(|key| key.name == *name);
        let current = match &keys.current {
            None => None,
            Some(name) => Some(position(name).ok_or(StoreError::Unknown("current key"))?),
        };
        Ok(Self {
            current,
            keys: keys.keys.iter().map(Key::new).collect::<Result<_>>()?,
        })
    }

    fn current(&self) -> Option<&Key> {
        self.keys.get(self.current?)
    }

    /// The name of the key that seals.
    pub(super) fn current_name(&self) -> Option<&str> {
        self.current().map(|key| key.name.as_str())
    }

    /// The name of each key, with what tells it from another one of that name.
    pub(super) fn checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.keys
            .iter()
            .map(|key| (key.name.as_str(), key.check.as_str()))
    }

    fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Whether a stored text is as it would be written now.
    pub(super) fn is_settled(&self, text: &str) -> bool {
        match (Form::of(text), self.current()) {
            (Form::Clear(_), None) => true,
            (Form::Clear(_), Some(_)) => text.is_empty() || text == NAMELESS,
            (Form::Sealed(name, _), Some(current)) => name == current.name,
            (Form::Sealed(..), None) | (Form::Unknown, _) => false,
        }
    }

    /// Every form in which a text may be in a column that rows are found by. The first is as it would be written now.
    pub(super) fn forms(&self, index: Index, text: &str) -> Result<Vec<String>> {
        let current = self.current().into_iter();
        let others = self
            .keys
            .iter()
            .enumerate()
            .filter(|(place, _)| Some(*place) != self.current)
            .map(|(_, key)| key);
        let mut forms = current
            .chain(others)
            .map(|key| key.blind(index, text))
            .collect::<Result<Vec<_>>>()?;
        let place = if self.current.is_some() { forms.len() } else { 0 };
        forms.insert(place, clear(text).into_owned());
        Ok(forms)
    }

    /// What seals the values of a row.
    pub(super) const fn row<'r>(&'r self, table: &'static str, row: &'r str) -> RowSeal<'r> {
        RowSeal {
            ring: self,
            table,
            row,
            cipher: std::cell::OnceCell::new(),
        }
    }

    /// What opens the values of a row.
    pub(super) const fn opener(&self, table: &'static str) -> Opener<'_> {
        Opener {
            ring: self,
            table,
            last: None,
        }
    }
}

/// The key of a text that was sealed.
pub(super) fn key_of(text: &str) -> Option<&str> {
    match Form::of(text) {
        Form::Sealed(name, _) => Some(name),
        Form::Clear(_) | Form::Unknown => None,
    }
}

/// What a column that rows are found by holds, and the column beside it.
pub(super) struct Found<'t> {
    pub(super) by: Option<Cow<'t, str>>,
    pub(super) sealed: Option<Cow<'t, str>>,
}

/// Seals the values of one row.
pub(super) struct RowSeal<'r> {
    ring: &'r Ring,
    table: &'static str,
    row: &'r str,
    cipher: std::cell::OnceCell<Aes256Gcm>,
}

impl RowSeal<'_> {
    /// A value as its column holds it.
    pub(super) fn value<'t>(&self, column: &'static str, text: &'t str) -> Result<Cow<'t, str>> {
        match self.ring.current() {
            None => Ok(clear(text)),
            Some(_) if text.is_empty() || text == NAMELESS => Ok(text.into()),
            Some(key) => self.seal(key, column, text).map(Into::into),
        }
    }

    /// The same for a value that may be missing.
    pub(super) fn optional<'t>(
        &self,
        column: &'static str,
        text: Option<&'t str>,
    ) -> Result<Option<Cow<'t, str>>> {
        text.map(|text| self.value(column, text)).transpose()
    }

    /// A value that rows are found by.
    pub(super) fn found<'t>(
        &self,
        column: &'static str,
        index: Index,
        text: Option<&'t str>,
    ) -> Result<Found<'t>> {
        Ok(match (text, self.ring.current()) {
            (None, _) => Found {
                by: None,
                sealed: None,
            },
            (Some(text), None) => Found {
                by: Some(clear(text)),
                sealed: None,
            },
            (Some(text), Some(key)) => Found {
                by: Some(key.blind(index, text)?.into()),
                sealed: Some(self.seal(key, column, text)?.into()),
            },
        })
    }

    fn seal(&self, key: &Key, column: &'static str, text: &str) -> Result<String> {
        let failed = |problem| StoreError::Sealed { column, problem };
        let cipher = match self.cipher.get() {
            Some(cipher) => cipher,
            None => {
                let made = key.cipher(self.table, self.row)?;
                self.cipher.get_or_init(|| made)
            }
        };
        let mut sealed = Vec::with_capacity(NONCE_BYTES + text.len() + TAG_BYTES);
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| failed(SealError::NoRandomness))?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text.as_bytes());
        let bound = bound(&key.mark, self.table, column, self.row);
        let inner = sealed.get_mut(NONCE_BYTES..).unwrap_or_default();
        let tag = cipher
            .encrypt_inout_detached(&nonce.into(), &bound, inner.into())
            .map_err(|_| failed(SealError::TooLong))?;
        sealed.extend_from_slice(&tag);
        let mut text = String::with_capacity(key.mark.len() + sealed.len().div_ceil(3) * 4);
        text.push_str(&key.mark);
        URL_SAFE_NO_PAD.encode_string(&sealed, &mut text);
        Ok(text)
    }
}

/// Opens the values of one row.
pub(super) struct Opener<'r> {
    ring: &'r Ring,
    table: &'static str,
    /// The key of the value before, with the row's cipher.
    last: Option<(&'r str, Aes256Gcm)>,
}

impl Opener<'_> {
    /// What was stored in a column of a row.
    pub(super) fn open(&mut self, column: &'static str, row: &str, text: &str) -> Result<String> {
        let failed = |problem| StoreError::Sealed { column, problem };
        let (name, made) = match Form::of(text) {
            Form::Clear(text) => return Ok(text.into()),
            Form::Unknown => return Err(failed(SealError::UnknownForm)),
            Form::Sealed(name, made) => (name, made),
        };
        let key = self
            .ring
            .key(name)
            .ok_or_else(|| failed(SealError::UnknownKey(name.into())))?;
        let cipher = match &mut self.last {
            Some((last, cipher)) if *last == key.name => cipher,
            last => {
                let made = key.cipher(self.table, row)?;
                &mut last.insert((&key.name, made)).1
            }
        };
        let mut sealed = URL_SAFE_NO_PAD
            .decode(made)
            .map_err(|_| failed(SealError::Truncated))?;
        if sealed.len() < NONCE_BYTES + TAG_BYTES {
            return Err(failed(SealError::Truncated));
        }
        let tag = sealed.split_off(sealed.len() - TAG_BYTES);
        let mut inner = sealed.split_off(NONCE_BYTES);
        let nonce: [u8; NONCE_BYTES] = sealed.try_into().map_err(|_| failed(SealError::Truncated))?;
        let tag: [u8; TAG_BYTES] = tag.try_into().map_err(|_| failed(SealError::Truncated))?;
        let bound = bound(&key.mark, self.table, column, row);
        cipher
            .decrypt_inout_detached(&nonce.into(), &bound, inner.as_mut_slice().into(), &tag.into())
            .map_err(|_| failed(SealError::Changed))?;
        String::from_utf8(inner).map_err(|_| failed(SealError::Changed))
    }
}

/// The keys of a store, which a reload of the configuration replaces. A transaction takes what is there when it runs.
#[derive(Clone)]
pub(super) struct Keys(Arc<RwLock<Arc<Ring>>>);

impl Default for Keys {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Ring::empty()))))
    }
}

impl Keys {
    pub(super) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this ring is still in use.
    pub(super) fn has(&self, ring: &Arc<Ring>) -> bool {
        Arc::ptr_eq(ring, &self.ring())
    }

    pub(super) fn set(&self, ring: Ring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::encryption_keys;
    use super::*;

    fn ring(current: &str, names: &[&str]) -> Ring {
        Ring::new(&encryption_keys(current, names)).unwrap()
    }

    fn open(ring: &Ring, place: (&'static str, &'static str, &str), text: &str) -> Result<String, SealError> {
        let (table, column, row) = place;
        match ring.opener(table).open(column, row, text) {
            Ok(text) => Ok(text),
            Err(StoreError::Sealed {
                problem,
                column: named,
            }) => {
                assert_eq!(named, column);
                Err(problem)
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let ring = ring("a", &["a"]);
        let sealed = ring.row("tokens", "tok_1").value("holder", "Ana N").unwrap();
        assert!(
            sealed.starts_with("\u{1}a.") && !sealed.contains("Ana N"),
            "{sealed}"
        );
        assert_eq!(
            open(&ring, ("tokens", "holder", "tok_1"), &sealed).unwrap(),
            "Ana N"
        );
        for place in [
            ("tokens", "holder", "tok_2"),
            ("tokens", "nickname", "tok_1"),
            ("sessions", "holder", "tok_1"),
        ] {
            assert_eq!(open(&ring, place, &sealed), Err(SealError::Changed), "{place:?}");
        }
        // Each time another text, and one key for the row.
        let seal = ring.row("tokens", "tok_1");
        let again = [
            seal.value("holder", "Ana").unwrap(),
            seal.value("holder", "Ana").unwrap(),
        ];
        assert!(again[0] != again[1] && again[0] != sealed);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let ring = ring("a", &["a", "b"]);
        let place = ("tokens", "holder", "tok_1");
        let sealed = ring
            .row("tokens", "tok_1")
            .value("holder", "Ana")
            .unwrap()
            .into_owned();
        let start = sealed.find('.').unwrap() + 1;
        let bytes = URL_SAFE_NO_PAD.decode(&sealed[start..]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let text = format!("{}{}", &sealed[..start], URL_SAFE_NO_PAD.encode(&changed));
            assert_eq!(open(&ring, place, &text), Err(SealError::Changed), "{at}");
            let cut = format!("{}{}", &sealed[..start], URL_SAFE_NO_PAD.encode(&bytes[..at]));
            let problem = if at < NONCE_BYTES + TAG_BYTES {
                SealError::Truncated
            } else {
                SealError::Changed
            };
            assert_eq!(open(&ring, place, &cut), Err(problem), "{at}");
        }
        // As if another key had sealed it.
        let other = sealed.replacen("\u{1}a.", "\u{1}b.", 1);
        assert_eq!(open(&ring, place, &other), Err(SealError::Changed));
        let unknown = sealed.replacen("\u{1}a.", "\u{1}z.", 1);
        let problem = open(&ring, place, &unknown).unwrap_err();
        assert_eq!(problem, SealError::UnknownKey("z".into()));
        for text in ["\u{1}", "\u{1}a", "\u{2}a.AAAA"] {
            assert_eq!(open(&ring, place, text), Err(SealError::UnknownForm), "{text:?}");
        }
        assert_eq!(open(&ring, place, "\u{1}a.?"), Err(SealError::Truncated));
    }

    #[test]
    fn no_clear_text_is_taken_for_a_sealed_one() {
        let (off, on) = (ring("", &[]), ring("a", &["a"]));
        let place = ("tokens", "holder", "tok_1");
        for text in ["", "Ana", "\u{1}a.AAAA", "\u{1}=x", "\u{2}", "\nx"] {
            for ring in [&off, &on] {
                let stored = ring.row("tokens", "tok_1").value("holder", text).unwrap();
                assert!(ring.is_settled(&stored), "{text:?}");
                assert_eq!(open(ring, place, &stored).unwrap(), text);
            }
            let stored = off.row("tokens", "tok_1").value("holder", text).unwrap();
            assert_eq!(on.is_settled(&stored), text.is_empty());
            assert_eq!(open(&on, place, &stored).unwrap(), text);
        }
    }

    #[test]
    fn an_index_is_the_same_for_a_text_and_another_for_each_purpose_and_key() {
        let ring = ring("b", &["a", "b"]);
        let forms = ring.forms(Index::Customer, "ana").unwrap();
        assert!(
            forms[0].starts_with("\u{1}b.") && forms[1].starts_with("\u{1}a."),
            "{forms:?}"
        );
        assert_eq!((forms.len(), forms[2].as_str()), (3, "ana"));
        assert_ne!(forms[0][3..], forms[1][3..]);
        assert_eq!(ring.forms(Index::Customer, "ana").unwrap(), forms);
        assert_ne!(ring.forms(Index::PlatformToken, "ana").unwrap()[0], forms[0]);
        let seal = ring.row("tokens", "tok_1");
        let found = seal.found("customer", Index::Customer, Some("ana")).unwrap();
        assert_eq!(found.by.as_deref(), Some(forms[0].as_str()));
        assert_eq!(
            open(&ring, ("tokens", "customer", "tok_1"), &found.sealed.unwrap()).unwrap(),
            "ana"
        );
        // Without a current key, the clear text comes first.
        let off = Ring::new(&encryption_keys("", &["a"])).unwrap();
        assert_eq!(off.forms(Index::Customer, "ana").unwrap()[0], "ana");
    }
}
