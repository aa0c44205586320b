use std::io;
use std::path::Path;

use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::flv::Pieces;
use super::stage::{Seat, Stage, wait_for};
use crate::cli::Recording;

/// Plays a stream once it is there, and writes it to a file as FLV until it is over.
pub(super) async fn record(stage: Stage, recording: Recording) {
    let Recording { stream, file } = recording;
    let Some(seat) = wait_for(&stage, &stream).await else { return };
    // The stream goes on for everybody else.
    if let Err(error) = write(seat, &file).await {
        tracing::error!("{} cannot be written any more: {error}", file.display());
    }
}

async fn write(mut seat: Seat, file: &Path) -> io::Result<()> {
    let mut file = File::create(file).await?;
    let mut pieces = Pieces::default();
    while let Some(first) = seat.outlet.next().await {
        file.write_all(&pieces.next(first, &mut seat.outlet)).await?;
    }
    file.flush().await
}
