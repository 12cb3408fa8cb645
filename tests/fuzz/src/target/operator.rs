//! The operator's files: `pawl.yaml`, scripts of models, and `pawl.lock`.

use pawl_core::diagnostic::Diagnostics;
use pawl_core::elicit::ACTIONS;
use pawl_core::guard::GUARD_RULES_MAX;
use pawl_core::source::operator;
use pawl_registry::Lock;

/// What a key looks like that somebody wrote into the file: no problem shows it.
const KEY: &str = "sk-fuzz-canary-0123456789";

pub(super) fn file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match operator::load("pawl.yaml", &text) {
        Err(problems) => told(&problems),
        Ok(operator) => {
            for server in operator.mcp.values() {
                assert!(server.timeout.0 > 0 && server.idle.0 > 0, "{server:?}");
                let asks = server.elicitation.as_ref();
                assert!(asks.is_none_or(|asks| asks.hold.0 > 0), "{server:?}");
                let due = asks.and_then(|asks| asks.due.as_ref());
                assert!(due.is_none_or(|(_, action)| ACTIONS.contains(&action.as_str())), "{server:?}");
            }
            assert!(operator.policy.approvals.len() <= GUARD_RULES_MAX);
            assert_eq!(operator::load("pawl.yaml", &text).expect("it was read before"), operator);
        }
    }
    if let Err(problems) = operator::load_script("script.yaml", &text) {
        told(&problems);
    }
    // A key where one may stand is covered in whatever is said of the file.
    let with_key = format!("models: {{ mine: {{ provider: openai, model: m, key: {KEY} }} }}\n{text}");
    if let Err(problems) = operator::load("pawl.yaml", &with_key) {
        assert!(!problems.render(false).contains(KEY), "a key is shown");
    }
}

fn told(problems: &Diagnostics) {
    assert!(problems.has_errors() && !problems.render(false).is_empty());
}

pub(super) fn lock(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Lock::parse("pawl.lock", &text) {
        Err(error) => assert!(error.to_string().contains("pawl.lock"), "{error}"),
        Ok(lock) => {
            let again = Lock::parse("pawl.lock", &lock.to_text()).expect("what was written is read");
            assert_eq!(again, lock);
            assert_eq!(again.to_text(), lock.to_text());
        }
    }
}
