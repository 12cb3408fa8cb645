//! Choices of a model that says what was prepared.

use pawl_plugin::models::{Finish, Message, Usage};

use super::*;

fn input(more: Value) -> Input {
    let mut input = json!({
        "task": "My lamp never came.",
        "choices": [{ "id": "refund", "summary": "Money back." }, { "id": "track", "summary": "Find a parcel." }],
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(input).unwrap()
}

/// What comes of it, and what was asked.
fn run(input: &Input, says: &[Value]) -> (Result<Chosen, Failure>, Vec<Request>) {
    let mut says = says.iter();
    let mut asked = Vec::new();
    let chosen = choose(input, |_, request| {
        asked.push(request.clone());
        let text = says.next().ok_or_else(|| Failure::transient("nothing more was prepared"))?.to_string();
        Ok(Answer {
            message: Message::Assistant { text, tool_calls: Vec::new() },
            finish: Finish::Stop,
            usage: Usage { input_tokens: 10, output_tokens: 1 },
            model: "m".to_owned(),
            profile: "default".to_owned(),
        })
    });
    (chosen, asked)
}

#[test]
fn one_of_the_choices_is_taken_and_said_why() {
    let says = [json!({ "choice": "track", "reason": "A parcel is missing." })];
    let (chosen, asked) = run(&input(json!({ "instructions": "Be kind." })), &says);
    let reason = "A parcel is missing.".to_owned();
    assert_eq!(
        chosen.unwrap(),
        Chosen { choice: "track".to_owned(), reason, input_tokens: 10, output_tokens: 1 }
    );
    let messages = serde_json::to_value(&asked[0].messages).unwrap();
    let system = messages[0]["text"].as_str().unwrap();
    assert!(system.contains("- track: Find a parcel.") && system.ends_with("Be kind."), "{system}");
    assert_eq!(messages[1]["text"], "My lamp never came.");
}

#[test]
fn what_is_none_of_the_choices_is_asked_again_and_bounded() {
    let wrong = json!({ "choice": "escalate", "reason": "Why not?" });
    let right = json!({ "choice": "refund", "reason": "Money." });
    let (chosen, asked) = run(&input(json!({})), &[wrong.clone(), json!({ "choice": "refund" }), right]);
    assert_eq!(chosen.unwrap().choice, "refund");
    let told = serde_json::to_string(&asked[2].messages).unwrap();
    assert!(told.contains("must be one of") && told.contains("needs the field"), "{told}");
    let (chosen, asked) = run(&input(json!({ "max_mistakes": 1 })), &[wrong.clone(), wrong.clone(), wrong]);
    let failure = chosen.unwrap_err();
    assert!(failure.message.contains("gave 2 answers that do not fit"), "{failure}");
    assert_eq!(asked.len(), 2);
}

#[test]
fn a_single_choice_needs_no_model() {
    let (chosen, asked) = run(&input(json!({ "choices": [{ "id": "a", "summary": "" }] })), &[]);
    assert_eq!((chosen.unwrap().choice.as_str(), asked.len()), ("a", 0));
}

#[test]
fn choices_that_are_none_are_refused_before_anything_is_asked() {
    let choice = |id: &str| json!({ "id": id, "summary": "" });
    let many: Vec<_> = (0..=CHOICES_MAX).map(|at| choice(&at.to_string())).collect();
    for (choices, part) in [
        (json!([]), "0 choices"),
        (json!(many), "65 choices"),
        (json!([choice("a"), choice("a")]), "two choices \"a\""),
        (json!([choice("a"), choice("")]), "1 to 64 bytes"),
        (json!([choice("a"), choice(&"x".repeat(CHOICE_ID_MAX_BYTES + 1))]), "1 to 64 bytes"),
    ] {
        let (chosen, asked) = run(&input(json!({ "choices": choices })), &[]);
        let failure = chosen.unwrap_err();
        assert!(failure.message.contains(part), "{failure}");
        assert_eq!((failure.kind, asked.len()), (FailureKind::InvalidInput, 0));
    }
}
