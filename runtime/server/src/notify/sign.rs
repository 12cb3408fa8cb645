//! The signature of a delivery.

use ring::hmac;

/// What stands in `Pawl-Signature`: HMAC-SHA256 over the text of `Pawl-Timestamp`, a dot and the body, in hex. The time
/// is part of it, so that who listens can refuse what was sent long ago.
pub fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    format!("v1={}", hex::encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_any_other_hmac() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret'
        assert_eq!(
            signature("a secret", "1700000000", br#"{"a":1}"#),
            "v1=b4c5d5c08194254de18b80695176335ee482a5907fb5e68f7bd993b1b00b018d"
        );
    }
}
