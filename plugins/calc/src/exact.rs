//! Decimal arithmetic that gives the exact result, or none where 28 digits do not hold it.

use rust_decimal::Decimal;

/// Digits after the point that a number can have.
pub(crate) const SCALE_MAX: u32 = 28;

/// The number `mantissa / 10^scale`, if it fits.
fn number(mut mantissa: i128, mut scale: u32) -> Option<Decimal> {
    loop {
        if scale <= SCALE_MAX
            && let Ok(number) = Decimal::try_from_i128_with_scale(mantissa, scale)
        {
            return Some(number);
        }
        if scale == 0 || mantissa % 10 != 0 {
            return None;
        }
        (mantissa, scale) = (mantissa / 10, scale - 1);
    }
}

pub(crate) fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    let sum = |a: Decimal, b: Decimal| {
        let scale = a.scale().max(b.scale());
        let aligned = |x: Decimal| x.mantissa().checked_mul(10_i128.pow(scale - x.scale()));
        number(aligned(a)?.checked_add(aligned(b)?)?, scale)
    };
    // Zeros at the end are kept, 19.90 + 0.10 is 20.00, as long as there is room for them.
    sum(a, b).or_else(|| sum(a.normalize(), b.normalize()))
}

pub(crate) fn subtract(a: Decimal, b: Decimal) -> Option<Decimal> {
    add(a, -b)
}

pub(crate) fn multiply(a: Decimal, b: Decimal) -> Option<Decimal> {
    let product =
        |a: Decimal, b: Decimal| number(a.mantissa().checked_mul(b.mantissa())?, a.scale() + b.scale());
    product(a, b).or_else(|| product(a.normalize(), b.normalize()))
}

/// By repeated squaring; `exponent` is bounded by the caller.
pub(crate) fn power(base: Decimal, mut exponent: u32) -> Option<Decimal> {
    let (mut result, mut square) = (Decimal::ONE, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, square)?;
        }
        exponent >>= 1;
        if exponent > 0 {
            square = multiply(square, square)?;
        }
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    type Operation = fn(Decimal, Decimal) -> Option<Decimal>;

    #[test]
    fn results_are_exact_or_none() {
        let large = "79228162514264337593543950335";
        let small = "0.0000000000000000000000000001";
        let cases: [(Operation, &str, &str, Option<&str>); 10] = [
            (add, "0.1", "0.2", Some("0.3")),
            (add, "19.90", "0.10", Some("20.00")),
            (subtract, "1", "1.00", Some("0.00")),
            (add, large, "1", None),
            (add, large, "0.1", None),
            (add, large, "-0.0", Some(large)),
            (add, "100000", small, None),
            (multiply, "1.10", "3", Some("3.30")),
            (multiply, small, "0.1", None),
            (multiply, "100000000000000000000", "0.00000000000000000001", Some("1.00000000000000000000")),
        ];
        for (operation, a, b, expected) in cases {
            let result = operation(decimal(a), decimal(b)).map(|result| result.to_string());
            assert_eq!(result.as_deref(), expected, "{a} {b}");
        }
        assert_eq!(power(decimal("1.1"), 3), Some(decimal("1.331")));
        assert_eq!(power(decimal("2"), 0), Some(Decimal::ONE));
        assert_eq!(power(decimal("10"), 29), None);
    }
}
