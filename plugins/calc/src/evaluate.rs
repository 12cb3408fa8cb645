//! The tool: an expression and its variables in, a number out.

use std::collections::BTreeMap;

use pawl_plugin::prelude::*;
use rust_decimal::Decimal;

use crate::function::{FUNCTIONS, TOO_LONG};
use crate::parse::{self, Meaning, Operator};
use crate::{exact, parse::Value as Operand};

/// The text of an expression.
pub(crate) const EXPRESSION_MAX_BYTES: usize = 10_000;
/// Numbers in all variables together.
pub(crate) const VARIABLES_MAX: usize = 10_000;
/// The whole number that `^` takes.
pub(crate) const EXPONENT_MAX: u32 = 1_000;
/// Digits of a JSON number with a fraction; what has more may not be what was written.
const JSON_DIGITS_MAX: usize = 15;

/// Numbers are decimal: 0.1 + 0.2 is 0.3. Sums, differences and products are exact or refused; a
/// quotient is rounded where 28 digits end. Operators: `+ - * /`, `%` (remainder), `^` (whole
/// powers), `( )`. Functions: `round(x, digits)` rounds halves away from zero, `round_even` to even;
/// `floor`, `ceil`, `trunc`; `min`, `max`, `sum`, `avg`, `count` (numbers and lists); `abs`, `sign`,
/// `percent(rate, of)`. At most 10,000 bytes, 10,000 numbers in variables, 50 levels of brackets,
/// exponents to 1,000, 28 digits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({ "expression": "0.1 + 0.2" }))]
#[schemars(example = json!({
    "expression": "round(sum(prices) * (1 + vat / 100), 2)",
    "variables": { "prices": ["19.99", "5.01"], "vat": 19 }
}))]
pub(crate) struct Evaluate {
    /// What is calculated, such as `round(net * 1.19, 2)`.
    pub(crate) expression: String,
    /// Values by name. A text is taken as it is written; a JSON number with a fraction may have 15
    /// digits.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
}

/// A number, or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, a text that is one, or a list of them")]
pub(crate) enum Variable {
    One(Number),
    Many(Vec<Number>),
}

/// A number, or a text that is one.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number or a text that is one")]
pub(crate) enum Number {
    Json(serde_json::Number),
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evaluated {
    /// The exact number as text, such as `29.75`: for money, give this on.
    result: String,
    /// The nearest JSON number, to compare with.
    number: f64,
}

pub(crate) fn evaluate(_: &Context, input: Evaluate) -> Result<Evaluated, Failure> {
    let text = input.expression.as_str();
    if text.len() > EXPRESSION_MAX_BYTES {
        return Err(Failure::invalid_input(format!(
            "the expression has {} bytes, at most {EXPRESSION_MAX_BYTES} are read; calculate it in several steps",
            text.len()
        )));
    }
    let value = parse::evaluate(text, &Scope(read(input.variables)?))?;
    // -0 is a number to nobody.
    let value = if value.is_zero() { value.abs() } else { value };
    let result = value.to_string();
    let number = result.parse().map_err(|_| Failure::permanent(format!("{result} is no JSON number")))?;
    Ok(Evaluated { result, number })
}

/// A variable's value.
enum Given {
    One(Decimal),
    Many(Vec<Decimal>),
}

/// The variables as decimals.
fn read(variables: BTreeMap<String, Variable>) -> Result<BTreeMap<String, Given>, Failure> {
    let mut count = 0;
    let mut all = BTreeMap::new();
    for (name, variable) in variables {
        let value = match variable {
            Variable::One(number) => Given::One(decimal(&name, number)?),
            Variable::Many(numbers) => {
                count += numbers.len();
                let numbers = numbers.into_iter().map(|number| decimal(&name, number));
                Given::Many(numbers.collect::<Result<_, _>>()?)
            }
        };
        count += 1;
        if count > VARIABLES_MAX {
            return Err(Failure::invalid_input(format!(
                "the variables hold more than {VARIABLES_MAX} numbers; calculate them in several steps"
            )));
        }
        all.insert(name, value);
    }
    Ok(all)
}

fn decimal(name: &str, number: Number) -> Result<Decimal, Failure> {
    let wrong = |what: String| Failure::invalid_input(format!("the variable `{name}`: {what}"));
    let text = match number {
        Number::Text(text) => text.trim().to_owned(),
        // Beside whole numbers, JSON's are binary on their way here; so many digits come back as written.
        Number::Json(number) if number.is_f64() => {
            let text = number.as_f64().map_or_else(|| number.to_string(), |number| format!("{number}"));
            let digits =
                text.trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
            if text.contains('.') && digits > JSON_DIGITS_MAX {
                return Err(wrong(format!(
                    "{text} has more than {JSON_DIGITS_MAX} digits, which a JSON number does not carry \
                     exactly; give it as text, \"{text}\""
                )));
            }
            text
        }
        Number::Json(number) => number.to_string(),
    };
    Decimal::from_str_exact(&text)
        .map_err(|_| wrong(format!("`{text}` is no decimal number with at most 28 digits, such as -1234.56")))
}

/// What an expression can refer to.
struct Scope(BTreeMap<String, Given>);

impl Meaning for Scope {
    fn variable(&self, name: &str) -> Result<Operand, String> {
        match self.0.get(name) {
            Some(Given::One(number)) => Ok(Operand::Number(*number)),
            Some(Given::Many(numbers)) => Ok(Operand::List(name.to_owned(), numbers.clone())),
            None => {
                let known: Vec<_> = self.0.keys().map(|name| format!("`{name}`")).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(format!("there is no variable `{name}`; there are {known}"))
            }
        }
    }

    fn combine(&self, operator: Operator, left: Decimal, right: Decimal) -> Result<Decimal, String> {
        combine(operator, left, right)
    }

    fn call(&self, name: &str, arguments: Vec<Operand>) -> Result<Decimal, String> {
        let function = FUNCTIONS.iter().find(|function| function.name == name).ok_or_else(|| {
            let known: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
            format!("there is no function `{name}`; there are {}", known.join(", "))
        })?;
        let mut values = Vec::new();
        for argument in arguments {
            match argument {
                Operand::Number(number) => values.push(number),
                // Lists are taken apart where any number of arguments is taken.
                Operand::List(_, numbers) if function.most == usize::MAX => values.extend(numbers),
                Operand::List(name, _) => {
                    return Err(format!("`{name}` is a list; {} takes single numbers", function.usage));
                }
            }
        }
        if !(function.least..=function.most).contains(&values.len()) {
            return Err(format!("`{name}` got {} numbers; it is used as {}", values.len(), function.usage));
        }
        (function.apply)(&values)
    }
}

fn combine(operator: Operator, left: Decimal, right: Decimal) -> Result<Decimal, String> {
    let exact = |result: Option<Decimal>| result.ok_or_else(|| TOO_LONG.to_owned());
    match operator {
        Operator::Add => exact(exact::add(left, right)),
        Operator::Subtract => exact(exact::subtract(left, right)),
        Operator::Multiply => exact(exact::multiply(left, right)),
        Operator::Divide | Operator::Remainder if right.is_zero() => {
            Err(format!("{left} {} 0 has no value", operator.symbol()))
        }
        // The library leaves zeros at a quotient's end that neither number had.
        Operator::Divide => left
            .checked_div(right)
            .map(|quotient| quotient.normalize())
            .ok_or_else(|| "the quotient is too large".to_owned()),
        Operator::Remainder => left.checked_rem(right).ok_or_else(|| "the remainder is too large".to_owned()),
        Operator::Power => {
            let exponent = u32::try_from(right.abs()).ok();
            let exponent = exponent.filter(|exponent| right.fract().is_zero() && *exponent <= EXPONENT_MAX);
            let exponent = exponent.ok_or_else(|| {
                format!("`^` takes whole numbers from -{EXPONENT_MAX} to {EXPONENT_MAX}, not {right}")
            })?;
            let power = exact(exact::power(left, exponent))?;
            if right.is_sign_positive() {
                return Ok(power);
            }
            let inverse = Decimal::ONE.checked_div(power).map(|inverse| inverse.normalize());
            inverse.ok_or_else(|| format!("{left} ^ {right} has no value"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(expression: &str, variables: Value) -> Result<String, String> {
        let input =
            serde_json::from_value(json!({ "expression": expression, "variables": variables })).unwrap();
        match evaluate(&Context::default(), input) {
            Ok(evaluated) => Ok(evaluated.result),
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::InvalidInput, "{failure}");
                Err(failure.message)
            }
        }
    }

    fn is(expression: &str, expected: &str) {
        let variables =
            json!({ "net": "19.99", "rate": 19, "prices": ["0.10", 0.2, 3], "none": [], "größe": 2 });
        assert_eq!(evaluated(expression, variables).as_deref(), Ok(expected), "{expression}");
    }

    #[test]
    fn arithmetic_is_decimal_and_binds_as_people_write_it() {
        is("0.1 + 0.2", "0.3");
        is("1 + 2 * 3", "7");
        is("(1 + 2) * 3", "9");
        is("10 - 2 - 3", "5");
        is("2 ^ 3 ^ 2", "512");
        is("-2 ^ 2", "-4");
        is("2 ^ -2", "0.25");
        is("-(-3)", "3");
        is("2 * -3", "-6");
        is("7 % 3 + 1", "2");
        is("1_000.50 * 2", "2001.00");
        is("0 * -1", "0");
        is("10 / 4", "2.5");
        is("10.00 / 5", "2");
        is("1 / 3", "0.3333333333333333333333333333");
        is("net * rate", "379.81");
        is("größe\n+ 1", "3");
    }

    #[test]
    fn functions_take_numbers_and_lists() {
        is("round(2.345, 2)", "2.35");
        is("round(-2.5)", "-3");
        is("round_even(2.345, 2)", "2.34");
        is("round(5, 2)", "5.00");
        is("floor(-2.1)", "-3");
        is("ceil(2.01, 1)", "2.1");
        is("trunc(-2.9)", "-2");
        is("percent(rate, net)", "3.7981");
        is("sum(prices)", "3.30");
        is("sum(prices, 1, none)", "4.30");
        is("sum()", "0");
        is("count(prices, 1)", "4");
        is("avg(prices)", "1.1");
        is("min(prices) + max(prices, 9)", "9.10");
        is("abs(-3) + sign(-7) + sign(0)", "2");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let fails = |expression: &str, expected: &str| {
            let message = evaluated(expression, json!({ "net": 1, "list": [1, 2] })).unwrap_err();
            assert_eq!(message, format!("the expression, {expected}"), "{expression}");
        };
        fails("", "line 1, column 1: expected a number, a variable or `(`, found the end");
        fails("1 +\n  * 2", "line 2, column 3: expected a number, a variable or `(`, found `*`");
        fails("1 2", "line 1, column 3: expected an operator or the end, found `2`");
        fails("(1 + 2", "line 1, column 1: there is no `)` for this `(`");
        fails("1 + 2)", "line 1, column 6: there is no `(` for this `)`");
        fails(
            "1,5",
            "line 1, column 2: `,` stands only between the arguments of a function; write 1.5, not 1,5",
        );
        fails("1.2.3", "line 1, column 1: `1.2.3` is no number with at most 28 digits and one point");
        fails("2 + gross", "line 1, column 5: there is no variable `gross`; there are `list`, `net`");
        fails("list + 1", "line 1, column 1: `list` is a list; only functions such as sum(list) take lists");
        fails("1 / (net - 1)", "line 1, column 3: 1 / 0 has no value");
        fails("abs()", "line 1, column 1: `abs` got 0 numbers; it is used as abs(x)");
        fails("max(list, 9) ^ 0.5", "line 1, column 14: `^` takes whole numbers from -1000 to 1000, not 0.5");
        fails(
            "round(1, -1)",
            "line 1, column 1: `digits` is a whole number from 0 to 28, not -1; to round to tens, round(x / 10) * 10",
        );
        fails(
            "10 ^ 28 * 10",
            "line 1, column 9: the exact result needs more than 28 digits; round a part of it before",
        );
        let unknown = evaluated("pow(2, 3)", json!({})).unwrap_err();
        assert!(unknown.contains("there is no function `pow`; there are abs, avg, ceil"), "{unknown}");
    }

    #[test]
    fn variables_that_are_no_exact_number_are_refused() {
        let fails = |value: Value| evaluated("x", json!({ "x": value })).unwrap_err();
        assert_eq!(
            fails(json!("12,50")),
            "the variable `x`: `12,50` is no decimal number with at most 28 digits, such as -1234.56"
        );
        assert!(fails(json!(0.123_456_789_012_345_67)).contains("give it as text"));
        assert_eq!(evaluated("x", json!({ "x": 0.000_123 })), Ok("0.000123".to_owned()));
        assert_eq!(evaluated("x", json!({ "x": 1e20 })), Ok("100000000000000000000".to_owned()));
    }

    #[test]
    fn each_limit_has_its_failure() {
        let longest = format!("1{}", "+1".repeat(EXPRESSION_MAX_BYTES / 2 - 1));
        assert_eq!(evaluated(&longest, json!({})), Ok((EXPRESSION_MAX_BYTES / 2).to_string()));
        let long = format!("1{}", " + 1".repeat(EXPRESSION_MAX_BYTES / 4));
        assert!(evaluated(&long, json!({})).unwrap_err().contains("at most 10000"));
        let deep = format!("{}1{}", "(".repeat(60), ")".repeat(60));
        assert!(evaluated(&deep, json!({})).unwrap_err().contains("more than 50 expressions"));
        let many = evaluated("1", json!({ "x": vec![1; VARIABLES_MAX + 1] }));
        assert!(many.unwrap_err().contains("more than 10000 numbers"));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = [
            "1", ".", "x", "(", ")", "+", "-", "*", "/", "%", "^", ",", "round", "sum", " ", "é", "9e9", "0",
        ];
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            let _ = evaluated(&text, json!({ "x": [1, "2.5"] }));
        }
    }
}
