use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nearcast_media::StreamName;

use super::cast;
use crate::Failure;
use crate::result::FolderError;
use crate::world::{Process, Shutdown, World};

/// Where HLS is served.
pub(super) const HTTP_PORT: u16 = 8080;
/// Fragments of about three seconds, as Periscope's (Wang et al., IMC 2016); nginx-rtmp ends one
/// with the first IDR after that.
const FRAGMENT: &str = "3s";
/// The playlist then lists four of them.
const PLAYLIST: &str = "12s";

/// Where Debian, Ubuntu and Fedora put the module; nothing where it is built in.
fn module() -> Option<PathBuf> {
    let folders =
        ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"];
    folders
        .iter()
        .map(|folder| Path::new(folder).join("ngx_rtmp_module.so"))
        .find(|file| file.exists())
}

/// What a CDN does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cdn<'a> {
    /// The one stream whose application it has.
    pub(crate) key: &'a StreamName,
    /// Whether it cuts HLS fragments.
    pub(crate) hls: bool,
    /// Whether the seed beside it is asked about publishers.
    pub(crate) seed: bool,
}

/// How long it may take until it listens.
const READY: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(10);

impl Cdn<'_> {
    /// Starts nginx in `host`, with its files in `prefix`, and waits until players can come.
    pub(crate) fn start(
        &self,
        world: &World,
        host: &str,
        prefix: &Path,
        shutdown: Shutdown,
    ) -> Result<Process, Failure> {
        let hls = prefix.join("hls");
        std::fs::create_dir_all(&hls).map_err(FolderError::io(&hls))?;
        let file = prefix.join("nginx.conf");
        // nginx reads relative paths against its prefix, so make it whole.
        let prefix = std::path::absolute(prefix).map_err(FolderError::io(prefix))?;
        std::fs::write(&file, self.configuration(&prefix)).map_err(FolderError::io(&file))?;
        let process = world.spawn_in(host, "nginx", cast::nginx(&prefix)?)?;
        let listens = || {
            let rtmp = SocketAddr::from((Ipv4Addr::LOCALHOST, 1935));
            let connects = world.in_namespace(host, || TcpStream::connect(rtmp).is_ok());
            (connects.unwrap_or(false) || !process.is_running()).then(|| process.is_running())
        };
        match shutdown.wait_for(READY, LOOK, listens)? {
            Some(true) => Ok(process),
            _ => Err(format!("nginx does not listen: {}", process.last_words(400)).into()),
        }
    }

    /// The whole configuration: nothing of the machine's own nginx is used or touched.
    fn configuration(&self, prefix: &Path) -> String {
        let load =
            module().map(|file| format!("load_module {};\n", file.display())).unwrap_or_default();
        let prefix = prefix.display();
        let app = self.key.app();
        let hls = if self.hls {
            format!(
                "hls on;\n            hls_path {prefix}/hls;\n            hls_fragment {FRAGMENT};\n            \
                 hls_playlist_length {PLAYLIST};\n            hls_cleanup off;"
            )
        } else {
            "hls off;".to_owned()
        };
        let seed = match self.seed {
            true => {
                "# The seed beside it admits publishers, and reads along what they publish.
                on_publish http://127.0.0.1:7936/on_publish;
                on_publish_done http://127.0.0.1:7936/on_publish_done;"
            }
            false => "# Nobody asks who publishes.",
        };
        format!(
            "{load}user root;
daemon off;
master_process off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 512; }}
rtmp {{
    access_log off;
    server {{
        listen 1935;
        chunk_size 4096;
        application {app} {{
            live on;
            # Viewers may come before the broadcaster. (Players of a stream that has ended may then wait
            # for more; the peers tell theirs that it is over.)
            idle_streams on;
            {seed}
            {hls}
        }}
    }}
}}
http {{
    access_log off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{
        listen {HTTP_PORT};
        root {prefix};
        location /hls/ {{ add_header Cache-Control no-cache; }}
    }}
}}
"
        )
    }
}

/// Where the playlist of a stream is written.
pub(super) fn playlist(prefix: &Path, key: &StreamName) -> PathBuf {
    prefix.join("hls").join(format!("{}.m3u8", key.key()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn nginx_takes_the_configuration() {
        let Some(nginx) = crate::world::find_system_program("nginx") else {
            return eprintln!("skipped: no nginx");
        };
        let folder = tempfile::tempdir().expect("a folder");
        let key: StreamName = "live/cam".parse().expect("a name");
        for (hls, seed) in [(true, true), (false, true), (false, false)] {
            let path = folder.path().join("nginx.conf");
            let cdn = Cdn { key: &key, hls, seed };
            std::fs::write(&path, cdn.configuration(folder.path())).expect("written");
            let output = Command::new(&nginx)
                .arg("-t")
                .args(["-e", "stderr", "-c"])
                .arg(&path)
                .arg("-p")
                .arg(folder.path())
                .output()
                .expect("it runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
