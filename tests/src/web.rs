//! A small web server outside of pawl: it gives one prepared answer after the other.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The longest request that is read.
const REQUEST_MAX_BYTES: usize = 64 << 10;

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Web {
    /// Its host and port, as permissions name them.
    pub authority: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Web {
    /// Starts a server that gives these answers, each whole with its head, to one request each, and
    /// then closes every connection.
    pub async fn start(answers: &[&str]) -> Result<Self> {
        let answers: Vec<_> = answers.iter().rev().map(|answer| (*answer).to_owned()).collect();
        let answers = Mutex::new(answers);
        Self::answering(move |_| answers.lock().unwrap_or_else(PoisonError::into_inner).pop()).await
    }

    /// Starts a server that gives to each request what follows from it, and nothing where that is nothing.
    pub async fn answering(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let authority = listener.local_addr()?.to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Ok(request) = read(&mut stream).await else { continue };
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                if let Some(answer) = answer(&request) {
                    // Who went away meanwhile is what some tests are about.
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Ok(Self { authority, requests, task })
    }

    /// Every request that reached it, in order: head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request with as much body as its head promises.
async fn read(stream: &mut TcpStream) -> Result<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(text);
            }
        }
        let read = stream.read(&mut piece).await?;
        anyhow::ensure!(read > 0 && bytes.len() < REQUEST_MAX_BYTES, "no whole request");
        bytes.extend_from_slice(&piece[..read]);
    }
}
