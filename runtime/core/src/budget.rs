//! What budgets count, in whole numbers: tokens, calls, money in millionths, time in milliseconds.
//!
//! Nothing here is a float: sums of money stay exact, and a fold gives the same sum everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use crate::call::{CallRequest, CallResponse};
use crate::chat::{UNHEARD, Usage};
use crate::{Duration, value_bytes};

/// How many bytes of a request are taken for a token, before its model says how many it has read.
pub const BUDGET_TOKEN_BYTES: u64 = 4;
/// The parts of one unit of money that are counted.
pub const MONEY_PARTS: u64 = 1_000_000;
/// How many tokens a price is for.
const PRICE_TOKENS: u128 = 1_000_000;
/// The most digits behind the point of an amount of money: as many as there are parts.
const MONEY_DIGITS: usize = 6;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// What models read and write.
    Tokens,
    /// Calls of models and tools together.
    Calls,
    /// Calls of models.
    ModelCalls,
    /// Calls of tools.
    ToolCalls,
    /// The time that these calls take, added up, in milliseconds.
    Duration,
    /// What models cost, in millionths.
    Money,
}

impl Dimension {
    /// All of them, in the order of the reference.
    pub const ALL: [Self; 6] =
        [Self::Tokens, Self::Calls, Self::ModelCalls, Self::ToolCalls, Self::Duration, Self::Money];

    /// The name as it stands in workflows, forms and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Calls => "calls",
            Self::ModelCalls => "model_calls",
            Self::ToolCalls => "tool_calls",
            Self::Duration => "duration",
            Self::Money => "money",
        }
    }

    /// An amount as people write it: `20000`, `10m`, `0.5`.
    pub fn written(self, amount: u64) -> String {
        match self {
            Self::Tokens | Self::Calls | Self::ModelCalls | Self::ToolCalls => amount.to_string(),
            Self::Duration => Duration(amount).to_string(),
            Self::Money => money_text(amount),
        }
    }

    /// An amount as JSON has it: a number, or the text of a duration.
    pub fn to_json(self, amount: u64) -> Value {
        match self {
            Self::Tokens | Self::Calls | Self::ModelCalls | Self::ToolCalls => json!(amount),
            Self::Duration => json!(self.written(amount)),
            // Shown only: it is counted in whole parts.
            Self::Money => serde_json::from_str(&money_text(amount)).unwrap_or_default(),
        }
    }

    /// What a value of a form means, if it is an amount and more than nothing.
    pub fn from_json(self, value: &Value) -> Option<u64> {
        let amount = match self {
            Self::Tokens | Self::Calls | Self::ModelCalls | Self::ToolCalls => value.as_u64()?,
            Self::Duration => value.as_str()?.parse::<Duration>().ok()?.0,
            Self::Money => match value {
                Value::Number(number) => money(number)?,
                Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                    return None;
                }
            },
        };
        (amount > 0).then_some(amount)
    }
}

/// How much of each thing. What is not named is not limited, or was not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amounts(BTreeMap<Dimension, u64>);

impl Amounts {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much of one thing, where it is named.
    pub fn get(&self, dimension: Dimension) -> Option<u64> {
        self.0.get(&dimension).copied()
    }

    /// How much of one thing was used.
    pub fn used(&self, dimension: Dimension) -> u64 {
        self.get(dimension).unwrap_or_default()
    }

    /// Each thing that is named.
    pub fn iter(&self) -> impl Iterator<Item = (Dimension, u64)> {
        self.0.iter().map(|(dimension, amount)| (*dimension, *amount))
    }

    /// Names a thing.
    pub fn set(&mut self, dimension: Dimension, amount: u64) {
        self.0.insert(dimension, amount);
    }

    /// The same with this much of a thing; nothing of it is not named.
    #[must_use]
    pub fn with(mut self, dimension: Dimension, amount: u64) -> Self {
        if amount > 0 {
            self.set(dimension, amount);
        }
        self
    }

    /// Adds what was used.
    pub fn add(&mut self, other: &Self) {
        for (dimension, amount) in other.iter() {
            let sum = self.0.entry(dimension).or_default();
            *sum = sum.saturating_add(amount);
        }
    }

    /// Takes back what was not used after all.
    pub fn take(&mut self, other: &Self) {
        for (dimension, amount) in other.iter() {
            let sum = self.0.entry(dimension).or_default();
            *sum = sum.saturating_sub(amount);
        }
    }

    /// The narrower of two limits of each thing.
    #[must_use]
    pub fn narrowed(mut self, other: &Self) -> Self {
        for (dimension, limit) in other.iter() {
            let own = self.0.entry(dimension).or_insert(limit);
            *own = limit.min(*own);
        }
        self
    }
}

impl FromIterator<(Dimension, u64)> for Amounts {
    fn from_iter<T: IntoIterator<Item = (Dimension, u64)>>(amounts: T) -> Self {
        Self(amounts.into_iter().collect())
    }
}

/// What a million tokens of a model cost, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of what it reads.
    pub input: u64,
    /// Of what it writes.
    pub output: u64,
}

impl Price {
    /// What so many tokens cost, the last part rounded up.
    pub fn of(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let cost = |tokens: u64, price: u64| u128::from(tokens).saturating_mul(u128::from(price));
        let both = cost(input_tokens, self.input).saturating_add(cost(output_tokens, self.output));
        u64::try_from(both.div_ceil(PRICE_TOKENS)).unwrap_or(u64::MAX)
    }
}

/// The prices that a run counts with, by the names of models.
pub type Prices = BTreeMap<String, Price>;

/// One call of a tool.
pub fn tool_call() -> Amounts {
    [(Dimension::Calls, 1), (Dimension::ToolCalls, 1)].into_iter().collect()
}

/// What a call may use at most, as far as that can be told before it is made.
pub fn before(request: &CallRequest, prices: &Prices) -> Amounts {
    let CallRequest::Model { profile, request } = request else { return tool_call() };
    let output = request.get("max_tokens").and_then(Value::as_u64).unwrap_or_default();
    asked(prices.get(profile), tokens_in(request), output)
}

/// What a call has used.
pub fn after(request: &CallRequest, response: &CallResponse, reserved: &Amounts, prices: &Prices) -> Amounts {
    let CallRequest::Model { profile, request } = request else { return tool_call() };
    let unheard = match response {
        Ok(answer) => answer.get(UNHEARD),
        Err(failure) => failure.details.as_ref().and_then(|details| details.get(UNHEARD)),
    };
    let mut spent = match response {
        Ok(answer) => {
            let usage = answer.get("usage").cloned().and_then(|usage| serde_json::from_value(usage).ok());
            let Usage { input_tokens, output_tokens } = usage.unwrap_or_default();
            // A server that does not say what it read and wrote did so all the same.
            let input = if input_tokens == 0 { tokens_in(request) } else { input_tokens };
            let said = answer.get("message").map(tokens_in).unwrap_or_default();
            let output = if output_tokens == 0 { said } else { output_tokens };
            let by = answer.get("profile").and_then(Value::as_str).unwrap_or(profile);
            asked(prices.get(by).or_else(|| prices.get(profile)), input, output)
        }
        // It may have been answered, and nobody heard.
        Err(failure) if failure.kind.leaves_outcome_open() => reserved.clone(),
        Err(_) => asked(None, 0, 0),
    };
    // Tries that may have been answered, which nobody heard: each as much as was reserved for one.
    let tries = unheard.and_then(Value::as_u64).unwrap_or_default();
    for dimension in [Dimension::Tokens, Dimension::Money] {
        let each = reserved.used(dimension).saturating_mul(tries);
        spent.add(&Amounts::default().with(dimension, each));
    }
    spent
}

fn asked(price: Option<&Price>, input: u64, output: u64) -> Amounts {
    let money = price.map_or(0, |price| price.of(input, output));
    Amounts::default()
        .with(Dimension::Tokens, input.saturating_add(output))
        .with(Dimension::Calls, 1)
        .with(Dimension::ModelCalls, 1)
        .with(Dimension::Money, money)
}

fn tokens_in(value: &Value) -> u64 {
    u64::try_from(value_bytes(value)).unwrap_or(u64::MAX).div_ceil(BUDGET_TOKEN_BYTES)
}

/// A number as money, in millionths; nothing if it is less than nothing, or has more digits than are counted.
pub fn money(number: &Number) -> Option<u64> {
    let text = number.to_string();
    // The few parts that are less than a hundred-thousandth are written `4e-6` by the number itself.
    if let Some(parts) = text.strip_suffix("e-6") {
        return parts.parse().ok();
    }
    let text = text.strip_suffix(".0").unwrap_or(&text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > MONEY_DIGITS {
        return None;
    }
    let parts: u64 = format!("{fraction:0<MONEY_DIGITS$}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(MONEY_PARTS)?.checked_add(parts)
}

/// Money as it is written: `0.5`, `12`.
pub fn money_text(parts: u64) -> String {
    let (whole, rest) = (parts / MONEY_PARTS, parts % MONEY_PARTS);
    let text = format!("{whole}.{rest:0MONEY_DIGITS$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, FailureKind};

    #[test]
    fn money_is_read_and_written_exactly() {
        let cases = [
            ("0.50", Some(500_000), "0.5"),
            ("1.25", Some(1_250_000), "1.25"),
            ("12", Some(12_000_000), "12"),
            ("10", Some(10_000_000), "10"),
            ("0", Some(0), "0"),
            ("0.000004", Some(4), "0.000004"),
            ("0.00001", Some(10), "0.00001"),
            ("0.1234567", None, ""),
            ("-1", None, ""),
            ("1e300", None, ""),
        ];
        for (written, parts, shown) in cases {
            let number: Number = serde_json::from_str(written).unwrap();
            assert_eq!(money(&number), parts, "{written}");
            if let Some(parts) = parts {
                assert_eq!(money_text(parts), shown);
            }
        }
    }

    #[test]
    fn a_price_is_for_a_million_tokens_and_rounds_up() {
        let price = Price { input: 1_250_000, output: 10_000_000 };
        assert_eq!(price.of(1_000_000, 1_000_000), 11_250_000);
        assert_eq!(price.of(1, 0), 2);
        assert_eq!(price.of(0, 0), 0);
        assert_eq!(price.of(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_question_is_reserved_by_its_bytes_and_settled_by_what_its_model_says() {
        let prices = Prices::from([
            ("big".to_owned(), Price { input: 1_000_000, output: 2_000_000 }),
            ("small".to_owned(), Price { input: 1_000, output: 2_000 }),
        ]);
        let question = |request| CallRequest::Model { profile: "big".into(), request };
        let request = question(json!({ "messages": [], "max_tokens": 100 }));
        let reserved = before(&request, &prices);
        // `{"max_tokens":100,"messages":[]}` has 32 bytes.
        assert_eq!(reserved.used(Dimension::Tokens), 108);
        assert_eq!(reserved.used(Dimension::Money), 8 + 200);
        let answer =
            |by: &str, usage| Ok(json!({ "message": { "text": "four" }, "usage": usage, "profile": by }));
        let told = json!({ "input_tokens": 3000, "output_tokens": 500 });
        let spent = after(&request, &answer("big", told.clone()), &reserved, &prices);
        assert_eq!((spent.used(Dimension::Tokens), spent.used(Dimension::Money)), (3500, 4000));
        let spent = after(&request, &answer("small", told), &reserved, &prices);
        assert_eq!(spent.used(Dimension::Money), 4, "the one that answered is paid");
        let silent = after(&request, &answer("big", Value::Null), &reserved, &prices);
        assert_eq!(silent.used(Dimension::Tokens), 8 + 4, "who says nothing of it is counted by bytes");
        let failed = |kind| after(&request, &Err(Failure::new(kind, "no")), &reserved, &prices);
        assert_eq!(failed(FailureKind::Timeout), reserved);
        assert_eq!(failed(FailureKind::Transient).used(Dimension::Tokens), 0);
        assert_eq!(failed(FailureKind::Transient).used(Dimension::ModelCalls), 1);
        // Tries that were given up, and may be paid for.
        let unheard = Failure {
            details: Some(json!({ UNHEARD: 2 })),
            ..Failure::new(FailureKind::Transient, "no answer within `timeout`")
        };
        let spent = after(&request, &Err(unheard), &reserved, &prices);
        assert_eq!((spent.used(Dimension::Tokens), spent.used(Dimension::Money)), (216, 416));
        assert_eq!(spent.used(Dimension::ModelCalls), 1);
        let at_last = json!({
            "usage": { "input_tokens": 8, "output_tokens": 4 }, "profile": "big", UNHEARD: 1,
        });
        let spent = after(&request, &Ok(at_last), &reserved, &prices);
        assert_eq!((spent.used(Dimension::Tokens), spent.used(Dimension::Money)), (12 + 108, 16 + 208));
    }
}
