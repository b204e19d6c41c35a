//! Standard Webhooks' signature: HMAC-SHA256 over `id.timestamp.payload` with the secret's bytes, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::platform::secret;

/// A fresh secret: `whsec_` and 32 random bytes in base64.
pub fn fresh_secret() -> String {
    format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

/// The `webhook-signature` header of a message.
pub fn signature(endpoint_secret: &str, id: &str, timestamp: i64, payload: &str) -> String {
    let key = endpoint_secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    format!("v1,{}", STANDARD.encode(secret::hmac(key, format!("{id}.{timestamp}.{payload}"))))
}

#[cfg(test)]
mod tests {
    use super::signature;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn signs_as_the_specification_says() {
        let signed =
            signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
