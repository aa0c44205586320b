//! Players by RTMP: they take the stream and show nothing.

use std::io;

use nearcast_media::rtmp::{Client, ClientConfig, ClientEvent, Settings, Url};
use nearcast_media::{Media, Role, stamp};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::audience::Shared;
use crate::truth::Name;

/// Plays `url` and hands over what comes, until the server hangs up.
pub(crate) async fn play(url: &Url, mut take: impl FnMut(Media)) -> io::Result<()> {
    let tcp = TcpStream::connect((url.host(), url.port())).await?;
    tcp.set_nodelay(true)?;
    let (url, role) = (url.clone(), Role::Viewer);
    let config = ClientConfig { url, role, pipeline: true, settings: Settings::default() };
    let mut client = Client::new(config);
    let mut buffer = vec![0; 64 << 10];
    loop {
        while let Some(bytes) = client.output() {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                tcp.writable().await?;
                match tcp.try_write(rest) {
                    Ok(length) => rest = &rest[length..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        tcp.ready(Interest::READABLE).await?;
        match tcp.try_read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => client.receive(&buffer[..length]).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Some(event) = client.poll() {
            match event {
                ClientEvent::Media(media) => take(media),
                ClientEvent::Refused { description, .. } => {
                    return Err(io::Error::other(description));
                }
                ClientEvent::Accepted | ClientEvent::Paused(_) | ClientEvent::Ended => {}
            }
        }
    }
}

/// One of the audience.
pub(crate) async fn watch(shared: Shared, at: usize, url: Url) {
    let played = play(&url, |media| {
        let name = || Some(Name::Unit(stamp::find(&media.body)?.unit));
        shared.came(at, name, &media.body);
    });
    let over = played.await.expect_err("a live stream goes on");
    panic!("player {at}: {over}");
}
