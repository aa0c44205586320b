//! Listening to the other controller.

use std::net::SocketAddr;

use nearcast_fabric::{Claim, Update};
use nearcast_machine::Span;
use std::io::{Error, ErrorKind};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};

use super::{LINE, Line, PATIENCE, VERSION, beat};
use crate::connection::Stream;
use crate::tls::Tls;

/// What was heard of the other controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Claim(Claim),
    Begin,
    Update(Update),
    End,
    /// Nothing more, until it begins anew.
    Lost,
}

/// Listens to the other controller for ever, and hands on what it says.
pub(super) async fn listen_to(
    address: SocketAddr,
    tls: Option<Tls>,
    lease: Span,
    heard: mpsc::Sender<Heard>,
) {
    let mut known = None;
    loop {
        let ended = async {
            let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
            let mut stream: Box<dyn Stream> = match &tls {
                None => Box::new(stream),
                Some(tls) => Box::new(timeout(PATIENCE, tls.connect(stream)).await??),
            };
            hear(&mut stream, lease, &heard).await
        };
        let ended: std::io::Result<()> = ended.await;
        let reason =
            ended.err().map_or_else(|| "it closed the connection".to_owned(), |e| e.to_string());
        if known.as_ref() != Some(&reason) {
            tracing::warn!("the controller at {address} is not heard: {reason}");
            known = Some(reason);
        }
        if heard.send(Heard::Lost).await.is_err() {
            return;
        }
        tokio::time::sleep(beat(lease)).await;
    }
}

async fn hear(
    stream: &mut (impl AsyncRead + Unpin),
    lease: Span,
    heard: &mpsc::Sender<Heard>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    let mut version = None;
    loop {
        line.clear();
        let mut bounded = (&mut lines).take(LINE as u64);
        let read = bounded.read_until(b'\n', &mut line);
        if timeout(Duration::from(lease), read).await?? == 0 {
            return Ok(());
        }
        let said = match parse(&line, &mut version)? {
            Some(Line::Claim(claim)) => Heard::Claim(claim),
            Some(Line::Begin) => Heard::Begin,
            Some(Line::Update(update)) => Heard::Update(update),
            Some(Line::End) => Heard::End,
            Some(Line::Version(_)) | None => continue,
        };
        if heard.send(said).await.is_err() {
            return Ok(());
        }
    }
}

/// What a line says; `None` if that is of another version. The first line says which.
fn parse(line: &[u8], version: &mut Option<u32>) -> std::io::Result<Option<Line>> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidData, why);
    if !line.ends_with(b"\n") {
        return Err(wrong(format!("a line was cut off, or is longer than {LINE} bytes")));
    }
    let said = serde_json::from_slice::<Line>(line);
    match (*version, said) {
        (None, Ok(Line::Version(theirs))) => {
            if theirs != VERSION {
                tracing::warn!(
                    "the other controller speaks version {theirs}, this one {VERSION}: what streams \
                     are under way will not be known here should it die"
                );
            }
            *version = Some(theirs);
            Ok(None)
        }
        (None, _) => Err(wrong("it does not say which version it speaks".to_owned())),
        (Some(VERSION), Ok(Line::Version(_))) => Err(wrong("it says its version twice".to_owned())),
        (Some(VERSION), Ok(line)) => Ok(Some(line)),
        (Some(VERSION), Err(error)) => Err(wrong(format!("it said what cannot be read: {error}"))),
        (Some(_), Ok(Line::Claim(claim))) => Ok(Some(Line::Claim(claim))),
        (Some(_), _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(text: &str) -> (std::io::Result<()>, Vec<Heard>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let (sender, mut receiver) = mpsc::channel(64);
            let ended = hear(&mut text.as_bytes(), Span::from_secs(1), &sender).await;
            drop(sender);
            let mut all = Vec::new();
            while let Some(heard) = receiver.recv().await {
                all.push(heard);
            }
            (ended, all)
        })
    }

    const CLAIM: &str = "{\"claim\":{\"rank\":7,\"master\":true,\"generation\":9}}\n";

    fn claim() -> Heard {
        Heard::Claim(Claim { rank: 7, master: true, generation: 9 })
    }

    #[test]
    fn what_is_said_is_heard() {
        let said = format!("{{\"version\":1}}\n{CLAIM}\"begin\"\n\"end\"\n");
        let (ended, all) = heard(&said);
        assert!(ended.is_ok());
        assert_eq!(all, [claim(), Heard::Begin, Heard::End]);
    }

    #[test]
    fn of_another_version_only_claims_are_heard() {
        let said = format!("{{\"version\":2}}\n\"begin\"\n{{\"news\":[]}}\n{CLAIM}");
        let (ended, all) = heard(&said);
        assert!(ended.is_ok());
        assert_eq!(all, [claim()]);
    }

    #[test]
    fn what_is_not_sound_ends_the_connection() {
        let long = format!("{{\"version\":1}}\n\"{}\"\n", "x".repeat(LINE));
        for (said, why) in [
            (CLAIM, "version"),
            ("{\"version\":1}\n{\"version\":1}\n", "twice"),
            ("{\"version\":1}\n{\"claim\":{\"rank\":7}}\n", "cannot be read"),
            ("{\"version\":1}\n\"begin\"", "cut off"),
            (&long, "longer"),
        ] {
            let (ended, all) = heard(said);
            let error = ended.expect_err(why).to_string();
            assert!(error.contains(why), "{said}: {error}");
            assert_eq!(all, []);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_panics(said in "\\PC{0,200}", version in 0..3u32) {
            let _ = heard(&said);
            let _ = heard(&format!("{{\"version\":{version}}}\n{said}\n"));
        }
    }
}
