use std::net::SocketAddr;
use std::sync::Arc;

use nearcast_media::StreamName;
use nearcast_media::rtmp::{Server, ServerEvent};
use tokio::sync::oneshot;

use super::node::{BroadcastNode, PublishId};
use super::uplink::Uplink;
use crate::address::CdnUrl;
use crate::events::Event;
use crate::journal::Journal;
use crate::life::Life;
use crate::link::{Broken, Link};
use crate::pump::Shared;
use crate::rtmp_port::HANDSHAKE;

/// One connection of an encoder.
pub(super) struct Publisher {
    pub(super) node: Arc<Shared<BroadcastNode>>,
    pub(super) journal: Journal,
    pub(super) life: Life,
    pub(super) cdn: CdnUrl,
    pub(super) from: SocketAddr,
}

/// A publish that ends with its connection, however that goes.
struct Publish<'a> {
    node: &'a Shared<BroadcastNode>,
    journal: &'a Journal,
    id: PublishId,
    stream: StreamName,
    accepted: bool,
    reason: String,
}

impl Drop for Publish<'_> {
    fn drop(&mut self) {
        self.node.with(|node, now| node.end(now, self.id));
        if self.accepted {
            let (stream, reason) = (self.stream.to_string(), std::mem::take(&mut self.reason));
            self.journal.note(Event::PublishEnded { stream, reason });
        }
    }
}

impl Publisher {
    /// Serves the encoder until it leaves.
    pub(super) async fn serve(self, mut link: Link<Server>) {
        let ended = self.converse(&mut link).await;
        if let Err(broken) = ended {
            tracing::debug!("publisher {}: {broken}", self.from);
        }
        link.close().await;
    }

    async fn converse(&self, link: &mut Link<Server>) -> Result<(), Broken> {
        let mut app = String::new();
        let mut publish: Option<Publish<'_>> = None;
        let idle = tokio::time::sleep(HANDSHAKE);
        tokio::pin!(idle);
        loop {
            while let Some(event) = link.session.poll() {
                match event {
                    ServerEvent::Connected { app: named, .. } => app = named,
                    ServerEvent::PublishRequested { key } => {
                        publish = self.admit(link, &app, &key).await?;
                        if publish.is_none() {
                            return Ok(());
                        }
                    }
                    ServerEvent::PlayRequested { .. } => {
                        link.session
                            .refuse("this is a broadcaster's peer; play at the viewer's")?;
                        return Ok(());
                    }
                    ServerEvent::Media(media) => {
                        if let Some(publish) = &publish {
                            self.node.with(|node, now| node.publish(now, publish.id, media));
                        }
                    }
                    ServerEvent::Ended => {
                        if let Some(publish) = &mut publish {
                            publish.reason = "the publisher stopped".to_owned();
                        }
                        return Ok(());
                    }
                    ServerEvent::Paused(_) => {}
                }
            }
            tokio::select! {
                stepped = link.step() => if let Err(broken) = stepped {
                    if let Some(publish) = &mut publish {
                        publish.reason = broken.to_string();
                    }
                    return Err(broken);
                },
                () = self.life.closing() => {
                    if let Some(publish) = &mut publish {
                        publish.reason = "this peer ends".to_owned();
                    }
                    return Ok(());
                }
                () = &mut idle, if publish.is_none() => return Ok(()),
            }
        }
    }

    /// Asks the CDN, and passes its answer on. `None` is a refusal.
    async fn admit<'a>(
        &'a self,
        link: &mut Link<Server>,
        app: &str,
        key: &str,
    ) -> Result<Option<Publish<'a>>, Broken> {
        let begun =
            StreamName::new(app, key).map_err(|error| error.to_string()).and_then(|stream| {
                let id = self.node.with(|node, now| node.begin(now, &stream))?;
                Ok((stream, id))
            });
        let (stream, id) = match begun {
            Ok(begun) => begun,
            Err(reason) => return self.refuse(link, format!("{app}/{key}"), reason),
        };
        let mut publish = Publish {
            node: &self.node,
            journal: &self.journal,
            id,
            stream: stream.clone(),
            accepted: false,
            reason: String::new(),
        };
        let uplink = Uplink {
            node: Arc::clone(&self.node),
            journal: self.journal.clone(),
            life: self.life.clone(),
            cdn: self.cdn.clone(),
            stream: stream.clone(),
            key: key.to_owned(),
            publish: id,
            last: None,
        };
        let (verdict, answer) = oneshot::channel();
        tokio::spawn(uplink.run(verdict));
        match link.until(answer).await? {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return self.refuse(link, stream.to_string(), refusal.to_string()),
            Err(_) => return self.refuse(link, stream.to_string(), "this peer ends".to_owned()),
        }
        link.session.accept()?;
        publish.accepted = true;
        self.journal.note(Event::PublishAccepted {
            stream: stream.to_string(),
            epoch: id.epoch.into(),
            publisher: self.from,
            key: self.node.with(|node, _| node.public_key()).map(|key| key.to_string()),
        });
        Ok(Some(publish))
    }

    fn refuse<'a>(
        &'a self,
        link: &mut Link<Server>,
        stream: String,
        reason: String,
    ) -> Result<Option<Publish<'a>>, Broken> {
        link.session.refuse(&reason)?;
        self.journal.note(Event::PublishRefused { stream, reason });
        Ok(None)
    }
}
