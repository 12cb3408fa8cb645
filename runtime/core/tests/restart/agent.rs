//! The agents of the generated workflows.

use pawl_core::call::{CallRequest, LogLevel, Question};
use pawl_core::state::CallProgress;
use pawl_core::{AnsweredCall, CallPlace, Command, Duration, VisitId};
use serde_json::{Value, json};

use super::World;

impl World {
    /// An agent in straight-line code: log, tool, question, model, sleep, three tools together, a signal
    /// that never comes, another agent, tool, done. That agent calls a tool and hands over to one that calls another.
    pub(super) fn agent(&mut self, visit: VisitId, attempt: u32, name: &str) {
        let act = |n: u32| CallRequest::Tool { name: "world.act".into(), arguments: json!({ "n": n }) };
        let last = |n: u32| CallRequest::Tool { name: self.last_tool.into(), arguments: json!({ "n": n }) };
        let asked = Question {
            title: "Shall I?".into(),
            to: Vec::new(),
            actions: vec!["yes".into(), "no".into()],
            form: None,
            subject: None,
            due: None,
            on_timeout: None,
            terms: pawl_core::terms::Terms::default(),
        };
        let helper = CallRequest::Agent { name: "helper".into(), task: json!({ "n": 7 }) };
        let own = [
            vec![CallRequest::Log { level: LogLevel::Info, message: "begin".into() }],
            vec![act(1)],
            vec![CallRequest::Human(Box::new(asked))],
            vec![CallRequest::Model { profile: "m".into(), request: json!({}) }],
            vec![CallRequest::Sleep { duration: Duration(50) }],
            vec![last(3), act(4), last(5)],
            vec![CallRequest::Signal { name: "go".into(), due: Some(Duration(40)) }],
            vec![helper],
            vec![last(2)],
        ];
        let rounds = match name {
            "thinker" => own.to_vec(),
            "helper" => vec![vec![last(6)]],
            _ => vec![vec![act(8)]],
        };
        let recorded = self.state.visit(visit).map(|at| at.calls.clone()).unwrap_or_default();
        let (mut silent, mut first) = (Vec::new(), 1);
        for round in rounds {
            let next = first + u32::try_from(round.len()).expect("small");
            let numbered: Vec<_> = (first..).zip(round).collect();
            // Those that are made together end in any order, here the last one first.
            for (call, mut request) in numbered.into_iter().rev() {
                match recorded.get(call).map(|state| (&state.progress, state.digest)) {
                    Some((CallProgress::Answered { .. }, digest)) => {
                        assert_eq!(digest, request.digest());
                        continue;
                    }
                    // What is made is what a person allowed.
                    Some((CallProgress::Cleared(cleared), _)) => request = cleared.clone(),
                    None => {}
                    Some(_) => return,
                }
                if request.is_silent() {
                    silent.push(AnsweredCall { call, request, response: Ok(Value::Null) });
                    continue;
                }
                // One call, one commit at least; then the simulation looks at the effects again.
                return self.call(CallPlace { visit, attempt, call, first }, request, silent);
            }
            first = next;
        }
        if name == "helper" {
            let (to, input) = ("closer".to_owned(), json!({}));
            return self.command(Command::HandOver { visit, attempt, to, input, silent });
        }
        let result = Ok(json!({ "calls": recorded.last() }));
        self.command(Command::EndAttempt { visit, attempt, result, silent, log: Vec::new() });
    }
}
