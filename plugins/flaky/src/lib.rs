//! `flaky`: fails as often as it is asked to, then answers. For trying out `retry`.

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetch {
    /// What to fetch; comes back as it is.
    key: String,
    /// How many attempts fail before one succeeds.
    fail_times: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fetched {
    key: String,
    /// The attempt that succeeded, from 1.
    attempt: u32,
}

fn fetch(context: &Context, input: Fetch) -> Result<Fetched, Failure> {
    let attempt = context.attempt;
    if attempt <= input.fail_times {
        let message = format!("attempt {attempt} fails, as the first {} do", input.fail_times);
        return Err(Failure::transient(message));
    }
    Ok(Fetched { key: input.key, attempt })
}

export_tools![Tool::pure("fetch", "Fails a given number of times, then answers.", fetch)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_fail_until_enough_have() {
        let fetch_at = |attempt| {
            let context = Context { attempt, ..Context::default() };
            fetch(&context, Fetch { key: "k".to_owned(), fail_times: 2 })
        };
        assert_eq!(fetch_at(1).unwrap_err().kind, FailureKind::Transient);
        assert_eq!(fetch_at(2).unwrap_err().kind, FailureKind::Transient);
        assert_eq!(fetch_at(3).unwrap().attempt, 3);
    }
}
