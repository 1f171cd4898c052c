//! Says why a platform answers what it answers: lists what can be the cause, checks each cause that the evidence
//! decides, and names the next step for the others.
//!
//! A cause is found, excluded or open. Nothing is guessed: what no check decides stays open, with what would decide it.

pub(crate) mod command;
pub(crate) mod common;
pub(crate) mod online;

use cardseal::platform::Platform;
use cardseal_sandbox::greenpay::keys::KeyPair;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::capture::{Answer, Exchange, shown};
use crate::config::Config;
use crate::platforms;

/// Something that can be wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    /// Stable, with the platform's id before the dot.
    pub id: &'static str,
    /// What is wrong, as a sentence.
    pub title: &'static str,
    /// What decides whether it is this.
    pub decided_by: &'static str,
    /// What to do about it.
    pub next: &'static str,
}

/// Declares causes, and a list of all of them.
macro_rules! causes {
    ($($name:ident = $id:literal, $title:literal, $decided:literal, $next:literal;)+) => {
        $(pub(crate) static $name: crate::doctor::Cause = crate::doctor::Cause {
            id: $id, title: $title, decided_by: $decided, next: $next,
        };)+
        /// Every cause of this file.
        pub(crate) static ALL: &[&crate::doctor::Cause] = &[$(&$name,)+];
    };
}
pub(crate) use causes;

/// Every cause that doctor knows.
#[must_use]
pub fn causes_known() -> Vec<&'static Cause> {
    let of = |platform: &Platform| platforms::of(*platform).causes;
    [common::ALL]
        .into_iter()
        .chain(Platform::ALL.iter().map(of))
        .flatten()
        .copied()
        .collect()
}

/// What is known. It holds secrets and perhaps cards: no `Debug`.
pub struct Evidence {
    /// The server's configuration.
    pub config: Option<Config>,
    /// Configurations to compare with, such as another environment's.
    pub others: Vec<Config>,
    /// What was sent, in order.
    pub exchanges: Vec<Exchange>,
    /// A session or order, as the server or the platform returned it.
    pub session: Option<Map<String, Value>>,
    /// The platform's private key; only tests and simulators have it.
    pub private_key: Option<KeyPair>,
    /// The key that the page packs with.
    pub page_key: Option<String>,
    /// The time now.
    pub now: OffsetDateTime,
}

impl Evidence {
    /// The request in question: the last one that was refused, or else the last one.
    #[must_use]
    pub fn subject(&self) -> Option<&Exchange> {
        let refused = |exchange: &&Exchange| exchange.answer.as_ref().is_some_and(refuses);
        self.exchanges
            .iter()
            .rev()
            .find(refused)
            .or_else(|| self.exchanges.last())
    }

    /// What was sent before the request in question.
    pub(crate) fn before(&self) -> impl Iterator<Item = &Exchange> {
        let subject = self.subject();
        self.exchanges
            .iter()
            .take_while(move |exchange| !subject.is_some_and(|subject| std::ptr::eq(*exchange, subject)))
    }

    /// When the request in question was sent.
    pub(crate) fn sent_at(&self) -> OffsetDateTime {
        self.subject().and_then(|subject| subject.at).unwrap_or(self.now)
    }
}

fn refuses(answer: &Answer) -> bool {
    let body = answer.json();
    let said = body
        .as_ref()
        .and_then(|body| body.get("status"))
        .and_then(Value::as_u64);
    answer.status.is_some_and(|status| status >= 400) || said.is_some_and(|status| status >= 400)
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It speaks against the cause.
    Pass,
    /// It is the cause.
    Fail,
    /// It could not be made.
    Unknown,
}

/// A check that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// How it ended.
    pub result: Mark,
    /// What was looked at, and what was seen.
    pub says: String,
}

/// What is known of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A check shows it.
    Found,
    /// No check excludes it.
    Open,
    /// A check excludes it.
    Excluded,
}

/// The checks of one diagnosis.
#[derive(Default)]
pub(crate) struct Checks {
    made: Vec<(&'static Cause, Check)>,
    /// What the answer can mean. Empty if there is none, or if it says nothing.
    candidates: Vec<&'static Cause>,
    /// What the platform says, and what that means.
    meaning: Option<String>,
}

impl Checks {
    pub(crate) fn fail(&mut self, cause: &'static Cause, says: impl Into<String>) {
        self.add(cause, Mark::Fail, says.into());
    }

    pub(crate) fn pass(&mut self, causes: &[&'static Cause], says: impl Into<String>) {
        let says = says.into();
        for cause in causes {
            self.add(cause, Mark::Pass, says.clone());
        }
    }

    pub(crate) fn unknown(&mut self, causes: &[&'static Cause], says: impl Into<String>) {
        let says = says.into();
        for cause in causes {
            self.add(cause, Mark::Unknown, says.clone());
        }
    }

    /// Whether it is one of them: a failed check, or one that passed.
    pub(crate) fn decide(&mut self, cause: &'static Cause, wrong: bool, says: impl Into<String>) {
        let mark = if wrong { Mark::Fail } else { Mark::Pass };
        self.add(cause, mark, says.into());
    }

    fn add(&mut self, cause: &'static Cause, result: Mark, says: String) {
        self.made.push((cause, Check { result, says }));
    }

    /// What the answer can mean.
    pub(crate) fn means(&mut self, meaning: impl Into<String>, candidates: &[&'static Cause]) {
        self.meaning = Some(meaning.into());
        self.candidates.extend(candidates);
    }

    /// Whether one of the causes was found.
    pub(crate) fn found(&self) -> bool {
        self.made.iter().any(|(_, check)| check.result == Mark::Fail)
    }

    /// Whether this cause was found.
    pub(crate) fn state_is_found(&self, cause: &'static Cause) -> bool {
        self.state(cause) == State::Found
    }

    fn state(&self, cause: &'static Cause) -> State {
        let mut state = None;
        for (_, check) in self.made.iter().filter(|(of, _)| *of == cause) {
            match check.result {
                Mark::Fail => return State::Found,
                Mark::Unknown => state = Some(State::Open),
                Mark::Pass => {
                    state.get_or_insert(State::Excluded);
                }
            }
        }
        state.unwrap_or(State::Open)
    }

    fn named(&self) -> Vec<&'static Cause> {
        let mut named = self.candidates.clone();
        for (cause, check) in &self.made {
            // What the answer cannot mean is of interest only if it is wrong.
            let beside = !self.candidates.is_empty() && check.result != Mark::Fail;
            if !named.contains(cause) && !beside {
                named.push(cause);
            }
        }
        named
    }
}

/// The result, as it is reported.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// Always `cardseal doctor`.
    pub tool: &'static str,
    /// The platform's id.
    pub platform: Option<&'static str>,
    /// What the platform answered, masked.
    pub answer: Option<Said>,
    /// `found`, `undecided` or `nothing_found`.
    pub verdict: Verdict,
    /// Found causes first, then open ones, then excluded ones.
    pub causes: Vec<Finding>,
}

/// An answer.
#[derive(Debug, Serialize)]
pub struct Said {
    /// HTTP status.
    pub http_status: Option<u16>,
    /// Its text, masked.
    pub text: String,
    /// What it means, if it means anything in particular.
    pub meaning: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// At least one cause was found.
    Found,
    /// None was found, and some are open.
    Undecided,
    /// None was found, and none is open.
    NothingFound,
}

/// One cause in the report.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The cause's id.
    pub id: &'static str,
    /// What is known of it.
    pub state: State,
    /// Whether it explains the platform's answer. What does not is wrong besides.
    pub explains_answer: bool,
    /// What is wrong.
    pub title: &'static str,
    /// The next step.
    pub next: &'static str,
    /// What decides it, while it is open.
    pub decided_by: Option<&'static str>,
    /// The checks that were made.
    pub checks: Vec<Check>,
}

/// Looks at the evidence. `online` checks have been made before, by [`online::ask`].
pub(crate) fn diagnose(evidence: &Evidence, platform: Option<Platform>, online: Checks) -> Diagnosis {
    let mut checks = online;
    common::check(evidence, platform, &mut checks);
    if let Some(platform) = platform {
        (platforms::of(platform).check)(evidence, &mut checks);
    }
    report(evidence, platform, &checks)
}

fn report(evidence: &Evidence, platform: Option<Platform>, checks: &Checks) -> Diagnosis {
    let finding = |cause: &'static Cause| {
        let state = checks.state(cause);
        Finding {
            id: cause.id,
            state,
            explains_answer: checks.candidates.is_empty() || checks.candidates.contains(&cause),
            title: cause.title,
            next: cause.next,
            decided_by: (state == State::Open).then_some(cause.decided_by),
            checks: checks
                .made
                .iter()
                .filter(|(of, _)| *of == cause)
                .map(|(_, check)| check.clone())
                .collect(),
        }
    };
    let mut causes: Vec<Finding> = checks.named().into_iter().map(finding).collect();
    causes.sort_by_key(|finding| (finding.state, !finding.explains_answer));
    let explained = causes
        .iter()
        .any(|finding| finding.state == State::Found && finding.explains_answer);
    let open = causes.iter().any(|finding| finding.state == State::Open);
    let wrong = causes.iter().any(|finding| finding.state == State::Found);
    // What is wrong besides does not decide what the answer means.
    let verdict = if explained || wrong && !open {
        Verdict::Found
    } else if open {
        Verdict::Undecided
    } else {
        Verdict::NothingFound
    };
    let answer = evidence.subject().and_then(|subject| subject.answer.as_ref());
    Diagnosis {
        tool: "cardseal doctor",
        platform: platform.map(Platform::id),
        answer: answer.map(|answer| Said {
            http_status: answer.status,
            text: shown(&answer_text(answer)),
            meaning: checks.meaning.clone(),
        }),
        verdict,
        causes,
    }
}

/// What an answer says in words: the platforms' own members for it. A whole body is not shown, as it can name more than
/// an error.
fn answer_text(answer: &Answer) -> String {
    let Some(body) = answer.json() else {
        return if answer.body.is_empty() {
            String::new()
        } else {
            "(no JSON)".into()
        };
    };
    let mut words = Vec::new();
    let mut add = |value: Option<&Value>| match value {
        Some(Value::String(text)) => words.push(text.clone()),
        Some(Value::Number(number)) => words.push(number.to_string()),
        _ => {}
    };
    for name in [
        "error_code",
        "detailed_error_code",
        "detailed_error_description",
        "errorCode",
        "generalMessage",
        "error",
        "error_description",
        "code",
        "title",
        "detail",
    ] {
        add(body.get(name));
    }
    if let Some(Value::Array(errors)) = body.get("errors") {
        for error in errors.iter().take(3) {
            add(Some(error));
            for name in ["errorCode", "code", "id", "field", "message"] {
                add(error.get(name));
            }
        }
    }
    words.dedup();
    words.join(" ")
}
