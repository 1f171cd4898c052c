//! Compares the payments of a day with the platform's own records.
//!
//! A platform with a list of its own is read page by page. At one that can only be asked for single payments, each
//! payment of the day is looked up. At the others only the merchant can look: the report says what is unknown here.
//! Nothing is changed and nothing is sent again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cardseal::platform::Platform;
use cardseal_gateways::Amount;
use cardseal_gateways::gateway::{Listed, ListedKind, Outcome};
use secrecy::SecretString;
use time::{Date, Duration, Time};
use tokio::task::JoinSet;

use super::charge::charge_params;
use super::{Error, Reason};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::store::{Payment, Status};

/// The most pages of the platform's list that one report reads.
const MOST_PAGES: u32 = 200;
/// The most payments that one report looks up one by one.
const MOST_LOOKUPS: usize = 1000;
/// How many of them at once.
const LOOKUPS_AT_ONCE: usize = 8;
/// How many of our own payments are read at once.
const ROWS: u32 = 500;

/// How a report came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The platform's list of the day.
    List,
    /// The platform was asked about each payment.
    Lookups,
    /// The platform cannot be asked: the merchant has to compare.
    None,
}

/// The payments of a day beside the platform's records.
pub(crate) struct Reconciliation {
    /// How it came about.
    pub(crate) source: Source,
    /// How many payments are the same on both sides.
    pub(crate) matched: usize,
    /// Whether everything was compared. A day with too many payments is compared in part.
    pub(crate) complete: bool,
    /// What is not the same on both sides.
    pub(crate) differences: Vec<Difference>,
}

/// Something that is not the same on both sides.
pub(crate) struct Difference {
    /// What differs.
    pub(crate) kind: DifferenceKind,
    /// The payment here, if there is one.
    pub(crate) payment: Option<Payment>,
    /// What the platform says, if it says anything.
    pub(crate) platform: Option<Listed>,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DifferenceKind {
    /// The outcome is not known here.
    Unknown,
    /// The platform has a charge or a refund that is not known here.
    MissingHere,
    /// The platform does not know a payment that went through here.
    MissingThere,
    /// The platform charged the same reference more than once.
    ChargedTwice,
    /// It was settled by hand, and the platform gave it no id to look it up by.
    Unchecked,
    /// The two sides give different outcomes.
    Status,
    /// The two sides give different amounts.
    Amount,
}

/// Compares a day in UTC.
pub(crate) async fn compare(app: &App, platform: Platform, day: Date) -> Result<Reconciliation, Error> {
    let capabilities = app.capabilities(platform)?;
    let ours = of_day(app, platform, day).await?;
    if capabilities.payment_list {
        by_list(app, platform, day, ours).await
    } else if capabilities.payment_lookup {
        by_lookups(app, platform, ours).await
    } else {
        Ok(by_hand(&ours))
    }
}

/// Our own payments of a day.
async fn of_day(app: &App, platform: Platform, day: Date) -> Result<Vec<Payment>, Error> {
    let start = day.with_time(Time::MIDNIGHT).assume_utc();
    let [from, to] = [start, start + Duration::DAY].map(|time| time.unix_timestamp() * 1000);
    let mut ours: Vec<Payment> = Vec::new();
    loop {
        let after = ours.last().map(|payment| payment.id.clone());
        let rows = app.store.payments_made(platform, from, to, after, ROWS).await?;
        let last = rows.len() < usize::try_from(ROWS).unwrap_or(usize::MAX);
        ours.extend(rows);
        if last {
            return Ok(ours);
        }
    }
}

async fn by_list(
    app: &App,
    platform: Platform,
    day: Date,
    ours: Vec<Payment>,
) -> Result<Reconciliation, Error> {
    let mut report = Reconciliation::new(Source::List);
    let mut listed: Vec<Listed> = Vec::new();
    let gateway = &app.account(platform)?.gateway;
    let name = day.to_string();
    for page in 1.. {
        if page > MOST_PAGES {
            report.complete = false;
            break;
        }
        let _permit = app.enter(platform, Purpose::Operation).await?;
        let answer = gateway
            .list(app.transport(platform, Operation::List)?, &name, page)
            .await;
        let answer = answer.map_err(|error| Error::from(error).at(platform))?;
        listed.extend(answer.items);
        if !answer.more {
            break;
        }
    }
    let mut ours: HashMap<String, Payment> = ours
        .into_iter()
        // One that failed may have been followed by another with its reference.
        .filter(|payment| payment.status != Status::Failed)
        .map(|payment| (payment.order_reference.clone(), payment))
        .collect();
    let mut seen = HashSet::new();
    let mut charged = HashSet::new();
    for item in listed {
        let Some(reference) = item.reference.clone() else {
            report.missing_here(item);
            continue;
        };
        // It may be of the day before, as our clock and the platform's are not the same.
        if !ours.contains_key(&reference)
            && let Some(payment) = app.store.payment_of(platform, &reference).await?
        {
            ours.insert(reference.clone(), payment);
        }
        let payment = ours.get(&reference);
        match (item.kind, payment) {
            (_, None) => report.missing_here(item),
            (ListedKind::Refund, Some(payment)) => {
                if payment.refunded == 0 && moved(&item.outcome) && !payment.status.is_unknown() {
                    report.add(DifferenceKind::MissingHere, Some(payment), Some(item));
                }
            }
            (ListedKind::Charge, Some(payment)) => {
                seen.insert(reference.clone());
                if moved(&item.outcome) && !charged.insert(reference) {
                    report.add(DifferenceKind::ChargedTwice, Some(payment), Some(item));
                } else {
                    report.judge(payment, item);
                }
            }
        }
    }
    // Of an incomplete list, what is missing says nothing.
    if report.complete {
        let unseen = ours
            .into_iter()
            .filter(|(reference, payment)| !seen.contains(reference) && expected(payment));
        let mut unseen: Vec<_> = unseen.map(|(_, payment)| payment).collect();
        unseen.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
        // By the platform's clock they may be of another day.
        look_up(app, platform, unseen, DifferenceKind::MissingThere, &mut report).await?;
    }
    Ok(report)
}

async fn by_lookups(app: &App, platform: Platform, ours: Vec<Payment>) -> Result<Reconciliation, Error> {
    let mut report = Reconciliation::new(Source::Lookups);
    let ours = ours.into_iter().filter(expected).collect();
    look_up(app, platform, ours, DifferenceKind::Unchecked, &mut report).await?;
    Ok(report)
}

/// Looks payments up one by one. What has no id at the platform is a difference of the given kind: to look it up by
/// anything else may change it.
async fn look_up(
    app: &App,
    platform: Platform,
    payments: Vec<Payment>,
    without_id: DifferenceKind,
    report: &mut Reconciliation,
) -> Result<(), Error> {
    let mut lookups = JoinSet::new();
    let mut outcomes = Vec::new();
    for (index, payment) in payments.into_iter().enumerate() {
        if index == MOST_LOOKUPS {
            report.complete = false;
            break;
        }
        if payment.status.is_unknown() {
            // The background job does that.
            report.add(DifferenceKind::Unknown, Some(&payment), None);
        } else if payment.platform_payment.is_none() {
            report.add(without_id, Some(&payment), None);
        } else {
            if lookups.len() == LOOKUPS_AT_ONCE {
                outcomes.extend(lookups.join_next().await);
            }
            let app = Arc::clone(app);
            lookups.spawn(async move {
                let outcome = lookup(&app, platform, &payment).await;
                (index, payment, outcome)
            });
        }
    }
    outcomes.extend(lookups.join_all().await.into_iter().map(Ok));
    let mut outcomes = outcomes
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| crate::TaskPanicked)?;
    outcomes.sort_by_key(|(index, ..)| *index);
    for (_, payment, outcome) in outcomes {
        match outcome? {
            Outcome::Unknown(_) => report.add(DifferenceKind::MissingThere, Some(&payment), None),
            outcome @ (Outcome::Approved(_)
            | Outcome::Authorized(_)
            | Outcome::Voided(_)
            | Outcome::Declined(_)
            | Outcome::Pending(_)) => {
                let item = Listed {
                    kind: ListedKind::Charge,
                    platform_id: payment.platform_payment.clone().unwrap_or_default(),
                    reference: Some(payment.order_reference.clone()),
                    // A lookup succeeds only for the amount that was charged.
                    amount: Some(payment.amount),
                    outcome,
                };
                report.judge(&payment, item);
            }
        }
    }
    Ok(())
}

async fn lookup(app: &App, platform: Platform, payment: &Payment) -> Result<Outcome, Error> {
    let none = SecretString::default();
    let params = charge_params(payment, &none, app.clock.now());
    let gateway = &app.account(platform)?.gateway;
    let _permit = app.enter(platform, Purpose::Operation).await?;
    let transport = app.transport(platform, Operation::Lookup)?;
    let outcome = gateway.lookup(transport, &params, false).await;
    outcome.map_err(|refusal| Error::from(Reason::from(refusal)).at(platform))
}

/// What nobody but the merchant can look up.
fn by_hand(ours: &[Payment]) -> Reconciliation {
    let mut report = Reconciliation::new(Source::None);
    for payment in ours.iter().filter(|payment| payment.status.is_unknown()) {
        report.add(DifferenceKind::Unknown, Some(payment), None);
    }
    report
}

/// Whether the platform should know the payment.
const fn expected(payment: &Payment) -> bool {
    !matches!(
        payment.status,
        Status::InFlight | Status::Declined | Status::Failed
    )
}

/// Whether money moved, or is held.
const fn moved(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Approved(_) | Outcome::Authorized(_))
}

/// Whether both sides say the same of a charge. A refund leaves the charge as it was.
const fn agree(here: Status, there: &Outcome) -> bool {
    match there {
        Outcome::Approved(_) => matches!(
            here,
            Status::Approved | Status::PartiallyRefunded | Status::Refunded
        ),
        Outcome::Authorized(_) => matches!(here, Status::Authorized),
        Outcome::Voided(_) => matches!(here, Status::Voided),
        Outcome::Declined(_) => matches!(here, Status::Declined | Status::Failed),
        Outcome::Pending(_) | Outcome::Unknown(_) => false,
    }
}

impl Reconciliation {
    const fn new(source: Source) -> Self {
        Self {
            source,
            matched: 0,
            complete: true,
            differences: Vec::new(),
        }
    }

    fn add(&mut self, kind: DifferenceKind, payment: Option<&Payment>, platform: Option<Listed>) {
        self.differences.push(Difference {
            kind,
            payment: payment.cloned(),
            platform,
        });
    }

    /// What moved no money is no difference.
    fn missing_here(&mut self, item: Listed) {
        if !matches!(item.outcome, Outcome::Declined(_)) {
            self.add(DifferenceKind::MissingHere, None, Some(item));
        }
    }

    /// Compares a charge.
    fn judge(&mut self, payment: &Payment, item: Listed) {
        let captured = Amount::from_minor(payment.captured, payment.amount.currency()).ok();
        if payment.status.is_unknown() {
            self.add(DifferenceKind::Unknown, Some(payment), Some(item));
        } else if !agree(payment.status, &item.outcome) {
            self.add(DifferenceKind::Status, Some(payment), Some(item));
        } else if item.amount.as_ref() != Some(&payment.amount) && item.amount != captured {
            self.add(DifferenceKind::Amount, Some(payment), Some(item));
        } else {
            self.matched += 1;
        }
    }
}
