//! Reviews of a model that says what was prepared.

use pawl_plugin::models::{Finish, Message, Usage};

use super::*;

fn input(more: Value) -> Input {
    let mut input = json!({
        "text": "It is a lamp.",
        "rubric": [{ "criterion": "names its sources", "weight": 3 }, { "criterion": "is short" }],
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(input).unwrap()
}

fn says(scores: &[(&str, f64)]) -> Value {
    let scored = |(criterion, score): &(&str, f64)| json!({ "criterion": criterion, "score": score, "reason": "It is so." });
    json!({ "criteria": scores.iter().map(scored).collect::<Vec<_>>(), "comments": "Name one." })
}

/// What comes of it, and what was asked.
fn run(input: &Input, says: &[Value]) -> (Result<Review, Failure>, Vec<Request>) {
    let mut says = says.iter();
    let mut asked = Vec::new();
    let review = review(input, |_, request| {
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
    (review, asked)
}

#[test]
fn the_score_is_what_the_weights_say() {
    let said = [says(&[("is short", 100.0), ("names its sources", 50.0)])];
    let (review, asked) = run(&input(json!({ "task": "a report" })), &said);
    let review = review.unwrap();
    assert_eq!(
        (review.score, review.verdict, review.comments.as_str()),
        (62.5, Verdict::Revise, "Name one.")
    );
    let names: Vec<_> = review.criteria.iter().map(|scored| scored.criterion.as_str()).collect();
    assert_eq!(names, ["names its sources", "is short"]);
    let messages = serde_json::to_value(&asked[0].messages).unwrap();
    let system = messages[0]["text"].as_str().unwrap();
    assert!(system.contains("was to be: a report") && system.contains("\n- is short"), "{system}");
    assert_eq!(messages[1]["text"], "It is a lamp.");
}

#[test]
fn the_verdict_is_drawn_at_the_score_that_was_asked_for() {
    for (pass_at, verdict) in [(62.5, Verdict::Pass), (62.6, Verdict::Revise), (0.0, Verdict::Pass)] {
        let said = [says(&[("names its sources", 50.0), ("is short", 100.0)])];
        let (review, _) = run(&input(json!({ "pass_at": pass_at })), &said);
        assert_eq!(review.unwrap().verdict, verdict, "{pass_at}");
    }
}

#[test]
fn the_largest_and_smallest_weights_still_give_a_score() {
    for weight in [f64::MAX, f64::MIN_POSITIVE] {
        let rubric = json!([{ "criterion": "a", "weight": weight }, { "criterion": "b", "weight": weight }]);
        let (review, _) = run(&input(json!({ "rubric": rubric })), &[says(&[("a", 0.0), ("b", 100.0)])]);
        assert!((review.unwrap().score - 50.0).abs() < 0.01, "{weight}");
    }
}

#[test]
fn a_review_that_does_not_fit_the_rubric_is_asked_again_and_bounded() {
    let wrong = [
        says(&[("is short", 100.0)]),
        says(&[("is short", 101.0), ("names its sources", 1.0)]),
        says(&[("is short", 1.0), ("is kind", 1.0)]),
        says(&[("is short", 1.0), ("is short", 2.0)]),
    ];
    let good = says(&[("is short", 1.0), ("names its sources", 1.0)]);
    let said: Vec<_> = wrong.iter().chain([&good]).cloned().collect();
    let (review, asked) = run(&input(json!({ "max_mistakes": 4 })), &said);
    assert_eq!(review.unwrap().score.to_string(), "1");
    let told = serde_json::to_string(&asked[4].messages).unwrap();
    for part in ["at least 2 items", "at most 100", "must be one of", "is not scored, and another one twice"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (review, asked) = run(&input(json!({})), &said);
    assert!(review.unwrap_err().message.contains("gave 3 answers that do not fit"));
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_rubric_that_is_none_is_refused_before_anything_is_asked() {
    let criterion = |name: &str, weight: f64| json!({ "criterion": name, "weight": weight });
    let many: Vec<_> = (0..=CRITERIA_MAX).map(|at| criterion(&at.to_string(), 1.0)).collect();
    for (more, part) in [
        (json!({ "rubric": [] }), "0 criteria"),
        (json!({ "rubric": many }), "33 criteria"),
        (json!({ "rubric": [criterion("a", 1.0), criterion("a", 1.0)] }), "\"a\" twice"),
        (json!({ "rubric": [criterion(" ", 1.0)] }), "is empty"),
        (json!({ "rubric": [criterion("a", 0.0)] }), "must be above 0"),
        (json!({ "rubric": [criterion("a", -1.0)] }), "must be above 0"),
        (json!({ "pass_at": 100.5 }), "from 0 to 100"),
    ] {
        let (review, asked) = run(&input(more), &[]);
        let failure = review.unwrap_err();
        assert!(failure.message.contains(part), "{failure}");
        assert_eq!((failure.kind, asked.len()), (FailureKind::InvalidInput, 0));
    }
}
