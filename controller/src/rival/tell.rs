//! Telling the other controller.

use std::collections::VecDeque;
use std::sync::Arc;

use nearcast_fabric::Claim;
use nearcast_machine::Span;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use super::{Line, PATIENCE, VERSION, beat};
use crate::tls::{Tls, names_controller};

/// Those who may listen at once: there is one other controller, and what is left of connections
/// that broke.
const LISTENERS: usize = 4;
/// Lines of a beginning that are written between two looks at whether a claim is due.
const BATCH: usize = 64;

/// All that is known now, and what changes from now on, as lines.
pub(crate) struct Subscription {
    pub(crate) first: Vec<Arc<str>>,
    pub(crate) news: broadcast::Receiver<Arc<str>>,
}

/// Somebody who begins to listen asks for that.
pub(crate) type Asked = oneshot::Sender<Subscription>;

/// What is told.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) claim: watch::Receiver<Claim>,
    pub(super) lease: Span,
    pub(super) asked: mpsc::Sender<Asked>,
}

/// Serves what there is to tell.
pub(super) async fn serve(listener: TcpListener, tls: Option<Tls>, teller: Teller) {
    let listeners = Arc::new(Semaphore::new(LISTENERS));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(permit) = listeners.clone().try_acquire_owned() else { continue };
        let (tls, teller) = (tls.clone(), teller.clone());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = welcome(stream, tls, teller).await {
                tracing::debug!("the controller at {peer} listens no more: {error}");
            }
        });
    }
}

async fn welcome(stream: TcpStream, tls: Option<Tls>, teller: Teller) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return tell(stream, teller).await };
    let stream = timeout(PATIENCE, tls.acceptor.accept(stream)).await??;
    if !names_controller(stream.get_ref().1) {
        return Err(std::io::Error::other("its certificate does not name a controller"));
    }
    tell(stream, teller).await
}

async fn tell(mut stream: impl AsyncWrite + Unpin, teller: Teller) -> std::io::Result<()> {
    let Teller { mut claim, lease, asked } = teller;
    let (answer, answered) = oneshot::channel();
    if asked.send(answer).await.is_err() {
        return Ok(());
    }
    // The loop that answers is stopping, if it does not.
    let Ok(Subscription { first, mut news }) = answered.await else { return Ok(()) };
    let mut first = VecDeque::from(first);
    write(&mut stream, &Line::Version(VERSION).encode()).await?;
    let mut beats = interval(beat(lease));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now =
            |claim: &mut watch::Receiver<Claim>| Line::Claim(*claim.borrow_and_update()).encode();
        let lines = tokio::select! {
            biased;
            _ = beats.tick() => now(&mut claim),
            // A change is told at once.
            changed = claim.changed() => match changed {
                Ok(()) => now(&mut claim),
                Err(_) => return Ok(()),
            },
            () = std::future::ready(()), if !first.is_empty() => {
                first.drain(..first.len().min(BATCH)).map(|line| line.to_string()).collect()
            }
            line = news.recv() => match line {
                Ok(line) => line.to_string(),
                Err(RecvError::Closed) => return Ok(()),
                Err(RecvError::Lagged(lost)) => {
                    // It comes back, and is told all from the beginning.
                    return Err(std::io::Error::other(format!("it is {lost} lines too far behind")));
                }
            },
        };
        write(&mut stream, &lines).await?;
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), lines: &str) -> std::io::Result<()> {
    timeout(PATIENCE, async {
        stream.write_all(lines.as_bytes()).await?;
        stream.flush().await
    })
    .await?
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;
    use crate::tls::{CONTROLLER_NAME, TlsFiles};

    /// Writes an authority's certificate, and a certificate and key that it signed for each name.
    fn issue(folder: &Path, names: &[&str]) {
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text);
        let params = |name: &str| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let key = KeyPair::generate().expect("a key");
        let mut authority = params("authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write("ca.pem", authority.self_signed(&key).expect("signed").pem()).expect("written");
        let issuer = Issuer::new(authority, key);
        for name in names {
            let key = KeyPair::generate().expect("a key");
            let certificate = params(name).signed_by(&key, &issuer).expect("signed");
            write(&format!("{name}.pem"), certificate.pem()).expect("written");
            write(&format!("{name}.key"), key.serialize_pem()).expect("written");
        }
    }

    /// The first line that who shows this name's certificate is told.
    async fn told(folder: &Path, name: &str) -> String {
        let files = |name: &str| TlsFiles {
            cert: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
            ca: folder.join("ca.pem"),
        };
        let [server, client] =
            [CONTROLLER_NAME, name].map(|name| Tls::load(&files(name)).expect("sound files"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let claim = Claim { rank: 1, master: true, generation: 1 };
        let (_claims, claim) = watch::channel(claim);
        let (asked, mut asking) = mpsc::channel::<Asked>(1);
        let teller = Teller { claim, lease: Span::from_secs(1), asked };
        let (_news, news) = broadcast::channel(1);
        tokio::spawn(async move {
            let asked = asking.recv().await.expect("it asks");
            let first = vec!["\"begin\"\n".into()];
            drop(asked.send(Subscription { first, news }));
        });
        tokio::spawn(serve(listener, Some(server), teller));
        let stream = TcpStream::connect(address).await.expect("it listens");
        let stream = client.connect(stream).await.expect("its certificate names a controller");
        let mut line = String::new();
        // It may be cut off with an error as well.
        let _ = BufReader::new(stream).read_line(&mut line).await;
        line
    }

    #[tokio::test]
    async fn only_who_shows_a_controllers_certificate_is_told_anything() {
        let folder = tempfile::tempdir().expect("a folder");
        issue(folder.path(), &[CONTROLLER_NAME, "s1"]);
        assert_eq!(told(folder.path(), CONTROLLER_NAME).await, "{\"version\":1}\n");
        assert_eq!(told(folder.path(), "s1").await, "");
    }
}
