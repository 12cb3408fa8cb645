//! The functions. An argument that is a list counts as its elements, where any number is taken.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::exact::{self, SCALE_MAX};

/// What a function could not do.
pub(crate) type Outcome = Result<Decimal, String>;

/// A function, its arguments as people write them, and how many it takes.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) apply: fn(&[Decimal]) -> Outcome,
}

pub(crate) const FUNCTIONS: [Function; 13] = [
    function("abs", "abs(x)", 1, 1, |x| Ok(x[0].abs())),
    function("avg", "avg(x, …)", 1, usize::MAX, average),
    function("ceil", "ceil(x, digits)", 1, 2, |x| rounded(x, RoundingStrategy::ToPositiveInfinity)),
    function("count", "count(x, …)", 0, usize::MAX, |x| Ok(Decimal::from(x.len()))),
    function("floor", "floor(x, digits)", 1, 2, |x| rounded(x, RoundingStrategy::ToNegativeInfinity)),
    function("max", "max(x, …)", 1, usize::MAX, |x| largest(x, Decimal::max)),
    function("min", "min(x, …)", 1, usize::MAX, |x| largest(x, Decimal::min)),
    function("percent", "percent(rate, of)", 2, 2, percent),
    function("round", "round(x, digits)", 1, 2, |x| rounded(x, RoundingStrategy::MidpointAwayFromZero)),
    function("round_even", "round_even(x, digits)", 1, 2, |x| {
        rounded(x, RoundingStrategy::MidpointNearestEven)
    }),
    function("sign", "sign(x)", 1, 1, |x| Ok(sign(x[0]))),
    function("sum", "sum(x, …)", 0, usize::MAX, sum),
    function("trunc", "trunc(x, digits)", 1, 2, |x| rounded(x, RoundingStrategy::ToZero)),
];

const fn function(
    name: &'static str,
    usage: &'static str,
    least: usize,
    most: usize,
    apply: fn(&[Decimal]) -> Outcome,
) -> Function {
    Function { name, usage, least, most, apply }
}

/// What every result that does not fit is told.
pub(crate) const TOO_LONG: &str = "the exact result needs more than 28 digits; round a part of it before";

fn sum(values: &[Decimal]) -> Outcome {
    values
        .iter()
        .try_fold(Decimal::ZERO, |sum, value| exact::add(sum, *value))
        .ok_or_else(|| TOO_LONG.to_owned())
}

fn average(values: &[Decimal]) -> Outcome {
    // Both 28 digits at most, and the divisor is not zero.
    let average = sum(values)?.checked_div(Decimal::from(values.len())).map(|average| average.normalize());
    average.ok_or_else(|| TOO_LONG.to_owned())
}

fn largest(values: &[Decimal], choose: fn(Decimal, Decimal) -> Decimal) -> Outcome {
    values.iter().copied().reduce(choose).ok_or_else(|| "there is nothing to choose from".to_owned())
}

fn percent(values: &[Decimal]) -> Outcome {
    let hundredth = Decimal::new(1, 2);
    exact::multiply(values[0], values[1])
        .and_then(|product| exact::multiply(product, hundredth))
        .ok_or_else(|| TOO_LONG.to_owned())
}

fn sign(value: Decimal) -> Decimal {
    if value.is_zero() { Decimal::ZERO } else { Decimal::ONE.with_sign(value.is_sign_negative()) }
}

trait WithSign {
    fn with_sign(self, is_negative: bool) -> Self;
}

impl WithSign for Decimal {
    fn with_sign(mut self, is_negative: bool) -> Self {
        self.set_sign_negative(is_negative);
        self
    }
}

/// To that many digits after the point, and written with as many where there is room.
fn rounded(values: &[Decimal], strategy: RoundingStrategy) -> Outcome {
    let asked = values.get(1).copied().unwrap_or_default();
    let digits = u32::try_from(asked).ok().filter(|digits| asked.fract().is_zero() && *digits <= SCALE_MAX);
    let digits = digits.ok_or_else(|| {
        format!("`digits` is a whole number from 0 to {SCALE_MAX}, not {asked}; to round to tens, round(x / 10) * 10")
    })?;
    let mut result = values[0].round_dp_with_strategy(digits, strategy);
    result.rescale(digits);
    Ok(result)
}
