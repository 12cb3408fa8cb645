//! A web hook: what it is told is signed and posted.

use std::path::Path;

use pawl_core::operator::KeyPlace;
use pawl_engine::{Clock as _, SystemClock};

use super::deliver::{NOTIFY_REQUEST_MAX_MS, Sent};
use super::post::post;
use super::signature;

/// The shortest secret: one that is shorter can be guessed from a delivery.
pub const NOTIFY_SECRET_MIN_BYTES: usize = 16;
/// The longest secret's file, in bytes.
const SECRET_MAX_BYTES: u64 = 16 << 10;

/// Sends a notification once.
pub(super) async fn send(url: &str, secret_at: &KeyPlace, folder: &Path, id: &str, body: &[u8]) -> Sent {
    // As it is now: one that was renewed is used from the next try on.
    let secret = match secret(secret_at, folder) {
        Ok(secret) => secret,
        Err(reason) => return Sent::NotNow(reason),
    };
    let timestamp = (SystemClock.now().0 / 1_000).to_string();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("pawl-delivery", id.to_owned()),
        ("pawl-signature", signature(&secret, &timestamp, body)),
        ("pawl-timestamp", timestamp),
    ];
    match post(url, &headers, body.to_vec(), NOTIFY_REQUEST_MAX_MS).await {
        Ok(200..=299) => Sent::Taken,
        // What is sent again will be refused again.
        Ok(status @ 400..=499) if ![408, 425, 429].contains(&status) => {
            Sent::Refused(format!("it answers with {status}"))
        }
        Ok(status @ 300..=399) => {
            Sent::NotNow(format!("it answers with {status}, and redirects are not followed"))
        }
        Ok(status) => Sent::NotNow(format!("it answers with {status}")),
        Err(reason) => Sent::NotNow(reason),
    }
}

/// The secret as it is now; else why it cannot be used, which never shows it.
pub(super) fn secret(place: &KeyPlace, folder: &Path) -> Result<String, String> {
    let (text, place) = match place {
        KeyPlace::Env(name) => {
            let text = match std::env::var(name) {
                Ok(text) => Ok(text),
                Err(std::env::VarError::NotPresent) => Err("it is not set".to_owned()),
                // Its own words show what it holds.
                Err(std::env::VarError::NotUnicode(_)) => Err("it is no text".to_owned()),
            };
            (text, format!("the variable {name}"))
        }
        KeyPlace::File(path) => {
            let path = folder.join(path);
            (read(&path), format!("the file {}", path.display()))
        }
    };
    let secret = text.map_err(|reason| format!("{place}: {reason}"))?.trim().to_owned();
    if secret.len() < NOTIFY_SECRET_MIN_BYTES {
        return Err(format!(
            "{place} has a secret that is too short; notify_secret_min_bytes is {NOTIFY_SECRET_MIN_BYTES}"
        ));
    }
    Ok(secret)
}

fn read(path: &Path) -> Result<String, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > SECRET_MAX_BYTES {
        return Err(format!("it is no file of at most {SECRET_MAX_BYTES} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_used_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hook.key");
        let place = KeyPlace::File("hook.key".to_owned());
        for (bytes, words) in [
            (&b"hunter2"[..], "too short"),
            (&b"hunter2 is \xff\xfe no text at all"[..], "it is no text"),
            (&b"  \n"[..], "too short"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let why = secret(&place, folder.path()).unwrap_err();
            assert!(why.contains("hook.key") && why.contains(words) && !why.contains("hunter2"), "{why}");
        }
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        assert_eq!(secret(&place, folder.path()).unwrap(), "0123456789abcdef");
        let why = secret(&KeyPlace::Env("PAWL_NO_SUCH_SECRET".to_owned()), folder.path()).unwrap_err();
        assert_eq!(why, "the variable PAWL_NO_SUCH_SECRET: it is not set");
    }
}
