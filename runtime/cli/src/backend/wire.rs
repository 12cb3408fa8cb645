//! Lines of bounded length over a stream.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::protocol::LINE_MAX_BYTES;

/// Why a line could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other side is gone.
    #[error("the connection ended: {0}")]
    Ended(String),
    /// The line is longer than any may be.
    #[error("a line is longer than {LINE_MAX_BYTES} bytes")]
    TooLong,
    /// The line is something else.
    #[error("a line cannot be understood: {0}")]
    Strange(#[from] serde_json::Error),
}

impl From<std::io::Error> for WireError {
    fn from(error: std::io::Error) -> Self {
        Self::Ended(error.to_string())
    }
}

/// Sends one document.
pub(super) async fn send<T: Serialize + Sync>(
    to: &mut (impl AsyncWrite + Unpin + Send),
    document: &T,
) -> Result<(), WireError> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    if line.len() > LINE_MAX_BYTES {
        return Err(WireError::TooLong);
    }
    to.write_all(&line).await?;
    Ok(to.flush().await?)
}

/// Receives one line into a buffer. May be dropped and called again: what was read stays there.
pub(super) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin + Send),
    buffer: &mut Vec<u8>,
) -> Result<T, WireError> {
    let left = (LINE_MAX_BYTES + 1).saturating_sub(buffer.len());
    let mut bounded = from.take(u64::try_from(left).unwrap_or(u64::MAX));
    bounded.read_until(b'\n', buffer).await?;
    if buffer.last() != Some(&b'\n') {
        if buffer.len() > LINE_MAX_BYTES {
            return Err(WireError::TooLong);
        }
        return Err(WireError::Ended("the other process closed it".into()));
    }
    let document = serde_json::from_slice(buffer);
    buffer.clear();
    Ok(document?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokio::io::BufReader;

    async fn read(bytes: &[u8]) -> Result<Value, WireError> {
        receive(&mut BufReader::new(bytes), &mut Vec::new()).await
    }

    #[tokio::test]
    async fn what_was_sent_is_received() {
        let mut sent = Vec::new();
        send(&mut sent, &json!({"a": "line\nbreak"})).await.unwrap();
        assert_eq!(read(&sent).await.unwrap(), json!({"a": "line\nbreak"}));
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_refused() {
        assert!(matches!(read(b"{\"a\"").await, Err(WireError::Ended(_))));
        assert!(matches!(read(&vec![b' '; LINE_MAX_BYTES + 2]).await, Err(WireError::TooLong)));
        assert!(matches!(read(b"no\n").await, Err(WireError::Strange(_))));
    }
}
