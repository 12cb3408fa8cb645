//! Plain scalars by YAML 1.2's core schema, as far as JSON can hold them.

use serde_json::Number;

use super::tree::Kind;

/// What a scalar without quotes means; a number that JSON cannot hold is an error.
pub(super) fn plain(text: &str) -> Result<Kind, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return Err(format!("{text} is no number in JSON"));
    }
    if !is_number(unsigned) {
        return Ok(Kind::Text(text.to_owned()));
    }
    number(text).map(Kind::Number).ok_or_else(|| format!("{text} is too large for a number"))
}

fn is_number(text: &str) -> bool {
    let hex = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let octal = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if text.strip_prefix("0x").is_some_and(hex) || text.strip_prefix("0o").is_some_and(octal) {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent
}

fn number(text: &str) -> Option<Number> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Number::from);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Number::from(whole));
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(Number::from(whole));
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let cases = [
            ("~", "null"),
            ("true", "true"),
            ("yes", "\"yes\""),
            ("on", "\"on\""),
            ("12", "12"),
            ("-7", "-7"),
            ("+7", "7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("1.0.0", "\"1.0.0\""),
            ("30s", "\"30s\""),
            ("-", "\"-\""),
            (".", "\".\""),
            ("1e", "\"1e\""),
        ];
        for (text, expected) in cases {
            let kind = plain(text).unwrap();
            let json = super::super::tree::Node { span: 0..0, kind }.to_json().to_string();
            assert_eq!(json, expected, "{text}");
        }
        assert!(plain(".inf").is_err());
        assert!(plain("-.NaN").is_err());
        assert!(plain("1e999").is_err());
    }
}
