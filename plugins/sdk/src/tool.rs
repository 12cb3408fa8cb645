use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::{tool_guest, types};
use crate::{Failure, FailureKind, json};

/// Where and why a tool is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The same for every try of this call, across crashes. Hand it to what you call, so that it
    /// can tell a second try from a second order.
    pub idempotency_key: String,
    /// The run's id.
    pub run: String,
    /// The step's id.
    pub step: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Milliseconds since 1970 after which the result is no longer awaited.
    pub deadline_ms: Option<u64>,
}

/// One tool of a plugin: a name, a line for people, an effect class and a typed function.
///
/// The constructor says what may happen after a crash, when nobody knows whether the call had
/// come to an end:
///
/// | constructor | the function | after a crash |
/// |---|---|---|
/// | [`pure`](Tool::pure) | changes nothing outside | is called again |
/// | [`idempotent`](Tool::idempotent) | changes something, once for each [idempotency key](Context::idempotency_key) | is called again |
/// | [`at_most_once`](Tool::at_most_once) | must not be called twice | a person decides |
///
/// Arguments and result are types of yours. Their JSON Schemas are derived from them and stand in
/// the plugin's description; put `#[serde(deny_unknown_fields)]` on them to have misspelt names
/// refused before anything runs. Arguments that do not fit become a failure of kind
/// `invalid-input` that says where, and the function is not called.
pub struct Tool {
    name: &'static str,
    summary: &'static str,
    effect: types::Effect,
    input_schema: fn() -> serde_json::Value,
    output_schema: fn() -> serde_json::Value,
    function: Box<JsonFunction>,
}

/// A tool's function between its JSON Schemas.
type JsonFunction = dyn Fn(&Context, &str) -> Result<String, Failure>;

impl Tool {
    /// A tool that changes nothing outside.
    pub fn pure<I, O, F>(name: &'static str, summary: &'static str, function: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Fn(&Context, I) -> Result<O, Failure> + 'static,
    {
        Self::new(name, summary, types::Effect::Pure, function)
    }

    /// A tool that changes something, but once for each idempotency key.
    pub fn idempotent<I, O, F>(name: &'static str, summary: &'static str, function: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Fn(&Context, I) -> Result<O, Failure> + 'static,
    {
        Self::new(name, summary, types::Effect::Idempotent, function)
    }

    /// A tool that must not be called twice; after a crash in mid-call a person decides.
    ///
    /// A failure that it returns means that it did not happen, and `retry` may call it again. One
    /// that is [ambiguous](Failure::ambiguous), as those of [`http`](crate::http) are once a request
    /// was sent, is not returned: the component stops with its text, and a person is asked.
    pub fn at_most_once<I, O, F>(name: &'static str, summary: &'static str, function: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Fn(&Context, I) -> Result<O, Failure> + 'static,
    {
        Self::new(name, summary, types::Effect::AtMostOnce, function)
    }

    fn new<I, O, F>(name: &'static str, summary: &'static str, effect: types::Effect, function: F) -> Self
    where
        I: DeserializeOwned + JsonSchema,
        O: Serialize + JsonSchema,
        F: Fn(&Context, I) -> Result<O, Failure> + 'static,
    {
        Self {
            name,
            summary,
            effect,
            input_schema: json::input_schema::<I>,
            output_schema: json::output_schema::<O>,
            function: Box::new(move |context, arguments| {
                let what = format!("arguments of `{name}`");
                let input = json::read(arguments, FailureKind::InvalidInput, &what)?;
                let result = function(context, input);
                if effect == types::Effect::AtMostOnce
                    && let Err(failure) = &result
                    && failure.is_ambiguous
                {
                    stop(name, failure);
                }
                json::write(&result?, &format!("the result of `{name}`"))
            }),
        }
    }
}

/// A trap is the one end of a call that says to the host that its outcome is open.
fn stop(name: &str, failure: &Failure) -> ! {
    panic!("nobody knows whether `{name}` has happened, look there before it is tried again: {failure}")
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("effect", &self.effect).finish_non_exhaustive()
    }
}

/// Makes the component's `describe` of its tools.
#[doc(hidden)]
pub fn describe(tools: &[Tool]) -> Vec<tool_guest::ToolDescription> {
    let describe = |tool: &Tool| tool_guest::ToolDescription {
        name: tool.name.to_owned(),
        summary: tool.summary.to_owned(),
        input_schema: (tool.input_schema)().to_string(),
        output_schema: (tool.output_schema)().to_string(),
        effect: tool.effect,
    };
    tools.iter().map(describe).collect()
}

/// Makes the component's `call` of its tools.
#[doc(hidden)]
pub fn call(
    tools: &[Tool],
    context: tool_guest::CallContext,
    name: &str,
    arguments: &str,
) -> Result<String, types::Failure> {
    let context = Context {
        idempotency_key: context.idempotency_key,
        run: context.run,
        step: context.step,
        attempt: context.attempt,
        deadline_ms: context.deadline_ms,
    };
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
        let names: Vec<_> = tools.iter().map(|tool| tool.name).collect();
        let message = format!("there is no tool `{name}`; this plugin has {}", names.join(", "));
        return Err(Failure::invalid_input(message).into());
    };
    Ok((tool.function)(&context, arguments)?)
}

/// Makes a component of the listed [`Tool`]s. Stands once in a plugin.
///
/// ```no_run
/// # fn main() {}
/// use pawl_plugin::prelude::*;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Greet {
///     /// Who is greeted.
///     name: String,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Greeting {
///     text: String,
/// }
///
/// fn greet(_: &Context, input: Greet) -> Result<Greeting, Failure> {
///     Ok(Greeting { text: format!("Good morning, {}.", input.name) })
/// }
///
/// export_tools![Tool::pure("greet", "Greets someone.", greet)];
/// ```
#[macro_export]
macro_rules! export_tools {
    ($($tool:expr),+ $(,)?) => {
        const _: () = {
            use $crate::bindings::{tool_guest, types};

            struct Component;

            impl Component {
                fn tools() -> ::std::vec::Vec<$crate::Tool> {
                    $crate::log_panics();
                    ::std::vec![$($tool),+]
                }
            }

            impl tool_guest::Guest for Component {
                fn describe() -> ::std::vec::Vec<tool_guest::ToolDescription> {
                    $crate::tool::describe(&Component::tools())
                }

                fn call(
                    context: tool_guest::CallContext,
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::std::result::Result<::std::string::String, types::Failure> {
                    $crate::tool::call(&Component::tools(), context, &name, &arguments)
                }
            }

            $crate::bindings::tool::export_tool_world!(Component with_types_in $crate::bindings::tool);
        };
    };
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Input {
        /// What is counted.
        items: Vec<Item>,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Item {
        count: u32,
    }

    #[derive(Serialize, JsonSchema)]
    struct Output {
        sum: u32,
    }

    fn sum(_: &Context, input: Input) -> Result<Output, Failure> {
        Ok(Output { sum: input.items.iter().map(|item| item.count).sum() })
    }

    fn tools() -> Vec<Tool> {
        vec![
            Tool::pure("sum", "Adds up.", sum),
            Tool::at_most_once("pay", "Pays.", |_: &Context, _: Input| {
                Err::<Output, _>(Failure::denied("no").details(json!({ "why": 1 })))
            }),
        ]
    }

    fn call_with(name: &str, arguments: &str) -> Result<String, types::Failure> {
        let context = tool_guest::CallContext {
            idempotency_key: "key".to_owned(),
            run: "run".to_owned(),
            step: "step".to_owned(),
            attempt: 1,
            deadline_ms: None,
        };
        call(&tools(), context, name, arguments)
    }

    fn invalid(name: &str, arguments: &str) -> String {
        let failure = call_with(name, arguments).unwrap_err();
        assert_eq!(failure.kind, types::FailureKind::InvalidInput);
        failure.message
    }

    #[test]
    fn a_description_has_names_effects_and_schemas_without_references() {
        let described = describe(&tools());
        assert_eq!(described.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["sum", "pay"]);
        assert_eq!(described[1].effect, types::Effect::AtMostOnce);
        let schema: Value = serde_json::from_str(&described[0].input_schema).unwrap();
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["properties"]["items"]["description"], json!("What is counted."));
        assert_eq!(schema["properties"]["items"]["items"]["required"], json!(["count"]));
    }

    #[test]
    fn a_call_reaches_its_function_and_the_result_is_json() {
        assert_eq!(call_with("sum", r#"{"items":[{"count":1},{"count":2}]}"#).unwrap(), r#"{"sum":3}"#);
    }

    #[test]
    fn arguments_that_do_not_fit_are_invalid_input_and_say_where() {
        assert_eq!(
            invalid("sum", r#"{"items":[{"count":-1}]}"#),
            "arguments of `sum`: at `items[0].count`: invalid value: integer `-1`, expected u32 at line 1 column 21"
        );
        assert_eq!(
            invalid("sum", r#"{"item":[]}"#),
            "arguments of `sum`: at `item`: unknown field `item`, expected `items` at line 1 column 7"
        );
        assert_eq!(invalid("sum", "{}"), "arguments of `sum`: missing field `items` at line 1 column 2");
    }

    #[test]
    fn an_unknown_tool_is_invalid_input_that_names_those_there_are() {
        assert_eq!(invalid("add", "{}"), "there is no tool `add`; this plugin has sum, pay");
    }

    /// Calls a tool that fails as a request does that was cut off, passed on with `?`.
    fn cut_off(constructor: fn(&'static str, &'static str, Lost) -> Tool) -> Result<String, Failure> {
        let request = || Err::<Output, _>(Failure::transient("POST /pay: cut off").ambiguous());
        let tool = constructor("pay", "Pays.", Box::new(move |_, _| Ok(request()?)));
        (tool.function)(&Context::default(), r#"{"items":[]}"#)
    }

    type Lost = Box<dyn Fn(&Context, Input) -> Result<Output, Failure>>;

    #[test]
    #[should_panic(
        expected = "nobody knows whether `pay` has happened, look there before it is tried again: transient: POST /pay: cut off"
    )]
    fn an_ambiguous_failure_of_an_at_most_once_tool_stops_it() {
        let _ = cut_off(Tool::at_most_once);
    }

    #[test]
    fn an_ambiguous_failure_of_another_tool_is_returned() {
        assert_eq!(cut_off(Tool::idempotent).unwrap_err().kind, FailureKind::Transient);
        assert_eq!(cut_off(Tool::pure).unwrap_err().kind, FailureKind::Transient);
    }

    #[test]
    fn a_failure_keeps_its_kind_and_details() {
        let failure = call_with("pay", r#"{"items":[]}"#).unwrap_err();
        assert_eq!(
            (failure.kind, failure.details.as_deref()),
            (types::FailureKind::Denied, Some(r#"{"why":1}"#))
        );
    }
}
