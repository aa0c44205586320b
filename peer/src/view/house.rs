use std::sync::Arc;

use nearcast_media::StreamName;

use super::node::{Verdict, ViewNode};
use super::session::Session;
use crate::address::CdnUrl;
use crate::life::Life;
use crate::players::{Admission, House};
use crate::pump::Shared;
use crate::queue::Outlet;

/// Opens streams once the CDN has accepted our play.
pub(super) struct ViewHouse {
    pub(super) node: Arc<Shared<ViewNode>>,
    pub(super) life: Life,
    pub(super) cdn: CdnUrl,
}

impl ViewHouse {
    async fn open(&self, stream: &StreamName, key: &str) -> Result<Outlet, String> {
        let mut opened = self.node.with(|node, _| node.open(stream))?;
        if let Some(pauses) = opened.pauses.take() {
            let session = Session {
                node: Arc::clone(&self.node),
                life: self.life.clone(),
                cdn: self.cdn.clone(),
                stream: stream.clone(),
                key: key.to_owned(),
                id: opened.id,
                pauses,
                unwatched: None,
            };
            tokio::spawn(session.run());
        }
        let over = || format!("{stream} is over");
        let decided = opened.verdict.wait_for(|verdict| *verdict != Verdict::Pending);
        match decided.await.map_err(|_| over())?.clone() {
            Verdict::Refused(reason) => return Err(reason),
            Verdict::Accepted | Verdict::Pending => {}
        }
        self.node.with(|node, _| node.read(opened.id)).ok_or_else(over)
    }
}

impl House for ViewHouse {
    fn admit<'a>(&'a self, stream: &'a StreamName, key: &'a str) -> Admission<'a> {
        Box::pin(self.open(stream, key))
    }
}
