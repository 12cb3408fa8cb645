//! The loop against a world that says what was prepared.

use std::collections::{BTreeMap, VecDeque};

use pawl_plugin::models::{Offer, Usage};

use super::*;
use crate::offers::{ASK_PERSON, TOOLS_MAX};

mod colleagues;
mod growing;
mod remembering;

#[derive(Default)]
struct Prepared {
    tools: Vec<Offer>,
    has_people: bool,
    has_agents: bool,
    answers: VecDeque<Answer>,
    /// What each call of a tool gives.
    results: VecDeque<Result<Value, Failure>>,
    asked: Vec<Request>,
    /// The same for summaries.
    summaries: VecDeque<Answer>,
    summed: Vec<Request>,
    called: Vec<Vec<(String, Value)>>,
    questions: Vec<String>,
    /// Tasks of other agents.
    tasks: Vec<(String, Value)>,
    /// What those give.
    done: VecDeque<Result<Value, Failure>>,
    memory: BTreeMap<String, Value>,
}

impl World for Prepared {
    fn tools(&mut self) -> Vec<Offer> {
        self.tools.clone()
    }

    fn has_people(&mut self) -> bool {
        self.has_people
    }

    fn has_agents(&mut self) -> bool {
        self.has_agents
    }

    fn agents(&mut self) -> Vec<(String, String)> {
        vec![("refunds".to_owned(), "Says that it pays back.".to_owned())]
    }

    fn chat(&mut self, model: &str, request: &Request) -> Result<Answer, Failure> {
        assert_eq!(model, "default");
        if matches!(&request.messages[0], Message::System { text } if text.contains("older part")) {
            self.summed.push(request.clone());
            return self.summaries.pop_front().ok_or_else(|| Failure::transient("no summary was prepared"));
        }
        self.asked.push(request.clone());
        self.answers.pop_front().ok_or_else(|| Failure::transient("nothing more was prepared"))
    }

    fn call(&mut self, calls: Vec<(String, Value)>) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let results = calls.iter().filter_map(|_| self.results.pop_front()).collect();
        self.called.push(calls);
        Ok(results)
    }

    fn delegate(&mut self, agent: &str, task: &Value) -> Result<Value, Failure> {
        self.tasks.push((agent.to_owned(), task.clone()));
        self.done.pop_front().ok_or_else(|| Failure::transient("nothing more was prepared"))?
    }

    fn recall(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        Ok(self.memory.get(key).cloned())
    }

    fn keep(&mut self, key: &str, value: &Value) -> Result<(), Failure> {
        self.memory.insert(key.to_owned(), value.clone());
        Ok(())
    }

    fn ask(&mut self, question: &str) -> Result<Value, Failure> {
        self.questions.push(question.to_owned());
        Ok(json!({ "action": "answer", "answer": "blue", "by": "user:ann" }))
    }
}

fn answer(text: &str, calls: &[(&str, Value)]) -> Answer {
    let call = |(at, (name, arguments)): (usize, &(&str, Value))| ToolCall {
        id: at.to_string(),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    };
    let tool_calls: Vec<_> = calls.iter().enumerate().map(call).collect();
    let finish = if calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
    Answer {
        message: Message::Assistant { text: text.to_owned(), tool_calls },
        finish,
        usage: Usage { input_tokens: 10, output_tokens: 1 },
        model: "m".to_owned(),
        profile: "default".to_owned(),
    }
}

fn lookup() -> Vec<Offer> {
    vec![Offer { name: "orders.lookup".to_owned(), summary: String::new(), input_schema: json!({}) }]
}

/// A task that is not handed over.
fn run(world: &mut Prepared, input: Value) -> Result<Report, Failure> {
    match outcome(world, input)? {
        Outcome::Completed(report) => Ok(report),
        Outcome::Handoff { agent, .. } => panic!("it was handed over to {agent}"),
    }
}

fn outcome(world: &mut Prepared, input: Value) -> Result<Outcome<Report>, Failure> {
    let input: Input = serde_json::from_value(input).unwrap();
    let shape = input.output.clone().map(Shape::new).transpose()?;
    Conversation::new(world, input, shape)?.run()
}

/// Whether every call of a request is answered right after it, as hosts and providers want it.
fn assert_whole(request: &Request) {
    let begin = request.messages.iter().position(|message| !matches!(message, Message::System { .. }));
    let mut said = request.messages[begin.unwrap()..].to_vec();
    said.push(Message::Assistant { text: String::new(), tool_calls: Vec::new() });
    turns::check(&said).unwrap();
}

fn told(request: &Request, at: usize) -> &str {
    match &request.messages[at] {
        Message::Tool { text, .. } | Message::User { text } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_task_without_tools_is_one_question() {
    let mut world = Prepared { answers: [answer("Because.", &[])].into(), ..Prepared::default() };
    let report =
        run(&mut world, json!({ "task": { "ask": "why" }, "instructions": "Be brief.", "temperature": 0.5 }));
    let report = report.unwrap();
    assert_eq!((&report.answer, report.rounds, report.input_tokens), (&json!("Because."), 1, 10));
    let request = &world.asked[0];
    assert_eq!(request.messages, [Message::system("Be brief."), Message::user("{\"ask\":\"why\"}")]);
    assert!(request.tools.is_empty() && request.temperature == Some(0.5));
}

#[test]
fn calls_of_a_message_are_made_together_and_answered_in_order() {
    let (one, two) = (json!({ "id": 1 }), json!({ "id": 2 }));
    let calls = [("orders.lookup", one.clone()), ("orders.lookup", two.clone())];
    let mut world = Prepared {
        tools: lookup(),
        answers: [answer("I look.", &calls), answer("Both are here.", &[])].into(),
        results: [Ok(json!({ "amount": 4 })), Err(Failure::transient("closed"))].into(),
        ..Prepared::default()
    };
    let report = run(&mut world, json!({ "task": "Where are they?" })).unwrap();
    assert_eq!((&report.answer, report.rounds, report.output_tokens), (&json!("Both are here."), 2, 2));
    let name = || "orders.lookup".to_owned();
    assert_eq!(world.called, [vec![(name(), one), (name(), two)]]);
    let request = &world.asked[1];
    assert_eq!(told(request, 2), "{\"amount\":4}");
    assert_eq!(told(request, 3), "error: transient: closed");
}

#[test]
fn mistakes_are_told_to_the_model_and_bounded() {
    let wrong = || answer("", &[("orders.lokup", json!({})), ("orders.lookup", json!("{broken"))]);
    let mut world = Prepared {
        tools: lookup(),
        answers: [wrong(), answer("", &[("orders.lookup", json!({}))]), answer("done", &[])].into(),
        results: [Err(Failure::invalid_input("the arguments do not fit: `id` is missing"))].into(),
        ..Prepared::default()
    };
    assert_eq!(run(&mut world, json!({ "task": "x", "max_mistakes": 3 })).unwrap().answer, "done");
    let last = &world.asked[2];
    assert_eq!(told(last, 2), "error: there is no tool 'orders.lokup'; there are: orders.lookup");
    assert_eq!(told(last, 3), "error: the arguments are no JSON object");
    assert_eq!(told(last, 5), "error: invalid-input: the arguments do not fit: `id` is missing");
    let mut world =
        Prepared { tools: lookup(), answers: [wrong(), wrong(), wrong()].into(), ..Prepared::default() };
    let failure = run(&mut world, json!({ "task": "x", "max_mistakes": 3 })).unwrap_err();
    assert!(failure.message.contains("made 4 mistakes, and `max_mistakes` is 3"), "{failure}");
    assert_eq!(world.asked.len(), 2);
}

#[test]
fn a_model_that_never_answers_ends_at_its_rounds() {
    let endless = || answer("", &[("orders.lookup", json!({}))]);
    let mut world = Prepared {
        tools: lookup(),
        answers: (0..9).map(|_| endless()).collect(),
        results: (0..9).map(|_| Ok(json!(1))).collect(),
        ..Prepared::default()
    };
    let failure = run(&mut world, json!({ "task": "x", "max_rounds": 3 })).unwrap_err();
    assert!(failure.message.contains("in 3 rounds"), "{failure}");
    assert_eq!(world.asked.len(), 3);
}

#[test]
fn an_answer_has_the_shape_that_was_asked_for() {
    let output = json!({ "total": "number" });
    let mut world =
        Prepared { answers: [answer("4", &[]), answer("{\"total\": 4}", &[])].into(), ..Prepared::default() };
    let report = run(&mut world, json!({ "task": "x", "output": output })).unwrap();
    assert_eq!((&report.answer, report.rounds), (&json!({ "total": 4 }), 2));
    assert!(
        told(&world.asked[1], 2).starts_with("Your answer does not fit: the answer must be of type object")
    );
    assert_eq!(world.asked[0].response_schema.as_ref().unwrap()["required"], json!(["total"]));
    let mut world = Prepared { answers: (0..9).map(|_| answer("no", &[])).collect(), ..Prepared::default() };
    let failure = run(&mut world, json!({ "task": "x", "output": output, "max_mistakes": 1 })).unwrap_err();
    assert!(failure.message.contains("does not fit `output`"), "{failure}");
}

#[test]
fn people_are_asked_where_that_is_granted() {
    let mut world = Prepared {
        has_people: true,
        answers: [
            answer("", &[(ASK_PERSON, json!({})), (ASK_PERSON, json!({ "question": "Which colour?" }))]),
            answer("Blue it is.", &[]),
        ]
        .into(),
        ..Prepared::default()
    };
    run(&mut world, json!({ "task": "x" })).unwrap();
    assert_eq!(world.questions, ["Which colour?"]);
    assert_eq!(told(&world.asked[1], 2), "error: the arguments need `question`, a text");
    assert!(told(&world.asked[1], 3).contains("\"answer\":\"blue\""));
    let mut world = Prepared {
        answers: [answer("", &[(ASK_PERSON, json!({ "question": "?" }))]), answer("ok", &[])].into(),
        ..Prepared::default()
    };
    run(&mut world, json!({ "task": "x" })).unwrap();
    assert_eq!(told(&world.asked[1], 2), "error: there is no tool 'ask_person'; there are: none");
}

#[test]
fn an_answer_that_was_cut_or_held_back_is_none() {
    for (finish, part) in [(Finish::Length, "cut off"), (Finish::Filter, "held its answer back")] {
        let cut = Answer { finish, ..answer("half", &[]) };
        let mut world = Prepared { answers: [cut].into(), ..Prepared::default() };
        let failure = run(&mut world, json!({ "task": "x" })).unwrap_err();
        assert!(failure.message.contains(part), "{failure}");
    }
}

#[test]
fn results_are_cut_and_tools_are_counted() {
    assert_eq!(shown(&json!("a text")), "a text");
    let cut = shown(&json!("ä".repeat(RESULT_MAX_BYTES)));
    assert!(cut.len() < RESULT_MAX_BYTES + 100 && cut.ends_with("bytes)"), "{}", cut.len());
    let mut world =
        Prepared { tools: (0..=TOOLS_MAX).flat_map(|_| lookup()).collect(), ..Prepared::default() };
    let failure = run(&mut world, json!({ "task": "x" })).unwrap_err();
    assert!(failure.message.contains("129 tools"), "{failure}");
}
