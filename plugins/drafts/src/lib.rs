//! `drafts`: writes a draft, round by round. For a loop in which a person sends it back.

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Write {
    /// What the draft is about.
    topic: String,
    /// Which round this is, from 1.
    round: u32,
    /// What was said about the draft of the round before.
    feedback: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Draft {
    text: String,
    round: u32,
}

fn write(_: &Context, input: Write) -> Result<Draft, Failure> {
    let Write { topic, round, feedback } = input;
    if round == 0 {
        return Err(Failure::invalid_input("rounds are counted from 1"));
    }
    let feedback = feedback.filter(|feedback| !feedback.trim().is_empty());
    let text = match feedback {
        None => format!("Draft {round} about {topic}."),
        Some(feedback) => {
            format!("Draft {round} about {topic}, revised: {}.", feedback.trim().trim_end_matches('.'))
        }
    };
    Ok(Draft { text, round })
}

export_tools![Tool::pure("write", "Writes the next draft, with regard to feedback.", write)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_goes_into_the_next_draft() {
        let text = |round, feedback: Option<&str>| {
            let input = Write { topic: "tides".to_owned(), round, feedback: feedback.map(str::to_owned) };
            write(&Context::default(), input).map(|draft| draft.text)
        };
        assert_eq!(text(1, None).unwrap(), "Draft 1 about tides.");
        assert_eq!(
            text(2, Some("shorter, please. ")).unwrap(),
            "Draft 2 about tides, revised: shorter, please."
        );
        assert_eq!(text(0, None).unwrap_err().kind, FailureKind::InvalidInput);
    }
}
