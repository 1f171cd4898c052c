//! What is sealed, what is found, and how a key is replaced while the shop is open.

use std::sync::Arc;
use std::time::Duration;

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::{Approval, Origin, StoredCard};
use secrecy::ExposeSecret;

use super::super::seal::SealError;
use super::super::testing::{self, Place, encryption_keys, number, sql};
use super::super::{
    Attempt, Claim, EncryptionKeys, Expiring, Key, NewPayment, NewSession, Payment, PaymentFilter, PaymentId,
    PaymentUpdate, Scope, SessionId, Status, StoredAnswer, Storing, SweepPlace, Taker, TokenId,
};
use super::*;
use crate::jobs::reseal::finish;

const NOW: i64 = 1_800_000_000_000;
const ANSWER: &str = "{\"answer\":\"for Ana\"}";

fn keys(current: &str, names: &[&str]) -> EncryptionKeys {
    encryption_keys(current, names)
}

async fn open(keys: &EncryptionKeys) -> (Place, Store) {
    let place = Place::new().await;
    let store = reopen(&place, keys).await;
    (place, store)
}

async fn reopen(place: &Place, keys: &EncryptionKeys) -> Store {
    let store = Store::open_at(&place.location).await.unwrap();
    store.use_keys(keys).await.unwrap();
    store.outbox().set_open(true);
    store
}

fn session(kind: Kind, reference: &str, customer: &str) -> NewSession {
    NewSession {
        platform: Platform::GpApi,
        kind,
        mode: Mode::Direct,
        reference: reference.into(),
        platform_state: "{\"secret\":\"of-the-platform\"}".to_owned().into(),
        customer: Some(customer.into()),
        token_id: None,
        amount: (kind == Kind::Payment).then_some((100, "USD")),
        description: "Dinner of Ana".into(),
        capture_later: false,
        created_at: NOW,
        expires_at: NOW + 1000,
    }
}

fn card(token: &str) -> Arc<StoredCard> {
    Arc::new(StoredCard {
        token: token.to_owned().into(),
        brand: Some("visa".into()),
        bin: None,
        last4: Some("4242".into()),
        expiry: Some((12, 2030)),
        holder: Some("Ana Núñez".into()),
        nickname: Some("My Visa".into()),
        origin: Origin::Platform,
    })
}

fn attempt(card: Option<&str>) -> Attempt {
    Attempt {
        body_hash: "h".into(),
        card: card.map(Into::into),
        taker: Taker::Platform,
    }
}

fn key(name: &str) -> Key {
    Key {
        scope: Scope::Merchant,
        key: name.into(),
        fingerprint: "f1f2f3".into(),
    }
}

async fn store_card(store: &Store, token: &str, customer: &str) -> Storing {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let reference = format!("ref-{token}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let new = session(Kind::Tokenize, &reference, customer);
    let id = store.add_session(new).await.unwrap();
    store.store_card(&id, card(token), NOW).await.unwrap()
}

async fn stored(store: &Store, token: &str, customer: &str) -> TokenId {
    match store_card(store, token, customer).await {
        Storing::Stored(token) => token.id,
        Storing::Conflict | Storing::BelongsElsewhere | Storing::Deleted => panic!("not stored"),
    }
}

/// A payment of a customer that was approved and answered.
async fn paid(store: &Store, reference: &str, customer: &str) -> PaymentId {
    let new = NewPayment {
        customer: Some(customer.into()),
        description: "Dinner of Ana".into(),
        ..testing::new_payment(reference)
    };
    let claimed = store.claim_payment(Some(key(reference)), new, attempt(None), 0, NOW);
    let Claim::New(payment, _claimed) = claimed.await.unwrap() else {
        panic!("not claimed")
    };
    let decide = |_: &Payment| {
        Some(PaymentUpdate {
            status: Status::Approved,
            approval: Approval::default(),
            decline: None,
            redirect: Some("https://bank.example/acs?for=ana".into()),
            captured: 100,
            event: Some(super::super::EventKind::PaymentApproved),
        })
    };
    let answer = |_: &Payment| {
        let body = ANSWER.into();
        Some(StoredAnswer { status: 201, body })
    };
    let finished = store.finish_payment(&payment.id, Some(key(reference)), decide, answer, NOW);
    finished.await.unwrap().id
}

/// A shop with a row of each kind, for a customer.
async fn fill(store: &Store, customer: &str) -> (TokenId, PaymentId, SessionId) {
    let token = stored(store, &format!("PMT:{customer}"), customer).await;
    let payment = paid(store, &format!("order-{customer}"), customer).await;
    let checkout = session(Kind::Payment, &format!("checkout-{customer}"), customer);
    let checkout = store.add_session(checkout).await.unwrap();
    // A session that is gone leaves its claim.
    let gone = session(Kind::Payment, &format!("gone-{customer}"), customer);
    let gone = NewSession {
        created_at: 0,
        expires_at: 1,
        ..gone
    };
    let gone = store.add_session(gone).await.unwrap();
    let card = format!("card of {customer}");
    store
        .claim_session(&gone, attempt(Some(&card)), 0, 0)
        .await
        .unwrap();
    let used = format!("UPDATE sessions SET state = 'used' WHERE id = '{gone}'");
    sql(store, &used).await.unwrap();
    let swept = store.remove_expired(Expiring::Sessions, 2, SweepPlace::START, 9);
    assert_eq!(swept.await.unwrap().removed, 1);
    (token, payment, checkout)
}

/// Everything of a customer reads as it was written, and is found.
async fn check(store: &Store, customer: &str, (token, payment, checkout): &(TokenId, PaymentId, SessionId)) {
    let found = store.token(token).await.unwrap().unwrap();
    let platform_token = found.platform_token.as_ref().unwrap().expose_secret();
    assert_eq!(platform_token, format!("PMT:{customer}"));
    assert_eq!(
        (
            found.holder.as_deref(),
            found.nickname.as_deref(),
            found.customer.as_deref()
        ),
        (Some("Ana Núñez"), Some("My Visa"), Some(customer))
    );
    let listed = store.tokens(Some(customer), None, 9).await.unwrap();
    assert_eq!(listed.iter().map(|token| &token.id).collect::<Vec<_>>(), [token]);
    assert_eq!(store.tokens_of_customer(customer).await.unwrap().len(), 1);
    let known = format!("PMT:{customer}").into();
    assert!(store.knows_platform_token(Platform::GpApi, &known).await.unwrap());
    let found = store.payment(payment).await.unwrap().unwrap();
    assert_eq!(
        (found.description.as_str(), found.redirect.as_deref()),
        ("Dinner of Ana", Some("https://bank.example/acs?for=ana"))
    );
    let filter = PaymentFilter::Customer(customer.into());
    let listed = store.payments(filter, None, 9).await.unwrap();
    assert_eq!(
        listed.iter().map(|payment| &payment.id).collect::<Vec<_>>(),
        [payment]
    );
    let again = NewPayment {
        customer: Some(customer.into()),
        ..testing::new_payment("another")
    };
    let again = store.claim_payment(
        Some(key(&format!("order-{customer}"))),
        again,
        attempt(None),
        0,
        NOW,
    );
    let Claim::Answered(answer) = again.await.unwrap() else {
        panic!("no answer")
    };
    assert_eq!((answer.status, answer.body.as_str()), (201, ANSWER));
    let found = store.session(checkout).await.unwrap().unwrap();
    assert_eq!(
        (
            found.reference,
            found.platform_state.unwrap().expose_secret(),
            found.customer.as_deref(),
            found.description.as_str(),
        ),
        (
            format!("checkout-{customer}"),
            "{\"secret\":\"of-the-platform\"}",
            Some(customer),
            "Dinner of Ana"
        )
    );
    let reference = format!("checkout-{customer}");
    let by_reference = store.read(move |db| {
        let found = sessions::by_reference(db, Platform::GpApi, &reference, true)?;
        Ok(found.map(|session| session.id))
    });
    assert_eq!(by_reference.await.unwrap().as_ref(), Some(checkout));
    // The card of the session that is gone stays the customer's.
    let card = format!("card of {customer}");
    for (other, refused) in [(customer, false), ("somebody else", true)] {
        let random = uuid::Uuid::new_v4().to_string();
        let id = store
            .add_session(session(Kind::Payment, &random, other))
            .await
            .unwrap();
        let claim = store
            .claim_session(&id, attempt(Some(&card)), NOW, 0)
            .await
            .unwrap();
        let is_refused = matches!(claim, super::super::SessionClaim::BelongsElsewhere);
        assert_eq!(is_refused, refused, "{other}");
        sql(store, &format!("DELETE FROM sessions WHERE id = '{id}'"))
            .await
            .unwrap();
    }
    let subject = Some(payment.as_str());
    let events = store.events(subject, None, None, 9).await.unwrap();
    assert!(
        events[0].body.contains(&format!("order-{customer}")),
        "{}",
        events[0].body
    );
}

/// How many rows have a text, in any column that is sealed. A short text needs a character that base64url lacks: others are
/// in what is sealed by chance.
async fn rows_with(store: &Store, text: &'static str) -> u64 {
    let mut place = Some(store.first_row());
    let mut count = 0;
    while let Some(at) = place {
        let (rows, next) = store.examine(at, 7).await.unwrap();
        let has = |row: &&Found| row.texts.iter().flatten().any(|own| own.contains(text));
        count += u64::try_from(rows.iter().filter(has).count()).unwrap();
        place = next;
    }
    // What rows are found by.
    for column in [
        "tokens WHERE platform_token",
        "tokens WHERE customer",
        "sessions WHERE reference",
        "sessions WHERE customer",
        "payments WHERE customer",
        "claims WHERE customer",
    ] {
        let query = format!("SELECT COUNT(*) FROM {column} LIKE '%{text}%'");
        count += u64::try_from(number(store, String::leak(query)).await).unwrap();
    }
    count
}

async fn all_rows(store: &Store) -> u64 {
    let mut place = Some(store.first_row());
    let mut count = 0;
    while let Some(at) = place {
        let (rows, next) = store.examine(at, 500).await.unwrap();
        count += u64::try_from(rows.len()).unwrap();
        place = next;
    }
    count
}

#[tokio::test]
async fn what_is_sealed_is_found_and_read_and_nowhere_in_clear() {
    let (_place, store) = open(&keys("a", &["a"])).await;
    let ana = fill(&store, "ana@shop").await;
    check(&store, "ana@shop", &ana).await;
    for text in [
        "ana@shop",
        " Ana",
        "PMT:",
        "My Visa",
        "of-the-platform",
        "order-",
        "checkout-",
        "f1f2f3",
    ] {
        assert_eq!(rows_with(&store, text).await, 0, "{text}");
    }
    assert!(rows_with(&store, "\u{1}a.").await > 5);
}

/// By the unique index if the key is the same, and by the search before it if it is another.
#[tokio::test]
async fn a_platforms_token_is_stored_once_whatever_key_sealed_it() {
    let (_place, store) = open(&keys("", &[])).await;
    let first = stored(&store, "PMT:1", "ana@shop").await;
    let once = async |store: &Store| {
        let new = session(Kind::Tokenize, "PMT:2", "ana@shop");
        store.add_session_once(new).await.unwrap()
    };
    let first_session = once(&store).await;
    for (current, names) in [
        ("a", &["a"][..]),
        ("b", &["a", "b"]),
        ("", &["a", "b"]),
        ("c", &["a", "b", "c"]),
    ] {
        store.use_keys(&keys(current, names)).await.unwrap();
        assert_eq!(stored(&store, "PMT:1", "ana@shop").await, first, "{current}");
        let other = store_card(&store, "PMT:1", "bob@shop").await;
        assert!(matches!(other, Storing::BelongsElsewhere), "{current}");
        assert_eq!(once(&store).await, first_session, "{current}");
        let unique = "SELECT COUNT(*) FROM tokens WHERE status = 'active'";
        assert_eq!(number(&store, unique).await, 1);
        // Half of the times with rows that have the key before, half with rows of the current one.
        if names.len() % 2 == 0 {
            finish(&store).await;
        }
    }
}

#[tokio::test]
async fn a_key_is_replaced_while_rows_have_it_and_goes_when_none_has() {
    let (place, store) = open(&keys("", &[])).await;
    let ana = fill(&store, "ana@shop").await;
    // Switched on for rows that are there.
    store.use_keys(&keys("a", &["a"])).await.unwrap();
    assert!(!store.unsealed().1);
    check(&store, "ana@shop", &ana).await;
    let bob = fill(&store, "bob@shop").await;
    assert!(rows_with(&store, "ana@shop").await > 5 && rows_with(&store, " Ana").await > 2);
    finish(&store).await;
    assert_eq!(store.unsealed(), (0, true));
    assert_eq!(
        (
            rows_with(&store, "ana@shop").await,
            rows_with(&store, " Ana").await
        ),
        (0, 0)
    );
    check(&store, "ana@shop", &ana).await;
    check(&store, "bob@shop", &bob).await;
    // Another key. The one before is needed until every row has the new one.
    store.use_keys(&keys("b", &["a", "b"])).await.unwrap();
    let carl = fill(&store, "carl@shop").await;
    let error = store.use_keys(&keys("b", &["b"])).await.unwrap_err();
    let needed = rows_with(&store, "\u{1}a.").await;
    let StoreError::MissingKey { key, rows } = error else {
        panic!("{error}")
    };
    assert!(key == "a" && rows > 5 && needed > rows, "{key} {rows} {needed}");
    // The keys of before stay in use.
    check(&store, "ana@shop", &ana).await;
    assert_eq!(store.current_key().as_deref(), Some("b"));
    finish(&store).await;
    assert_eq!(rows_with(&store, "\u{1}a.").await, 0);
    assert_eq!(store.unsealed(), (0, true));
    store.use_keys(&keys("b", &["b"])).await.unwrap();
    for (customer, rows) in [("ana@shop", &ana), ("bob@shop", &bob), ("carl@shop", &carl)] {
        check(&store, customer, rows).await;
    }
    store.close().await;
    drop(store);
    // Nor does a new process start without it, or with another one of its name.
    let store = Store::open_at(&place.location).await.unwrap();
    let error = store.use_keys(&keys("", &[])).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::MissingKey { key, .. } if key == "b"),
        "{error}"
    );
    let mut wrong = keys("b", &["a"]);
    wrong.keys[0].name = "b".into();
    let error = store.use_keys(&wrong).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::WrongKey(key) if key == "b"),
        "{error}"
    );
    store.use_keys(&keys("b", &["b"])).await.unwrap();
    assert!(!store.unsealed().1);
    finish(&store).await;
    check(&store, "carl@shop", &carl).await;
    // And back to clear.
    store.use_keys(&keys("", &["b"])).await.unwrap();
    finish(&store).await;
    assert_eq!(rows_with(&store, "\u{1}").await, 0);
    store.use_keys(&keys("", &[])).await.unwrap();
    check(&store, "ana@shop", &ana).await;
}

#[tokio::test]
async fn a_customer_is_erased_whatever_sealed_the_rows() {
    let (_place, store) = open(&keys("", &[])).await;
    for (round, (current, names)) in [("", &[][..]), ("a", &["a"]), ("b", &["a", "b"])]
        .into_iter()
        .enumerate()
    {
        store.use_keys(&keys(current, names)).await.unwrap();
        paid(&store, &format!("order-{round}"), "ana@shop").await;
        let checkout = session(Kind::Payment, &format!("checkout-{round}"), "ana@shop");
        store.add_session(checkout).await.unwrap();
        let open = session(Kind::Tokenize, &format!("open-{round}"), "ana@shop");
        store.add_session(open).await.unwrap();
    }
    assert_eq!(
        store
            .payments(PaymentFilter::Customer("ana@shop".into()), None, 2)
            .await
            .unwrap()
            .iter()
            .map(|payment| payment.order_reference.as_str())
            .collect::<Vec<_>>(),
        ["order-2", "order-1"]
    );
    assert_eq!(
        store
            .close_sessions_of_customer("ana@shop", 9)
            .await
            .unwrap()
            .sessions,
        3
    );
    let erased = store.erase_customer("ana@shop", 9, NOW).await.unwrap();
    assert_eq!((erased.payments, erased.sessions, erased.more), (3, 3, false));
    assert_eq!(
        store.erase_customer("ana@shop", 9, NOW).await.unwrap().payments,
        0
    );
    finish(&store).await;
}

/// Callers read and write while keys come and go.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_under_traffic() {
    let (_place, store) = open(&keys("", &[])).await;
    let store = Arc::new(store);
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut made = Vec::new();
                while !stop.load(Ordering::Acquire) || made.len() < 5 {
                    let name = format!("c{task}-{}", made.len());
                    let token = stored(&store, &format!("PMT:{name}"), &name).await;
                    let payment = paid(&store, &format!("order-{name}"), &name).await;
                    made.push((name, token, payment));
                    for (name, token, payment) in &made[made.len().saturating_sub(3)..] {
                        let token = store.token(token).await.unwrap().unwrap();
                        assert_eq!(token.customer.as_ref(), Some(name));
                        let filter = PaymentFilter::Customer(name.clone());
                        let listed = store.payments(filter, None, 9).await.unwrap();
                        assert_eq!(listed.len(), 1, "{name}");
                        assert_eq!(&listed[0].id, payment);
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                made
            })
        })
        .collect();
    for (current, names) in [
        ("a", &["a"][..]),
        ("b", &["a", "b"]),
        ("c", &["b", "c"]),
        ("d", &["c", "d"]),
    ] {
        store.use_keys(&keys(current, names)).await.unwrap();
        finish(&store).await;
    }
    stop.store(true, Ordering::Release);
    let mut all = 0;
    for task in tasks {
        for (name, token, payment) in task.await.unwrap() {
            let token = store.token(&token).await.unwrap().unwrap();
            assert_eq!(token.customer.as_ref(), Some(&name));
            assert!(store.payment(&payment).await.unwrap().is_some());
            all += 1;
        }
    }
    assert!(all >= 20);
    store.use_keys(&keys("d", &["d"])).await.unwrap();
    assert_eq!(rows_with(&store, "\u{1}c.").await, 0);
}

/// As after a kill: what is half done is done again by the next process.
#[tokio::test]
async fn a_pass_that_was_interrupted_begins_anew() {
    let (place, store) = open(&keys("", &[])).await;
    let mut rows = Vec::new();
    for customer in ["ana@shop", "bob@shop", "carl@shop"] {
        rows.push((customer, fill(&store, customer).await));
    }
    store.use_keys(&keys("a", &["a"])).await.unwrap();
    let all = all_rows(&store).await;
    let (mut at, mut sealed) = (store.first_row(), 0);
    while sealed < all / 2 {
        let step = store.seal_anew(at, 2).await.unwrap();
        sealed += step.rows;
        at = step.next.unwrap();
    }
    store.close().await;
    drop(store);
    let store = reopen(&place, &keys("b", &["a", "b"])).await;
    assert!(!store.unsealed().1);
    for (customer, rows) in &rows {
        check(&store, customer, rows).await;
    }
    finish(&store).await;
    store.use_keys(&keys("b", &["b"])).await.unwrap();
    for (customer, rows) in &rows {
        check(&store, customer, rows).await;
    }
}

/// The others are sealed, nothing is lost, and its key stays needed.
#[tokio::test]
async fn a_value_that_was_changed_or_moved_is_refused_and_named_and_holds_up_no_other() {
    let (_place, store) = open(&keys("a", &["a"])).await;
    let one = stored(&store, "PMT:1", "ana@shop").await;
    let two = stored(&store, "PMT:2", "bob@shop").await;
    let three = stored(&store, "PMT:3", "carl@shop").await;
    let four = stored(&store, "PMT:4", "dora").await;
    let statement = format!(
        "UPDATE tokens SET holder = (SELECT holder FROM tokens WHERE id = '{one}') WHERE id = '{two}';
         UPDATE tokens SET nickname = holder WHERE id = '{three}';
         UPDATE tokens SET holder = substr(holder, 1, length(holder) - 8) WHERE id = '{four}';"
    );
    sql(&store, &statement).await.unwrap();
    for (id, column) in [(&two, "holder"), (&three, "nickname"), (&four, "holder")] {
        let error = store.token(id).await.err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{text}");
        assert!(text.contains(id.as_str()) && text.contains(column), "{text}");
        assert!(text.contains("does not open"), "{text}");
    }
    let listed = store.tokens(None, None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    store.use_keys(&keys("b", &["a", "b"])).await.unwrap();
    let (mut place, mut sealed, mut failed) = (Some(store.first_row()), 0, 0);
    while let Some(at) = place {
        let step = store.seal_anew(at, 9).await.unwrap();
        (sealed, failed) = (sealed + step.rows, failed + step.failed);
        place = step.next;
    }
    assert_eq!((sealed, failed), (all_rows(&store).await - 3, 3));
    let error = store.use_keys(&keys("b", &["b"])).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::MissingKey { rows: 3, .. }),
        "{error}"
    );
}

#[test]
fn nothing_of_a_key_is_shown() {
    let keys = keys("a", &["a", "b"]);
    let shown = format!("{keys:?}");
    assert_eq!(
        shown,
        "EncryptionKeys { current: Some(\"a\"), keys: [\"a\", \"b\"] }"
    );
    let unknown = Ring::new(&EncryptionKeys {
        current: Some("c".into()),
        ..EncryptionKeys::default()
    });
    assert!(unknown.is_err());
    assert!(!SealError::Changed.to_string().is_empty());
}
