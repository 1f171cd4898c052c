//! `cardseal doctor`: gathers the evidence, and tells the diagnosis.

use std::path::Path;

use cardseal::platform::Platform;
use cardseal_sandbox::greenpay::keys::KeyPair;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Checks, Diagnosis, Evidence, Mark, State, Verdict, causes_known, diagnose, online};
use crate::Result;
use crate::args;
use crate::capture::{self, Exchange};
use crate::config::Config;
use crate::output::{Failure, Outcome, UNDECIDED, WRONG, painted};
use crate::{platforms, read};

pub(crate) async fn run(options: args::Doctor) -> Result {
    if options.list {
        return Ok(list());
    }
    let evidence = gather(&options)?;
    if evidence.config.is_none() && evidence.exchanges.is_empty() {
        return Err(Failure::usage(
            "there is nothing to look at: give --config, --request, or both; --list shows what doctor knows",
        ));
    }
    let platform = options
        .platform
        .map(|platform| platform.0)
        .or_else(|| recognised(&evidence));
    let mut checks = Checks::default();
    if options.online {
        let (Some(config), Some(platform)) = (&evidence.config, platform) else {
            return Err(Failure::usage(
                "--online asks the platform of a configuration: give --config, and --platform if it has several",
            ));
        };
        online::ask(config, platform, &mut checks)
            .await
            .map_err(Failure::usage)?;
    }
    let diagnosis = diagnose(&evidence, platform, checks);
    let code = match diagnosis.verdict {
        Verdict::Found => WRONG,
        Verdict::Undecided => UNDECIDED,
        Verdict::NothingFound => 0,
    };
    let text = told(&diagnosis);
    Ok(Outcome::new(code, &diagnosis, text))
}

fn gather(options: &args::Doctor) -> Result<Evidence> {
    let mut configs = Vec::new();
    for path in &options.config {
        let name = path.display().to_string();
        configs.push(Config::read(&name, &read::text(path)?).map_err(Failure::usage)?);
    }
    let mut exchanges: Vec<Exchange> = Vec::new();
    for path in &options.request {
        exchanges.extend(read::requests(path)?);
    }
    if let (Some(path), Some(last)) = (&options.answer, exchanges.last_mut()) {
        last.answer = Some(capture::read_answer(&read::text(path)?));
    }
    if let (Some(status), Some(last)) = (options.status, exchanges.last_mut()) {
        last.answer.get_or_insert_default().status = Some(status);
    }
    let private_key = options
        .private_key
        .as_deref()
        .map(|path: &Path| {
            let text = read::text(path)?;
            KeyPair::parse(text.trim())
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
        })
        .transpose()?;
    let page_key = options.public_key.as_deref().map(read::text).transpose()?;
    let mut configs = configs.into_iter();
    Ok(Evidence {
        config: configs.next(),
        others: configs.collect(),
        exchanges,
        session: options.session.as_deref().map(read::object).transpose()?,
        private_key,
        page_key: page_key.map(|key| key.to_string()),
        now: OffsetDateTime::now_utc(),
    })
}

/// The platform of a request by what it is, or else the only one of the configuration.
fn recognised(evidence: &Evidence) -> Option<Platform> {
    evidence
        .subject()
        .and_then(|subject| {
            let recognises = |platform: &Platform| (platforms::of(*platform).recognises)(subject);
            by_address(evidence, subject).or_else(|| Platform::ALL.iter().copied().find(recognises))
        })
        .or_else(|| match evidence.config.as_ref()?.platforms().as_slice() {
            [platform] => Some(*platform),
            _ => None,
        })
}

fn by_address(evidence: &Evidence, subject: &Exchange) -> Option<Platform> {
    let config = evidence.config.as_ref()?;
    let keys = [
        "merchant_url",
        "checkout_url",
        "base_url",
        "client_api_url",
        "token_uri",
    ];
    config.platforms().into_iter().find(|platform| {
        keys.iter()
            .filter_map(|key| config.text(*platform, key))
            .any(|base| subject.below(&base).is_some())
    })
}

fn told(diagnosis: &Diagnosis) -> String {
    let mut lines = Vec::new();
    if let Some(answer) = &diagnosis.answer {
        let status = answer
            .http_status
            .map(|status| format!(" {status}"))
            .unwrap_or_default();
        lines.push(format!(
            "{} answered{status}: {}",
            diagnosis.platform.unwrap_or("the platform"),
            if answer.text.is_empty() {
                "nothing that can be read"
            } else {
                &answer.text
            }
        ));
        if let Some(meaning) = &answer.meaning {
            lines.push(format!("  {meaning}"));
        }
    }
    lines.push(match diagnosis.verdict {
        Verdict::Found => "The cause was found.".into(),
        Verdict::Undecided => "No check shows the cause. These remain:".into(),
        Verdict::NothingFound => "Nothing wrong was found.".into(),
    });
    let excluded = diagnosis
        .causes
        .iter()
        .filter(|finding| finding.state == State::Excluded)
        .count();
    for finding in &diagnosis.causes {
        let word = match finding.state {
            State::Found if finding.explains_answer => painted("FOUND", 31),
            State::Found => painted("ALSO WRONG", 31),
            // With a cause in hand, what else it might have been is noise.
            State::Open if diagnosis.verdict == Verdict::Undecided => painted("open", 33),
            State::Open | State::Excluded => continue,
        };
        lines.push(format!("\n{word} {}\n  {}", finding.id, finding.title));
        for check in &finding.checks {
            let mark = match check.result {
                Mark::Pass => "pass",
                Mark::Fail => "fail",
                Mark::Unknown => "unknown",
            };
            lines.push(format!("  {mark}: {}", check.says));
        }
        if let Some(decided_by) = finding.decided_by {
            lines.push(format!("  decided by: {decided_by}"));
        }
        lines.push(format!("  next: {}", finding.next));
    }
    if excluded > 0 {
        lines.push(format!(
            "\n{excluded} other cause(s) are excluded by checks; --json lists them."
        ));
    }
    lines.join("\n")
}

fn list() -> Outcome {
    let mut text = String::new();
    let mut report = Vec::new();
    for cause in causes_known() {
        text.push_str(&format!(
            "{}\n  {}\n  decided by: {}\n  next: {}\n",
            cause.id, cause.title, cause.decided_by, cause.next
        ));
        report.push(serde_json::json!({ "id": cause.id, "title": cause.title, "decided_by": cause.decided_by, "next": cause.next }));
    }
    Outcome::new(0, &Value::Array(report), text)
}
