//! What only a PostgreSQL server can show. `npm test -- postgres` runs these.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use sqlx::PgConnection;
use tokio::sync::broadcast;

use super::*;
use crate::hints::{Hint, Rate, Tag};
use crate::payments::abandoned;
use crate::store::instances::Right;
use crate::store::sql::{Db, Statement, params};
use crate::store::testing::{moment, new_payment, number, schema, server, sql};
use crate::store::{
    Attempt, Attempted, Claim, Claimed, EventKind, Key, NewSession, Payment, PaymentUpdate, Recovered, Scope,
    SessionClaim, SessionId, Status, Store, Taker, payments, plans,
};

const LONG: Duration = Duration::from_secs(30);

/// Not renewed within a test, so that the test can end it.
const LEASE: Duration = Duration::from_secs(120);

async fn store() -> (Postgres, Store) {
    let mut settings = schema(&server(), 6).await.with_lease(LEASE);
    // So that a test finds its own sessions among all others.
    settings.options = settings
        .options
        .application_name(&uuid::Uuid::new_v4().to_string());
    let store = Store::open_postgres(&settings).await.unwrap();
    (settings, store)
}

/// A connection beside the store's.
async fn beside(settings: &Postgres) -> PgConnection {
    settings.options().connect().await.unwrap()
}

async fn run(connection: &mut PgConnection, text: &str) {
    let text = AssertSqlSafe(text.to_owned());
    sqlx::raw_sql(text).execute(connection).await.unwrap();
}

/// Ends all sessions of a store: those that write, or all.
async fn end_sessions(settings: &Postgres, which: &str) {
    let mut beside = settings
        .options
        .clone()
        .application_name("beside")
        .connect()
        .await
        .unwrap();
    let name = settings.options.get_application_name().unwrap();
    let text = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}' AND {which}"
    );
    run(&mut beside, &text).await;
}

/// Ends the lease of a process that is stopped: it does not notice.
async fn end_lease(settings: &Postgres, store: &Store) {
    renew(settings, store.instance.id(), 1).await;
}

/// As its process would.
async fn renew(settings: &Postgres, id: &str, until: i64) {
    let renewal = format!(
        "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE instances SET expires_at = {until} WHERE id = '{id}'; COMMIT"
    );
    run(&mut beside(settings).await, &renewal).await;
}

async fn claim(store: &Store, reference: &str) -> Result<(Payment, Claimed)> {
    let claim = store
        .claim_payment(None, new_payment(reference), attempt(None), 0, 1)
        .await?;
    let Claim::New(payment, claimed) = claim else {
        panic!("not claimed")
    };
    Ok((payment, claimed))
}

/// What becomes of a payment, and what the merchant hears of it.
fn told(status: Status, event: EventKind) -> PaymentUpdate {
    PaymentUpdate {
        status,
        approval: cardseal_gateways::gateway::Approval::default(),
        decline: None,
        redirect: None,
        captured: 0,
        event: Some(event),
    }
}

/// As a platform's approval would be stored.
async fn approve(store: &Store, payment: &Payment) -> Result<Payment> {
    let approved = |_: &Payment| {
        Some(PaymentUpdate {
            captured: 100,
            event: None,
            ..told(Status::Approved, EventKind::PaymentApproved)
        })
    };
    store
        .finish_payment(&payment.id, None, approved, |_| None, 2)
        .await
}

async fn status(store: &Store, payment: &Payment) -> Status {
    store.payment(&payment.id).await.unwrap().unwrap().status
}

async fn session(store: &Store, customer: &str) -> Result<SessionId> {
    store
        .add_session(NewSession {
            platform: Platform::GreenPay,
            kind: Kind::Payment,
            mode: Mode::Relay,
            reference: uuid::Uuid::new_v4().to_string(),
            platform_state: "s".into(),
            customer: Some(customer.into()),
            token_id: None,
            amount: Some((100, "USD")),
            description: "x".into(),
            capture_later: false,
            created_at: 1,
            expires_at: 1000,
        })
        .await
}

fn attempt(card: Option<&str>) -> Attempt {
    Attempt {
        body_hash: "h".into(),
        card: card.map(Into::into),
        taker: Taker::Platform,
    }
}

/// Tries until it works again, and says how it failed meanwhile.
async fn recovers(store: &Store) -> Vec<StoreError> {
    let (began, mut errors) = (Instant::now(), Vec::new());
    loop {
        match session(store, "c").await {
            Ok(_) => return errors,
            Err(error) => errors.push(error),
        }
        assert!(began.elapsed() < LONG, "{errors:?}");
        moment().await;
    }
}

const PROBED: Statement = Statement::declared("", "SELECT probed_at FROM health WHERE id = $1");
const COUNT: Statement = Statement::declared("", "UPDATE health SET probed_at = $1 WHERE id = $2");
const WRONG: Statement = Statement::declared("", "SELECT id FROM nothing WHERE id = $1");

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_meet_run_again_and_lose_nothing() {
    let (_settings, store) = store().await;
    let (store, runs) = (Arc::new(store), Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, runs) = (Arc::clone(&store), Arc::clone(&runs));
            tokio::spawn(async move {
                let mut done = 0;
                while done < 20 {
                    let runs = Arc::clone(&runs);
                    let counted = store.write(move |db| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        let before: Option<i64> = db.value(PROBED, params![1_i64])?;
                        db.execute(COUNT, params![before.unwrap_or_default() + 1, 1_i64])
                    });
                    match counted.await {
                        Ok(changed) => done += changed,
                        // The pauses were too short for so many.
                        Err(StoreError::Unavailable(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(number(&store, "SELECT probed_at FROM health").await, 320);
    assert!(runs.load(Ordering::Relaxed) > 320, "they never met");
}

/// Neither sees what the other writes, so a weaker level would let both in.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn of_two_customers_with_one_card_only_one_gets_in() {
    let (_settings, store) = store().await;
    let store = Arc::new(store);
    for round in 0..20 {
        let card = format!("card-{round}");
        let (one, two) = (
            session(&store, "a").await.unwrap(),
            session(&store, "b").await.unwrap(),
        );
        let claim = |id: SessionId| {
            let (store, card) = (Arc::clone(&store), card.clone());
            tokio::spawn(async move {
                store
                    .claim_session(&id, attempt(Some(&card)), 1, 0)
                    .await
                    .unwrap()
            })
        };
        let (one, two) = (claim(one), claim(two));
        let claims = [one.await.unwrap(), two.await.unwrap()];
        let claimed = claims
            .iter()
            .filter(|claim| matches!(claim, SessionClaim::Claimed(..)));
        assert_eq!(claimed.count(), 1, "round {round}");
    }
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn of_requests_with_one_key_one_is_new() {
    let (_settings, store) = store().await;
    let store = Arc::new(store);
    for round in 0..10 {
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let key = Key {
                        scope: Scope::Merchant,
                        key: format!("k{round}").as_str().into(),
                        fingerprint: "f".into(),
                    };
                    let payment = new_payment(&format!("order-{round}-{number}"));
                    store
                        .claim_payment(Some(key), payment, attempt(None), 0, 1)
                        .await
                        .unwrap()
                })
            })
            .collect();
        let mut new = 0;
        for task in tasks {
            let claim = task.await.unwrap();
            assert!(
                matches!(claim, Claim::New(..) | Claim::Pending(_)),
                "neither new nor known"
            );
            new += u32::from(matches!(claim, Claim::New(..)));
        }
        assert_eq!(new, 1);
    }
    assert_eq!(number(&store, "SELECT count(*) FROM payments").await, 10);
}

/// A payment that begins while others are recovered is not one that was left behind.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn what_begins_beside_a_recovery_is_left_alone() {
    let (_settings, store) = store().await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut claims = Vec::new();
                for number in 0..50 {
                    let new = new_payment(&format!("order-{task}-{number}"));
                    claims.push(store.claim_payment(None, new, attempt(None), 0, 1).await.unwrap());
                }
                claims
            })
        })
        .collect();
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        match store.recover(&abandoned(), 2).await {
            Ok(recovered) => assert_eq!(recovered.payments, 0),
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    for task in tasks {
        assert!(
            task.await
                .unwrap()
                .iter()
                .all(|claim| matches!(claim, Claim::New(..)))
        );
    }
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_fails_leaves_nothing_and_the_next_one_works() {
    let (_settings, store) = store().await;
    let set = |db: &Db<'_>| db.execute(COUNT, params![7_i64, 1_i64]).map(|_| ());
    let refused = store.write(move |db| {
        set(db)?;
        Err::<(), _>(StoreError::Unknown("test"))
    });
    assert!(matches!(refused.await, Err(StoreError::Unknown("test"))));
    let wrong = store.write(move |db| {
        set(db)?;
        db.execute(WRONG, params!["x"])
    });
    assert!(matches!(wrong.await, Err(StoreError::Database(_))));
    // PostgreSQL would call the commit of this one a success, and roll it back.
    let passed_over = store.write(move |db| {
        set(db)?;
        let _ = db.execute(WRONG, params!["x"]);
        Ok(())
    });
    passed_over.await.unwrap_err();
    let panics = store.write(move |db| {
        set(db)?;
        if number_of(db)? == 7 {
            panic!("as a bug would");
        }
        Ok(())
    });
    assert!(matches!(panics.await, Err(StoreError::Panicked)));
    assert_eq!(number(&store, "SELECT probed_at FROM health").await, 0);
    store.write(set).await.unwrap();
    assert_eq!(number(&store, "SELECT probed_at FROM health").await, 7);
    // Who reads cannot write.
    store.read(set).await.unwrap_err();
}

fn number_of(db: &Db<'_>) -> Result<i64> {
    Ok(db.value(PROBED, params![1_i64])?.unwrap_or_default())
}

/// A full disk, and whatever else PostgreSQL may say.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_for_a_while_is_unavailable() {
    let (settings, store) = store().await;
    let mut beside = beside(&settings).await;
    // No disk space, no memory, no connection, canceled, read-only, a deadlock, an I/O error.
    for code in ["53100", "53200", "53300", "57014", "25006", "40P01", "58030"] {
        run(
            &mut beside,
            &format!(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;
                 CREATE TRIGGER fail BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION fail();"
            ),
        )
        .await;
        let error = session(&store, "c").await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{code}: {error}");
        run(
            &mut beside,
            "DROP TRIGGER fail ON sessions; DROP FUNCTION fail();",
        )
        .await;
        session(&store, "c").await.unwrap();
    }
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_are_opened_again() {
    let (settings, store) = store().await;
    session(&store, "c").await.unwrap();
    let (payment, _claimed) = claim(&store, "a").await.unwrap();
    // Writers alone: nobody notices.
    for _ in 0..3 {
        end_sessions(&settings, "query LIKE 'COMMIT%'").await;
        assert!(recovers(&store).await.is_empty());
    }
    // With the one that renews the lease.
    end_sessions(&settings, "TRUE").await;
    for error in recovers(&store).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    assert!(store.health(1).await.is_ready());
    approve(&store, &payment).await.unwrap();
    store.close().await;
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_share_a_new_database() {
    let settings = schema(&server(), 2).await;
    let open = || Store::open_postgres(&settings);
    let (one, two, three) = tokio::join!(open(), open(), open());
    for store in [one, two, three] {
        session(&store.unwrap(), "c").await.unwrap();
    }
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_neighbour_works_on_is_left_alone_until_its_lease_has_ended() {
    let (settings, store) = store().await;
    let other = Store::open_postgres(&settings).await.unwrap();
    let (one, _held) = claim(&store, "one").await.unwrap();
    let (two, _also_held) = claim(&store, "two").await.unwrap();
    let card = session(&store, "c").await.unwrap();
    let taken = store.claim_session(&card, attempt(None), 1, 0).await.unwrap();
    assert!(matches!(taken, SessionClaim::Claimed(..)));
    for _ in 0..2 {
        assert_eq!(
            other.recover(&abandoned(), 2).await.unwrap(),
            Recovered::default()
        );
        assert_eq!(other.recover_abandoned(&abandoned(), 2).await.unwrap(), None);
    }
    approve(&store, &one).await.unwrap();

    end_lease(&settings, &store).await;
    let recovered = other.recover_abandoned(&abandoned(), 2).await.unwrap();
    let all = Recovered {
        payments: 1,
        sessions: 1,
        changes: 0,
        instances: 1,
        subscriptions: 0,
    };
    assert_eq!(recovered, Some(all));
    assert_eq!(status(&other, &two).await, Status::Unknown);
    assert!(!store.is_lost());
    // It wakes, and has its answer from the platform.
    let error = approve(&store, &two).await.err().unwrap();
    assert!(matches!(error, StoreError::LeaseLost), "{error}");
    let error = claim(&store, "three").await.err().unwrap();
    assert!(matches!(error, StoreError::LeaseLost), "{error}");
    assert_eq!(status(&other, &two).await, Status::Unknown);
    assert!(store.is_lost() && !store.may_begin() && !store.health(1).await.is_ready());
    timeout(LONG, store.lost()).await.unwrap();
    assert!(other.may_begin() && !other.is_lost());
    approve(&other, &two).await.unwrap();
}

/// Nothing has happened that it would have to know.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn after_its_lease_a_process_finishes_what_nobody_took_over_and_begins_nothing() {
    let (settings, store) = store().await;
    let (payment, _claimed) = claim(&store, "a").await.unwrap();
    end_lease(&settings, &store).await;
    let error = claim(&store, "b").await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    approve(&store, &payment).await.unwrap();
    assert!(!store.is_lost());
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_while_its_process_runs() {
    let (settings, store) = store().await;
    let settings = settings.with_lease(Duration::from_secs(1));
    let short = Store::open_postgres(&settings).await.unwrap();
    let (payment, _claimed) = claim(&short, "a").await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(store.recover(&abandoned(), 2).await.unwrap().payments, 0);
        moment().await;
    }
    approve(&short, &payment).await.unwrap();
    // It stops, and what it could not finish is its neighbour's at once.
    let (left, _also_claimed) = claim(&short, "b").await.unwrap();
    short.close().await;
    assert_eq!(
        store
            .recover_abandoned(&abandoned(), 2)
            .await
            .unwrap()
            .unwrap()
            .payments,
        1
    );
    assert_eq!(status(&store, &left).await, Status::Unknown);
}

/// Stopped in the middle of a transaction, after it has looked for its lease.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_a_takeover_overtakes_stores_nothing() {
    let (settings, store) = store().await;
    let other = Store::open_postgres(&settings).await.unwrap();
    let (known, _claimed) = claim(&store, "known").await.unwrap();
    for what in ["new", "known"] {
        let (began, begins) = flume::bounded::<()>(1);
        let (over, ends) = flume::bounded::<()>(1);
        let store = Store::open_postgres(&settings).await.unwrap();
        let (payment, _held) = claim(&store, &format!("of {what}")).await.unwrap();
        let (id, instance) = (payment.id.clone(), store.instance.id().to_owned());
        let stopped = tokio::spawn(async move {
            store
                .write_as(Right::ToFinish, move |db| {
                    // The second time nobody waits any more.
                    let _ = began.try_send(());
                    let _ = ends.recv();
                    if what == "new" {
                        return payments::insert(db, &new_payment("late"), 3).map(|_| ());
                    }
                    db.any(&format!(
                        "UPDATE payments SET status = 'approved' WHERE id = '{id}'"
                    ))
                })
                .await
        });
        begins.recv_async().await.unwrap();
        // Its other threads have gone on for a while.
        for until in [i64::MAX, i64::MAX, 1] {
            renew(&settings, &instance, until).await;
        }
        assert_eq!(other.recover(&abandoned(), 2).await.unwrap().payments, 1);
        drop(over);
        let error = stopped.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::LeaseLost), "{what}: {error}");
        assert_eq!(status(&other, &payment).await, Status::Unknown);
    }
    assert_eq!(
        number(
            &other,
            "SELECT count(*) FROM payments WHERE order_reference = 'late'"
        )
        .await,
        0
    );
    assert_eq!(status(&other, &known).await, Status::InFlight);
}

/// A lookup may send a charge again.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_asks_about_a_payment() {
    let (settings, store) = store().await;
    let other = Store::open_postgres(&settings).await.unwrap();
    let (payment, claimed) = claim(&store, "a").await.unwrap();
    drop(claimed);
    assert_eq!(store.recover(&abandoned(), 2).await.unwrap().payments, 1);
    let asks = async |store: &Store| store.ask(&payment.id).await.unwrap();
    assert!(asks(&store).await && !asks(&other).await);
    // A task of the same process, after one that could not give it back.
    assert!(asks(&store).await);
    other.asked(&payment.id).await.unwrap();
    assert!(!asks(&other).await);
    store.asked(&payment.id).await.unwrap();
    assert!(asks(&other).await && !asks(&store).await);
    end_lease(&settings, &other).await;
    store.recover(&abandoned(), 2).await.unwrap();
    assert!(asks(&store).await);
}

/// Tells until it is heard: whoever has just started may not listen yet, or not know of its neighbour.
async fn is_heard(from: &Store, told: &mut broadcast::Receiver<Hint>, hint: Hint) {
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        from.hints().tell(hint);
        let heard = timeout(Duration::from_millis(100), told.recv()).await;
        if heard.is_ok_and(|heard| heard.unwrap() == hint) {
            return;
        }
    }
    panic!("not heard: {hint:?}");
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_hear_what_one_tells_also_after_their_connections_were_lost() {
    let (settings, one) = store().await;
    let two = Store::open_postgres(&settings).await.unwrap();
    let (mut at_one, mut at_two) = (one.hints().told().unwrap(), two.hints().told().unwrap());
    let hint = |id: &str| Hint::Ended(Tag::of(id));
    is_heard(&one, &mut at_two, hint("a")).await;
    is_heard(&two, &mut at_one, hint("b")).await;
    // Nobody hears itself: what one told came before what two tells now.
    one.hints().tell(hint("c"));
    let end = Instant::now() + LONG;
    while at_two.recv().await.unwrap() != hint("c") {
        assert!(Instant::now() < end);
    }
    two.hints().tell(hint("g"));
    loop {
        let heard = timeout(LONG, at_one.recv()).await.unwrap().unwrap();
        assert!(heard == hint("b") || heard == hint("g"), "{heard:?}");
        if heard == hint("g") {
            break;
        }
    }
    // More than go together are heard in their order, whole.
    is_heard(&one, &mut at_two, hint("d")).await;
    let counted = |index: usize| Hint::Counted(Rate::CustomersCards, Tag::of(&index.to_string()));
    for index in 0..1000 {
        one.hints().tell(counted(index));
    }
    let mut next = 0;
    while next < 1000 {
        let heard = timeout(LONG, at_two.recv()).await.unwrap().unwrap();
        if heard != hint("d") {
            assert_eq!(heard, counted(next));
            next += 1;
        }
    }
    end_sessions(&settings, "true").await;
    is_heard(&one, &mut at_two, hint("e")).await;
    is_heard(&two, &mut at_one, hint("f")).await;
    one.close().await;
    two.close().await;
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_send_events_at_once_take_each_once_and_in_order() {
    const PAYMENTS: usize = 40;
    let (settings, one) = store().await;
    let two = Store::open_postgres(&settings).await.unwrap();
    let three = Store::open_postgres(&settings).await.unwrap();
    let all = [Arc::new(one), Arc::new(two), Arc::new(three)];
    for store in &all {
        store.outbox().set_open(true);
    }
    let taken = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (written, now) = (Arc::new(AtomicU32::new(0)), 1_800_000_000_000);
    let mut work = tokio::task::JoinSet::new();
    for (at, store) in all.iter().enumerate() {
        let (store, written) = (Arc::clone(store), Arc::clone(&written));
        work.spawn(async move {
            for number in 0..PAYMENTS {
                let (payment, _) = claim(&store, &format!("{at} {number}")).await.unwrap();
                for (status, event) in [
                    (Status::Unknown, EventKind::PaymentUnknown),
                    (Status::Approved, EventKind::PaymentApproved),
                ] {
                    let update = move |_: &Payment| Some(told(status, event));
                    store.update_payment(&payment.id, update, 1).await.unwrap();
                    written.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
    }
    for store in &all {
        let (store, taken) = (Arc::clone(store), Arc::clone(&taken));
        work.spawn(async move {
            let end = Instant::now() + 2 * LONG;
            while taken.lock().unwrap().len() < 6 * PAYMENTS {
                assert!(Instant::now() < end, "{} were taken", taken.lock().unwrap().len());
                let events = store.take_events(now, now + 3_600_000, 8).await.unwrap();
                taken
                    .lock()
                    .unwrap()
                    .extend(events.iter().map(|event| (event.subject.clone(), event.kind)));
                let ended: Vec<_> = events
                    .into_iter()
                    .map(|event| (event, Attempted::Delivered))
                    .collect();
                if ended.is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                } else {
                    store.note_attempts(ended, (now, now)).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    assert_eq!(all[0].pending_events(10).await.unwrap(), 0);
    let taken = taken.lock().unwrap();
    assert_eq!(taken.len(), 6 * PAYMENTS);
    let mut by_payment: HashMap<&str, Vec<EventKind>> = HashMap::new();
    for (subject, kind) in taken.iter() {
        by_payment.entry(subject).or_default().push(*kind);
    }
    assert_eq!(by_payment.len(), 3 * PAYMENTS);
    let order = [EventKind::PaymentUnknown, EventKind::PaymentApproved];
    assert!(by_payment.values().all(|kinds| *kinds == order));
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn the_eldest_process_tidies_up() {
    let (settings, store) = store().await;
    let (second, third) = (
        Store::open_postgres(&settings).await.unwrap(),
        Store::open_postgres(&settings).await.unwrap(),
    );
    let tidies = async |store: &Store| store.tidies().await.unwrap();
    assert!(tidies(&store).await && !tidies(&second).await && !tidies(&third).await);
    end_lease(&settings, &store).await;
    assert!(tidies(&second).await && !tidies(&third).await);
    second.close().await;
    assert!(tidies(&third).await);
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_works_beside_the_processes_and_takes_no_lease() {
    let (settings, store) = store().await;
    let beside = Store::open_beside(&crate::store::Location::Postgres(Box::new(settings)))
        .await
        .unwrap();
    session(&beside, "c").await.unwrap();
    // It could not say whose work it is.
    let error = claim(&beside, "a").await.err().unwrap();
    assert!(matches!(error, StoreError::LeaseLost), "{error}");
    beside.close().await;
    assert_eq!(number(&store, "SELECT count(*) FROM instances").await, 1);
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_owned_the_database_alone_is_waited_for_and_then_named() {
    let settings = schema(&server(), 2).await;
    let mut older = beside(&settings).await;
    run(
        &mut older,
        "SELECT pg_advisory_lock(734001, hashtext(current_schema()))",
    )
    .await;
    let error = Store::open_postgres(&settings).await.err().unwrap();
    assert!(matches!(error, StoreError::OlderOwner), "{error}");
    older.close().await.unwrap();
    Store::open_postgres(&settings).await.unwrap();
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn tables_that_an_older_version_uses_are_not_changed() {
    let (settings, store) = store().await;
    let newer = [
        migrations::POSTGRES,
        &[("9999_more", "CREATE TABLE more (id BIGINT PRIMARY KEY)")],
    ]
    .concat();
    let mut beside = beside(&settings).await;
    let error = migrations::migrate_postgres(&mut beside, &newer)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::OlderInstances), "{error}");
    store.close().await;
    migrations::migrate_postgres(&mut beside, &newer).await.unwrap();
    let error = Store::open_postgres(&settings).await.err().unwrap();
    assert!(matches!(error, StoreError::TooNew), "{error}");
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_are_named() {
    let mut settings = schema(&server(), 2).await;
    let mut beside = beside(&settings).await;
    run(
        &mut beside,
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
            AS $$ SELECT pg_catalog.clock_timestamp() - interval '90 seconds' $$",
    )
    .await;
    let schema: String = sqlx::query_scalar("SELECT current_schema()")
        .fetch_one(&mut beside)
        .await
        .unwrap();
    settings.options = settings
        .options
        .options([("search_path", format!("{schema},pg_catalog"))]);
    let error = Store::open_postgres(&settings).await.err().unwrap();
    assert!(matches!(error, StoreError::ClocksApart(89..=91)), "{error}");
    assert!(
        error.to_string().contains("90 seconds") || error.to_string().contains("89 seconds"),
        "{error}"
    );
}

/// A role of its own, and a URL with it.
async fn role(settings: &str, with: &str) -> (Postgres, String) {
    let plain = schema(server().as_str(), 2).await;
    let name = format!("r_{}", uuid::Uuid::new_v4().simple());
    let mut beside = beside(&plain).await;
    run(&mut beside, &format!("CREATE ROLE {name} LOGIN SUPERUSER {with}")).await;
    if !settings.is_empty() {
        run(&mut beside, &format!("ALTER ROLE {name} SET {settings}")).await;
    }
    (user(&plain, &name), name)
}

fn user(settings: &Postgres, name: &str) -> Postgres {
    Postgres {
        options: settings.options.clone().username(name),
        ..settings.clone()
    }
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_at_the_start_has_its_own_error() {
    let plain = schema(&server(), 2).await;
    // On a busy machine a connection may take too long.
    let open = async |settings: &Postgres| {
        let began = Instant::now();
        loop {
            let error = Store::open_postgres(settings).await.err().unwrap();
            if !matches!(error, StoreError::Unavailable(_)) || began.elapsed() > LONG {
                return error;
            }
            moment().await;
        }
    };
    let error = open(&user(&plain, "nobody_of_this_name")).await;
    assert!(matches!(error, StoreError::Access(_)), "{error}");
    let missing = Postgres {
        options: plain.options.clone().database("no_database_of_this_name"),
        ..plain.clone()
    };
    let error = open(&missing).await;
    assert!(matches!(error, StoreError::Access(_)), "{error}");
    let error = open(&role("synchronous_commit = off", "").await.0).await;
    assert!(
        matches!(error, StoreError::NotDurable("synchronous_commit")),
        "{error}"
    );
    let error = open(&role("default_transaction_read_only = on", "").await.0).await;
    assert!(matches!(error, StoreError::ReadOnly), "{error}");
    let closed = Postgres {
        options: plain.options.clone().port(1),
        ..plain.clone()
    };
    let error = Store::open_postgres(&closed).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // The server of the tests has no certificate.
    let sealed = Postgres {
        options: plain.options.clone().ssl_mode(PgSslMode::Require),
        ..plain.clone()
    };
    let error = open(&sealed).await;
    assert!(matches!(error, StoreError::Tls(_)), "{error}");
}

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_version_is_refused_and_left_alone() {
    let (settings, store) = store().await;
    store.close().await;
    let mut beside = beside(&settings).await;
    let newer = migrations::LATEST + 1;
    run(
        &mut beside,
        &format!("INSERT INTO _sqlx_migrations VALUES ({newer}, 'x', now(), TRUE, '\\x00', 0)"),
    )
    .await;
    assert!(matches!(
        Store::open_postgres(&settings).await,
        Err(StoreError::TooNew)
    ));
    run(
        &mut beside,
        "DELETE FROM _sqlx_migrations WHERE version > 10; UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 10",
    )
    .await;
    assert!(matches!(
        Store::open_postgres(&settings).await,
        Err(StoreError::OtherMigration(10))
    ));
}

#[test]
fn a_url_is_checked_and_its_password_stays_secret() {
    let parse = |url: &str| Postgres::parse(&SecretString::from(url), Some(&"hunter2".into()), 8, LONG);
    for wrong in [
        "mysql://u@h/d",
        "postgres://u@h/d?passwd=hunter2",
        "postgres://u@h/d?sslmode=hunter2",
        "postgres://u@h:hunter2/d",
        "postgres://u@h",
    ] {
        let message = parse(wrong).err().unwrap_or_else(|| panic!("{wrong}"));
        assert!(!message.contains("hunter2"), "{message}");
    }
    let settings = parse("postgres://u:hunter3@db.example/d").unwrap();
    let shown = format!(
        "{settings:?} {:?}",
        crate::store::Location::Postgres(Box::new(settings.clone()))
    );
    assert!(
        shown.contains("db.example") && !shown.contains("hunter"),
        "{shown}"
    );
    assert!(matches!(settings.options.get_ssl_mode(), PgSslMode::VerifyFull));
    assert!(!settings.is_exposed());
    assert!(
        parse("postgres://u@db.example/d?sslmode=prefer")
            .unwrap()
            .is_exposed()
    );
    assert!(
        !parse("postgres://u@127.0.0.1/d?sslmode=disable")
            .unwrap()
            .is_exposed()
    );
}

/// Both databases have the same tables, with the same columns and the same rows that cannot be.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn both_databases_have_the_same_schema() {
    let (settings, store) = store().await;
    let mut beside = beside(&settings).await;
    let columns = sqlx::query(
        "SELECT c.table_name || '.' || c.column_name || ' ' || c.is_nullable FROM information_schema.columns c
         WHERE c.table_schema = current_schema() AND c.table_name <> '_sqlx_migrations' ORDER BY 1",
    );
    // What is unique: the table, the columns and the condition.
    let unique = sqlx::query(
        "SELECT t.relname || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM
                unnest(i.indkey) WITH ORDINALITY AS k (number, place)
                JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) || ')'
            || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
         WHERE i.indisunique AND t.relnamespace = current_schema()::regnamespace AND t.relname <> '_sqlx_migrations'",
    );
    let texts = |rows: Vec<Row>| -> Vec<String> {
        let mut texts: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        texts.sort();
        texts
    };
    // Row numbers are no column in SQLite, unless the table says so.
    let numbered = [
        "tokens",
        "payments",
        "subscriptions",
        "events",
        "audit",
        "authentications",
    ];
    let own = |text: &String| {
        let hidden = text
            .split_once(".seq ")
            .is_some_and(|(table, _)| !numbered.contains(&table));
        !hidden
    };
    let columns: Vec<_> = texts(columns.fetch_all(&mut beside).await.unwrap())
        .into_iter()
        .filter(own)
        .collect();
    let unique = texts(unique.fetch_all(&mut beside).await.unwrap());
    store.close().await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sqlite");
    Store::open(&path).await.unwrap().close().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    let texts = |query: &str| -> Vec<String> {
        let mut statement = file.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        let mut texts: Vec<String> = rows.map(std::result::Result::unwrap).collect();
        texts.sort();
        texts
    };
    let tables = "FROM sqlite_schema AS t WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'
        AND t.name <> '_sqlx_migrations'";
    assert_eq!(
        columns,
        texts(&format!(
            "SELECT s.name || '.' || c.name || CASE WHEN c.\"notnull\" OR c.pk THEN ' NO' ELSE ' YES' END
             FROM (SELECT t.name {tables}) AS s, pragma_table_info(s.name) AS c"
        ))
    );
    let mut of_file = texts(&format!(
        "SELECT s.name || ' (' || (SELECT group_concat(name, ', ') FROM
                (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')'
            || CASE WHEN i.partial THEN ' partial' ELSE '' END
         FROM (SELECT t.name {tables}) AS s, pragma_index_list(s.name) AS i WHERE i.\"unique\""
    ));
    // A number that is the primary key has no index there.
    of_file.extend(
        [
            "audit (seq)",
            "authentications (seq)",
            "events (seq)",
            "health (id)",
            "payments (seq)",
            "subscriptions (seq)",
            "tokens (seq)",
        ]
        .map(String::from),
    );
    of_file.sort();
    assert_eq!(unique, of_file);
}

/// What reads a whole table is quick in every test and slow in every shop; here it would also conflict with every write.
#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn every_statement_uses_an_index() {
    let (settings, store) = store().await;
    let mut beside = beside(&settings).await;
    run(
        &mut beside,
        &format!("{SETTINGS} SET plan_cache_mode = force_generic_plan"),
    )
    .await;
    let mut wrong = Vec::new();
    for (name, statement) in plans::all() {
        let text = statement.postgres();
        if text.is_empty() {
            continue;
        }
        let count = (1..=30)
            .rev()
            .find(|number| text.contains(&format!("${number}")))
            .unwrap_or(0);
        let mut types: Vec<&str> = (1..=count)
            .map(|number| {
                let list = text.contains(&format!("unnest(${number})"));
                if list { "text[]" } else { "unknown" }
            })
            .collect();
        // The store says which types it sends. Here they follow from the statement, unless it compares with NULL first.
        loop {
            let list = if count == 0 {
                String::new()
            } else {
                format!("({})", types.join(", "))
            };
            let prepare = AssertSqlSafe(format!("PREPARE plan {list} AS {text}"));
            let Err(error) = sqlx::raw_sql(prepare).execute(&mut beside).await else {
                break;
            };
            let message = error.to_string();
            let number = message.rsplit('$').next().and_then(|rest| {
                let digits = rest.split(|other: char| !other.is_ascii_digit()).next();
                digits.and_then(|digits| digits.parse::<usize>().ok())
            });
            let open = number.filter(|number| types.get(number - 1) == Some(&"unknown"));
            types[open.unwrap_or_else(|| panic!("{name}: {message}")) - 1] = "text";
        }
        let nulls = vec!["NULL"; count].join(", ");
        let call = if count == 0 {
            "plan".into()
        } else {
            format!("plan({nulls})")
        };
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE {call}"));
        let rows = sqlx::raw_sql(explain).fetch_all(&mut beside).await.unwrap();
        for row in rows {
            let step: String = row.get(0);
            let sorts = step.contains("Sort Key") && !ALLOWED_TO_SORT.contains(&name.as_str());
            let scans = step.contains("Seq Scan")
                && !ALLOWED_TO_SCAN
                    .iter()
                    .any(|(of, table)| *of == name && step.contains(table));
            if scans || sorts {
                wrong.push(format!("{name}: {step}"));
            }
        }
        run(&mut beside, "DEALLOCATE plan").await;
    }
    store.close().await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Statements that may read all of a small table.
const ALLOWED_TO_SCAN: &[(&str, &str)] = &[
    ("instances::END", "instances"),
    ("instances::HAS_ENDED", "instances"),
];
/// Statements that may sort: the changes of one payment, or the sessions of one reference.
const ALLOWED_TO_SORT: &[&str] = &["changes::UNKNOWN", "changes::UNKNOWN_OF_KIND", "sessions::OTHER"];

#[ignore = "needs a PostgreSQL server: npm test -- postgres"]
#[tokio::test(flavor = "multi_thread")]
async fn retention_and_secrets_need_no_upkeep_of_files() {
    let (_settings, store) = store().await;
    sql(
        &store,
        "INSERT INTO notifications (digest, platform, route, reference, effect, received_at)
        VALUES ('d', 'greenpay', '/', 'r', 'known', 1)",
    )
    .await
    .unwrap();
    store.note_removed();
    assert!(store.empty_log().await.unwrap());
    assert_eq!(store.shrink(64).await.unwrap(), crate::store::Shrunk::Done);
}
