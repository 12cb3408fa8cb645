//! A body that is searched on its way: what goes out for placeholders, what comes back for secrets.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::secret::{cover, covered, find};

/// What becomes of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The body ends there with an error.
    Refuse,
    /// Stars stand over it, so that the body keeps its length.
    Cover,
}

struct Sieve {
    body: WasiBody,
    needles: Vec<Vec<u8>>,
    found: Found,
    /// What may be the beginning of something that is looked for.
    held: Vec<u8>,
    /// What ends the body, behind what is held.
    last: Option<Frame<Bytes>>,
    is_done: bool,
}

/// The same body, searched; as it is where nothing is looked for.
pub(crate) fn sieved(body: WasiBody, needles: Vec<Vec<u8>>, found: Found) -> WasiBody {
    if needles.is_empty() {
        return body;
    }
    Sieve { body, needles, found, held: Vec::new(), last: None, is_done: false }.boxed_unsync()
}

impl Sieve {
    /// What of the next bytes can go on.
    fn take(&mut self, bytes: &[u8]) -> Result<Bytes, Error> {
        self.held.extend_from_slice(bytes);
        match self.found {
            Found::Refuse if self.needles.iter().any(|needle| find(&self.held, needle).is_some()) => {
                return Err(Error::HttpRequestDenied);
            }
            Found::Refuse => {}
            Found::Cover => {
                cover(&mut self.held, &self.needles);
            }
        }
        let goes = self.held.len() - self.begun();
        Ok(self.held.drain(..goes).collect())
    }

    /// How much of the end may be the beginning of something that is looked for.
    fn begun(&self) -> usize {
        let longest = self.needles.iter().map(Vec::len).max().unwrap_or_default().saturating_sub(1);
        let longest = longest.min(self.held.len());
        let ends = |length: &usize| {
            let end = &self.held[self.held.len() - length..];
            self.needles.iter().any(|needle| needle.len() > *length && needle.starts_with(end))
        };
        (1..=longest).rev().find(ends).unwrap_or_default()
    }
}

impl Body for Sieve {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let me = &mut *self;
        loop {
            if me.is_done {
                if !me.held.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut me.held).into()))));
                }
                return Poll::Ready(me.last.take().map(Ok));
            }
            let frame = match Pin::new(&mut me.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    me.is_done = true;
                    continue;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            match frame.into_data() {
                Ok(bytes) => match me.take(&bytes) {
                    Ok(goes) if goes.is_empty() => {}
                    Ok(goes) => return Poll::Ready(Some(Ok(Frame::data(goes)))),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Err(mut frame) => {
                    if let Some(trailers) = frame.trailers_mut() {
                        let is_there = trailers.values().any(|value| {
                            me.needles.iter().any(|needle| find(value.as_bytes(), needle).is_some())
                        });
                        if is_there && me.found == Found::Refuse {
                            return Poll::Ready(Some(Err(Error::HttpRequestDenied)));
                        }
                        covered(trailers, &me.needles);
                    }
                    me.last = Some(frame);
                    me.is_done = true;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.last.is_none() && (self.is_done || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.held.is_empty() && !self.is_done { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    /// A body that comes in these pieces.
    fn pieces(all: &[&'static str]) -> WasiBody {
        let mut body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        for piece in all.iter().rev() {
            body = Chain { first: Some(Bytes::from_static(piece.as_bytes())), rest: body }.boxed_unsync();
        }
        body
    }

    struct Chain {
        first: Option<Bytes>,
        rest: WasiBody,
    }

    impl Body for Chain {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            match self.first.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Pin::new(&mut self.rest).poll_frame(context),
            }
        }
    }

    async fn through(all: &[&'static str], found: Found) -> Result<String, Error> {
        let needles = vec![b"canary".to_vec(), b"cat".to_vec()];
        let body = sieved(pieces(all), needles, found).collect().await?;
        Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_looked_for_is_found_across_pieces() {
        for (all, covered) in [
            (&["a canary b"][..], "a ****** b"),
            (&["a can", "ary b"], "a ****** b"),
            (&["c", "a", "n", "a", "r", "y"], "******"),
            (&["can", "cat", "canary"], "can*********"),
            (&["no can", " ca"], "no can ca"),
            (&["", "x", ""], "x"),
        ] {
            assert_eq!(through(all, Found::Cover).await.unwrap(), covered, "{all:?}");
            assert_eq!(through(all, Found::Refuse).await.is_err(), covered.contains('*'), "{all:?}");
        }
        assert_eq!(through(&["no can", " ca"], Found::Refuse).await.unwrap(), "no can ca");
    }

    #[test]
    fn nothing_is_held_but_what_may_be_a_beginning() {
        let mut sieve = Sieve {
            body: pieces(&[]),
            needles: vec![b"canary".to_vec()],
            found: Found::Cover,
            held: Vec::new(),
            last: None,
            is_done: false,
        };
        assert_eq!(sieve.take(b"abc").unwrap(), &b"ab"[..]);
        assert_eq!(sieve.take(b"x").unwrap(), &b"cx"[..]);
        assert_eq!(sieve.take(b"xcanar").unwrap(), &b"x"[..]);
        assert_eq!(sieve.take(b"y").unwrap(), &b"******"[..]);
    }
}
