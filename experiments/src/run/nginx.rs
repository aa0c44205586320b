use std::path::{Path, PathBuf};

use nearcast_media::StreamName;

/// Where HLS is served.
pub(super) const HTTP_PORT: u16 = 8080;
/// Fragments of about three seconds, as Periscope's (Wang et al., IMC 2016); nginx-rtmp ends one with
/// the first IDR after that.
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

/// Where the playlist of a stream is written.
pub(super) fn playlist(prefix: &Path, key: &StreamName) -> PathBuf {
    prefix.join("hls").join(format!("{}.m3u8", key.key()))
}

/// The whole configuration: nothing of the machine's own nginx is used or touched.
pub(super) fn configuration(prefix: &Path, key: &StreamName, hls: bool) -> String {
    let load =
        module().map(|file| format!("load_module {};\n", file.display())).unwrap_or_default();
    let prefix = prefix.display();
    let app = key.app();
    let hls = if hls {
        format!(
            "hls on;\n            hls_path {prefix}/hls;\n            hls_fragment {FRAGMENT};\n            \
             hls_playlist_length {PLAYLIST};\n            hls_cleanup off;"
        )
    } else {
        "hls off;".to_owned()
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
            # The seed beside it admits publishers, and reads along what they publish.
            on_publish http://127.0.0.1:7936/on_publish;
            on_publish_done http://127.0.0.1:7936/on_publish_done;
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
        for hls in [true, false] {
            let path = folder.path().join("nginx.conf");
            std::fs::write(&path, configuration(folder.path(), &key, hls)).expect("written");
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
