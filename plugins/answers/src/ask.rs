//! One question whose answer must have a shape.

use pawl_plugin::models::{Answer, Finish, Message, Request};
use pawl_plugin::prelude::*;

use crate::Shape;

/// A question to a model, and what its answer must be.
#[derive(Debug)]
pub struct Asking<'a> {
    /// The model, as the step grants it.
    pub model: &'a str,
    /// What holds throughout.
    pub instructions: String,
    /// What is asked.
    pub question: String,
    /// What the answer must be.
    pub shape: &'a Shape,
    /// How many answers may not fit before it is given up.
    pub max_mistakes: u32,
}

/// An answer that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Given<T> {
    /// What was made of it.
    pub value: T,
    /// Tokens that the model read, all questions together.
    pub input_tokens: u64,
    /// Tokens that it wrote.
    pub output_tokens: u64,
}

impl Asking<'_> {
    /// Asks until an answer has the shape and `read` makes something of it.
    ///
    /// What is wrong with an answer is said to the model in the words of `read`.
    pub fn run<T>(
        self,
        mut chat: impl FnMut(&str, &Request) -> Result<Answer, Failure>,
        read: impl Fn(Value) -> Result<T, String>,
    ) -> Result<Given<T>, Failure> {
        let mut request = Request {
            messages: vec![Message::system(self.instructions), Message::user(self.question)],
            response_schema: Some(self.shape.schema().clone()),
            ..Request::default()
        };
        let (mut input_tokens, mut output_tokens, mut mistakes) = (0, 0, 0);
        loop {
            let answer = chat(self.model, &request)?;
            input_tokens += answer.usage.input_tokens;
            output_tokens += answer.usage.output_tokens;
            whole(&answer)?;
            let wrong = match self.shape.read(answer.text()).and_then(&read) {
                Ok(value) => return Ok(Given { value, input_tokens, output_tokens }),
                Err(wrong) => wrong,
            };
            mistakes += 1;
            log::warn!("the model's answer does not fit: {wrong}");
            if mistakes > self.max_mistakes {
                return Err(Failure::permanent(format!(
                    "the model gave {mistakes} answers that do not fit, and `max_mistakes` is {}; the last: {wrong}",
                    self.max_mistakes
                )));
            }
            // Calls that it made up would have to be answered; its words are what it is told about.
            let said = Message::Assistant { text: answer.text().to_owned(), tool_calls: Vec::new() };
            request.messages.extend([said, again(&wrong)]);
        }
    }
}

/// Tells a model what is wrong with its answer.
pub fn again(wrong: &str) -> Message {
    Message::user(format!("Your answer does not fit: {wrong}. Answer again, with JSON and nothing else."))
}

/// Whether the model came to the end of its answer.
pub fn whole(answer: &Answer) -> Result<(), Failure> {
    match answer.finish {
        Finish::Length => Err(Failure::permanent(
            "the model's answer was cut off at its length; raise `max_tokens`, or ask for less",
        )),
        Finish::Filter => Err(Failure::permanent("the model's provider held its answer back")),
        Finish::Stop | Finish::ToolCalls | Finish::Other => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use pawl_plugin::models::Usage;

    use super::*;

    fn answer(text: &str, finish: Finish) -> Answer {
        Answer {
            message: Message::Assistant { text: text.to_owned(), tool_calls: Vec::new() },
            finish,
            usage: Usage { input_tokens: 10, output_tokens: 1 },
            model: "m".to_owned(),
            profile: "default".to_owned(),
        }
    }

    /// What came of the prepared answers, and what was asked.
    fn run(answers: &[(&str, Finish)], max_mistakes: u32) -> (Result<Given<u64>, Failure>, Vec<Request>) {
        let shape = Shape::new(json!({ "n": "integer" })).unwrap();
        let (instructions, question) = ("Count.".to_owned(), "How many?".to_owned());
        let asking = Asking { model: "default", instructions, question, shape: &shape, max_mistakes };
        let mut answers: VecDeque<_> = answers.iter().collect();
        let mut asked = Vec::new();
        let chat = |model: &str, request: &Request| {
            assert_eq!(model, "default");
            asked.push(request.clone());
            let (text, finish) =
                answers.pop_front().ok_or_else(|| Failure::transient("nothing more was prepared"))?;
            Ok(answer(text, *finish))
        };
        let read = |value: Value| value["n"].as_u64().ok_or_else(|| "`n` is less than nothing".to_owned());
        (asking.run(chat, read), asked)
    }

    #[test]
    fn an_answer_that_does_not_fit_goes_back_with_the_reason() {
        let (given, asked) =
            run(&[("three", Finish::Stop), ("{\"n\": -3}", Finish::Stop), ("{\"n\": 3}", Finish::Stop)], 2);
        assert_eq!(given.unwrap(), Given { value: 3, input_tokens: 30, output_tokens: 3 });
        assert_eq!(asked[0].messages, [Message::system("Count."), Message::user("How many?")]);
        assert_eq!(asked[0].response_schema.as_ref().unwrap()["required"], json!(["n"]));
        assert_eq!(asked[2].messages.len(), 6);
        let told = |at: usize| serde_json::to_string(&asked[2].messages[at]).unwrap();
        assert!(told(3).contains("it is no JSON") && told(5).contains("less than nothing"));
    }

    #[test]
    fn asking_again_has_an_end() {
        for max in [0, 2] {
            let (given, asked) = run(&[("no", Finish::Stop); 9], max);
            let failure = given.unwrap_err();
            let part = format!("gave {} answers that do not fit, and `max_mistakes` is {max}", max + 1);
            assert!(failure.message.contains(&part), "{failure}");
            assert_eq!(asked.len(), max as usize + 1);
        }
    }

    #[test]
    fn what_is_no_whole_answer_and_what_fails_is_not_asked_again() {
        for finish in [Finish::Length, Finish::Filter] {
            let (given, asked) = run(&[("{\"n\": 3}", finish)], 2);
            assert_eq!((given.unwrap_err().kind, asked.len()), (FailureKind::Permanent, 1));
        }
        assert_eq!(run(&[], 2).0.unwrap_err().kind, FailureKind::Transient);
    }
}
