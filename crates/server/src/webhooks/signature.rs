//! What a request is signed with, so that its receiver knows who sent it.
//!
//! # Shape
//! `Chaski-Signature: t=<seconds since 1970>,v1=<hex>`, where the latter is HMAC-SHA256 under the webhook's secret, prefix and all, over
//! the seconds in decimal, a dot, the delivery's id, a dot, and the body as it is sent.

use std::fmt::Write as _;

use ring::hmac;

/// What secrets begin with that the server makes.
pub(super) const SECRET_PREFIX: &str = "chwh_";

/// A key to sign with.
#[derive(Clone)]
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// Signs a body that is sent as one delivery at a time.
    pub(super) fn sign(&self, seconds: u64, delivery: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{seconds}.{delivery}.").as_bytes());
        context.update(body);
        let mut signature = format!("t={seconds},v1=");
        for byte in context.sign().as_ref() {
            // Writing to a string never fails.
            let _ = write!(signature, "{byte:02x}");
        }
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::Signer;

    #[test]
    fn a_signature_is_what_others_compute() {
        let signature =
            Signer::new("chwh_0123456789abcdef").sign(1_700_000_000, "wh_a-42", b"{\"order\":7}");
        assert_eq!(
            signature,
            "t=1700000000,v1=82f4aa8aba0898026a6ba557cbd54fbc4513b55552c7ffc6aba5d8c6cd335473"
        );
    }

    #[test]
    fn a_signature_holds_for_its_time_its_delivery_its_body_and_its_secret_alone() {
        let signer = Signer::new("one");
        let known = signer.sign(1, "id", b"body");
        assert_ne!(known, signer.sign(2, "id", b"body"));
        assert_ne!(known, signer.sign(1, "other", b"body"));
        assert_ne!(known, signer.sign(1, "id", b"Body"));
        assert_ne!(known, Signer::new("two").sign(1, "id", b"body"));
    }
}
