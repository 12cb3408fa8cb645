//! `--with` of `pawl fork`: what is other in a rehearsal.

use std::path::{Path, PathBuf, absolute};

use pawl_core::Digest;
use pawl_engine::{Rehearse, Replacement};

use crate::fault::Fault;

/// Reads all of `--with`; inputs are put among the settings. Nothing when no rehearsal is wanted.
pub(crate) fn read(
    with: &[String],
    dry: bool,
    settings: &mut Vec<String>,
) -> Result<Option<Rehearse>, Fault> {
    if with.is_empty() && !dry {
        return Ok(None);
    }
    let mut how = Rehearse { dry, ..Rehearse::default() };
    for text in with {
        match text.split_once('=') {
            Some(("agent", agent)) => {
                let (name, replacement) = agent_of(agent)?;
                if how.agents.insert(name.to_owned(), replacement).is_some() {
                    return Err(Fault::usage(format!("--with {text}: the agent '{name}' is given twice")));
                }
            }
            Some(("model", model)) if !model.is_empty() => {
                if how.model.replace(model.to_owned()).is_some() {
                    return Err(Fault::usage(format!("--with {text}: one model stands in for all others")));
                }
            }
            Some(("input", input)) if input.contains('=') => settings.push(format!("inputs.{input}")),
            _ => {
                return Err(Fault::usage(format!("--with {text} says nothing that can be other")).hint(
                    "write agent=NAME, agent=NAME=FILE, agent=NAME=sha256:…, model=NAME or input=NAME=VALUE",
                ));
            }
        }
    }
    Ok(Some(how))
}

fn agent_of(text: &str) -> Result<(&str, Replacement), Fault> {
    let Some((name, place)) = text.split_once('=') else { return Ok((text, Replacement::Current)) };
    if let Some(digest) = place.strip_prefix("sha256:") {
        let digest: Digest = digest.parse().map_err(|_| {
            Fault::usage(format!("'{place}' is not a digest"))
                .hint("write sha256: and the 64 digits that `pawl plugin inspect` shows")
        })?;
        return Ok((name, Replacement::Stored(digest)));
    }
    Ok((name, Replacement::File(file(place)?)))
}

/// As the process that holds the data folder finds it, wherever that one was started.
fn file(place: &str) -> Result<PathBuf, Fault> {
    absolute(Path::new(place)).map_err(|error| Fault::usage(format!("cannot use {place}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_other_is_read_and_inputs_become_settings() {
        let digest = "ab".repeat(32);
        let with =
            ["agent=triage", "agent=writer=/x/w.wasm", "model=local", "input=amount=5=6"].map(str::to_owned);
        let mut settings = vec!["inputs.a=1".to_owned()];
        let how = read(&with, true, &mut settings).unwrap().unwrap();
        assert_eq!(settings, ["inputs.a=1", "inputs.amount=5=6"]);
        assert_eq!(how.model.as_deref(), Some("local"));
        assert!(how.dry);
        assert_eq!(how.agents["triage"], Replacement::Current);
        assert_eq!(how.agents["writer"], Replacement::File("/x/w.wasm".into()));
        let stored = [format!("agent=a=sha256:{digest}")];
        let how = read(&stored, false, &mut settings).unwrap().unwrap();
        assert_eq!(how.agents["a"], Replacement::Stored(digest.parse().unwrap()));
        assert_eq!(read(&[], false, &mut settings).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_other_is_refused() {
        let cases: &[&[&str]] = &[
            &["tool=x"],
            &["model="],
            &["model=a", "model=b"],
            &["agent=a", "agent=a=/b.wasm"],
            &["agent=a=sha256:12"],
            &["input=x"],
            &[""],
        ];
        for case in cases {
            let with: Vec<String> = case.iter().map(|text| (*text).to_owned()).collect();
            assert!(read(&with, false, &mut Vec::new()).is_err(), "{case:?}");
        }
    }
}
