use std::sync::Arc;
use std::time::Duration;

use nearcast_media::StreamName;

use super::node::MeshNode;
use crate::players::{Admission, House};
use crate::pump::Shared;
use crate::queue::Outlet;

/// How long a player waits for a first neighbour.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens streams once a neighbour has one.
pub(super) struct MeshHouse {
    pub(super) node: Arc<Shared<MeshNode>>,
}

impl MeshHouse {
    async fn open(&self, stream: &StreamName) -> Result<Outlet, String> {
        let mut found = self.node.with(|node, now| node.open(now, stream))?;
        let over = || format!("{stream} is over");
        match tokio::time::timeout(PATIENCE, found.wait_for(|found| *found)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(over()),
            Err(_) => return Err(format!("nobody in the mesh has {stream}")),
        }
        self.node.with(|node, _| node.read(stream)).ok_or_else(over)
    }
}

impl House for MeshHouse {
    fn admit<'a>(&'a self, stream: &'a StreamName, _key: &'a str) -> Admission<'a> {
        Box::pin(self.open(stream))
    }
}
