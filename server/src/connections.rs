//! The open connections, what each of them waits for, and which one is closed when there is no room.
//!
//! Making room is fair: the client address with the most connections loses the connection that has waited longest for
//! a request. A tie is broken by the longest wait. A connection whose request is being handled is never closed. So
//! whoever opens thousands of connections closes their own, and a client that sends its request at once is served.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many connections may keep their buffers while they wait. A busy client's next request needs them at once.
const FEW: usize = 128;

/// Bounds on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open connections.
    pub max: usize,
    /// Open connections from one client address, if limited.
    pub max_per_address: Option<usize>,
    /// How long a request's header may take.
    pub header_timeout: Duration,
    /// How long a connection may be idle, and how long a client may take to read its response.
    pub idle_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// The largest header of a request.
    pub max_header_bytes: usize,
}

impl ConnectionLimits {
    /// How many sockets beyond the limit may still be closing.
    pub(crate) const fn closing(&self) -> usize {
        let eighth = self.max / 8;
        if eighth == 0 { 1 } else { eighth }
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waiting for a request.
    Idle,
    /// A request's header is arriving.
    Header,
    /// A request's body is arriving.
    Body,
    /// A request is being handled.
    Working,
    /// The response is being sent.
    Sending,
}

impl Phase {
    /// Whether the connection can be closed without interrupting anything.
    const fn waits(self) -> bool {
        matches!(self, Self::Idle | Self::Header | Self::Body)
    }
}

/// All open connections.
pub(crate) struct Connections {
    limits: ConnectionLimits,
    state: Mutex<State>,
    changed: Notify,
    /// The number of sockets, as in the state.
    sockets: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Sockets.
    open: usize,
    /// Sockets that have not been told to close.
    live: usize,
    /// How many of those are waiting.
    waiting: usize,
    next: u64,
    addresses: HashMap<IpAddr, Address>,
}

/// The connections of one client address. Those that wait are sorted by when they began to wait.
#[derive(Default)]
struct Address {
    live: usize,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// Whether a connection was admitted, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There was room.
    Room,
    /// Another connection was closed.
    InPlaceOfAnother,
    /// Another connection of the same address was closed.
    InPlaceOfOwn,
    /// The address has reached its limit, and all its connections are handling requests.
    Refused,
}

impl State {
    /// Closes the connection of an address that has waited longest.
    fn close_longest(&mut self, address: IpAddr) -> bool {
        let Some(entry) = self.addresses.get_mut(&address) else {
            return false;
        };
        let Some((_, close)) = entry.waiting.pop_first() else {
            return false;
        };
        entry.live -= 1;
        if entry.live == 0 {
            self.addresses.remove(&address);
        }
        self.live -= 1;
        self.waiting -= 1;
        close.cancel();
        true
    }

    fn make_room(&mut self) -> bool {
        let most = self
            .addresses
            .iter()
            .filter_map(|(address, entry)| {
                let (since, _) = entry.waiting.first_key_value()?;
                Some(((entry.live, Reverse(*since)), *address))
            })
            .max_by_key(|(rank, _)| *rank);
        most.is_some_and(|(_, address)| self.close_longest(address))
    }
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
            changed: Notify::new(),
            sockets: AtomicUsize::new(0),
        })
    }

    pub(crate) const fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sockets are open.
    pub(crate) fn open(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Whether another connection can be admitted, if necessary by closing one that waits.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.open < self.limits.max + self.limits.closing()
            && (state.live < self.limits.max || state.waiting > 0)
    }

    /// Waits until another connection can be admitted.
    pub(crate) async fn room(&self) {
        while !self.has_room() {
            self.changed.notified().await;
        }
    }

    /// Closes some waiting connections because the system has run out of files.
    pub(crate) fn shed(&self) {
        let mut state = self.state();
        for _ in 0..self.limits.closing() {
            if !state.make_room() {
                return;
            }
        }
    }

    /// Admits a connection.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> (Admission, Option<Arc<Slot>>) {
        let mut state = self.state();
        let mut admission = Admission::Room;
        let own = state.addresses.get(&address).map_or(0, |entry| entry.live);
        if self.limits.max_per_address.is_some_and(|max| own >= max) {
            if !state.close_longest(address) {
                return (Admission::Refused, None);
            }
            admission = Admission::InPlaceOfOwn;
        } else if state.live >= self.limits.max && state.make_room() {
            admission = Admission::InPlaceOfAnother;
        }
        state.open += 1;
        self.sockets.store(state.open, Ordering::Relaxed);
        state.live += 1;
        state.addresses.entry(address).or_default().live += 1;
        drop(state);
        let slot = Slot {
            all: Arc::clone(self),
            address,
            close: CancellationToken::new(),
            at: Mutex::new(At {
                phase: Phase::Idle,
                deadline: None,
                place: None,
            }),
            all_sent: AtomicBool::new(true),
        };
        slot.enter(Phase::Idle);
        // A client that opens a connection is about to send something.
        slot.at().deadline = Some(Instant::now() + self.limits.header_timeout);
        (admission, Some(Arc::new(slot)))
    }
}

/// One open connection.
pub(crate) struct Slot {
    all: Arc<Connections>,
    address: IpAddr,
    close: CancellationToken,
    at: Mutex<At>,
    /// Whether all that was written has been handed to the system.
    all_sent: AtomicBool,
}

struct At {
    phase: Phase,
    deadline: Option<Instant>,
    /// Its position among the waiting connections.
    place: Option<u64>,
}

impl Slot {
    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the phase. Returns false if the connection has been told to close: then it must not begin anything.
    pub(crate) fn enter(&self, phase: Phase) -> bool {
        let mut at = self.at();
        let mut state = self.all.state();
        if self.close.is_cancelled() {
            return false;
        }
        let number = state.next;
        state.next += 1;
        let entry = state.addresses.entry(self.address).or_default();
        let before = at.place.take();
        if let Some(place) = before {
            entry.waiting.remove(&place);
        }
        if phase.waits() {
            entry.waiting.insert(number, self.close.clone());
            at.place = Some(number);
        }
        match (before, at.place) {
            (None, Some(_)) => {
                state.waiting += 1;
                self.all.changed.notify_one();
            }
            (Some(_), None) => state.waiting -= 1,
            (None, None) | (Some(_), Some(_)) => {}
        }
        drop(state);
        let limits = &self.all.limits;
        at.phase = phase;
        at.deadline = match phase {
            Phase::Header => Some(limits.header_timeout),
            Phase::Idle | Phase::Sending => Some(limits.idle_timeout),
            // The reader of the body has its own timer, and can send an error.
            Phase::Body | Phase::Working => None,
        }
        .map(|time| Instant::now() + time);
        true
    }

    /// Notes that bytes have arrived.
    pub(crate) fn received(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Header);
        }
    }

    /// Notes whether all that was written has been sent.
    pub(crate) fn note_sent(&self, all: bool) {
        self.all_sent.store(all, Ordering::Relaxed);
    }

    /// Whether the last response has been sent and nothing of the next request has arrived.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.all_sent.load(Ordering::Relaxed) && self.phase() == Phase::Idle
    }

    /// Whether so many connections are open that their buffers would take much memory.
    pub(crate) fn is_crowded(&self) -> bool {
        self.all.sockets.load(Ordering::Relaxed) > FEW
    }

    pub(crate) fn phase(&self) -> Phase {
        self.at().phase
    }

    /// When the current phase times out.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.at().deadline
    }

    /// Completes when the connection has to close to make room.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + use<> {
        self.close.clone().cancelled_owned()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let place = self.at().place;
        let mut state = self.all.state();
        state.open -= 1;
        self.all.sockets.store(state.open, Ordering::Relaxed);
        if !self.close.is_cancelled() {
            state.live -= 1;
            if place.is_some() {
                state.waiting -= 1;
            }
            if let Some(entry) = state.addresses.get_mut(&self.address) {
                entry.live -= 1;
                if let Some(place) = place {
                    entry.waiting.remove(&place);
                }
                if entry.live == 0 {
                    state.addresses.remove(&self.address);
                }
            }
        }
        self.all.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(max: usize, max_per_address: Option<usize>) -> Arc<Connections> {
        Connections::new(ConnectionLimits {
            max,
            max_per_address,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(20),
            max_header_bytes: 16_384,
        })
    }

    fn address(number: u8) -> IpAddr {
        [127, 0, 0, number].into()
    }

    fn told(slot: &Slot) -> bool {
        slot.close.is_cancelled()
    }

    #[test]
    fn the_longest_waiting_of_the_largest_address_goes() {
        let all = connections(8, None);
        let attacker: Vec<_> = (0..6).map(|_| all.admit(address(1)).1.unwrap()).collect();
        let client: Vec<_> = (0..2).map(|_| all.admit(address(2)).1.unwrap()).collect();
        // It is handling a request and is never closed.
        assert!(attacker[0].enter(Phase::Working));
        // It has sent something recently.
        assert!(attacker[1].enter(Phase::Header));
        let (admission, third) = all.admit(address(2));
        assert_eq!(admission, Admission::InPlaceOfAnother);
        let closing: Vec<bool> = attacker.iter().map(|slot| told(slot)).collect();
        assert_eq!(closing, [false, false, true, false, false, false]);
        assert!(client.iter().chain(&third).all(|slot| !told(slot)));
        // It can no longer begin anything.
        assert!(!attacker[2].enter(Phase::Working));
    }

    #[test]
    fn of_equal_addresses_the_longest_waiting_goes() {
        let all = connections(40, None);
        let mut slots: Vec<_> = (0..40)
            .map(|number| all.admit(address(number)).1.unwrap())
            .collect();
        for number in 40..80 {
            let (admission, slot) = all.admit(address(number));
            assert_eq!(admission, Admission::InPlaceOfAnother);
            slots.extend(slot);
            let oldest = usize::from(number) - 40;
            assert!(slots.iter().take(oldest + 1).all(|slot| told(slot)), "{number}");
            assert!(!slots.iter().skip(oldest + 1).any(|slot| told(slot)), "{number}");
        }
    }

    #[test]
    fn an_address_at_its_bound_closes_its_own_and_is_refused_when_all_work() {
        let all = connections(8, Some(2));
        let first = all.admit(address(1)).1.unwrap();
        let second = all.admit(address(1)).1.unwrap();
        let (admission, third) = all.admit(address(1));
        let third = third.unwrap();
        assert_eq!(admission, Admission::InPlaceOfOwn);
        assert!(told(&first) && !told(&second));
        assert!(second.enter(Phase::Working) && third.enter(Phase::Working));
        assert_eq!(all.admit(address(1)).0, Admission::Refused);
        assert_eq!(all.admit(address(2)).0, Admission::Room);
    }

    #[tokio::test]
    async fn when_all_work_the_next_one_waits_for_one_to_end() {
        let all = connections(2, None);
        let first = all.admit(address(1)).1.unwrap();
        let second = all.admit(address(2)).1.unwrap();
        assert!(first.enter(Phase::Working) && second.enter(Phase::Working));
        assert!(!all.has_room());
        let waiting = tokio::spawn({
            let all = Arc::clone(&all);
            async move { all.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        // The response is there, and the connection is idle: it can go.
        assert!(first.enter(Phase::Sending) && first.enter(Phase::Idle));
        waiting.await.unwrap();
        assert_eq!(all.admit(address(3)).0, Admission::InPlaceOfAnother);
        assert!(told(&first));
    }

    #[test]
    fn the_books_balance() {
        let all = connections(4, Some(3));
        let mut slots = Vec::new();
        for round in 0..200_u8 {
            let (_, slot) = all.admit(address(round % 3));
            slots.extend(slot);
            let index = usize::from(round) % slots.len();
            slots[index].enter(
                [
                    Phase::Header,
                    Phase::Body,
                    Phase::Working,
                    Phase::Sending,
                    Phase::Idle,
                ][index % 5],
            );
            if slots.len() > 4 {
                slots.remove(usize::from(round) % slots.len());
            }
            let state = all.state();
            let live: usize = state.addresses.values().map(|entry| entry.live).sum();
            let waiting: usize = state.addresses.values().map(|entry| entry.waiting.len()).sum();
            assert_eq!(
                (state.open, state.live, state.waiting),
                (slots.len(), live, waiting)
            );
        }
        slots.clear();
        let state = all.state();
        assert_eq!(
            (state.open, state.live, state.waiting, state.addresses.len()),
            (0, 0, 0, 0)
        );
    }
}
