use axum::Router;
use axum::routing::get;
use nearcast_media::StreamName;
use tokio::net::TcpListener;

use super::http_flv;
use super::record::record;
use super::rtmp::Player;
use super::stage::{Stage, play_without_player};
use crate::cli::Recording;
use crate::http_port;
use crate::rtmp_port::RtmpPort;

impl Stage {
    /// Lets players in by RTMP and HTTP-FLV; `pages` are what else is answered by HTTP.
    pub(crate) fn open_doors(&self, rtmp: RtmpPort, http: TcpListener, pages: Router<Stage>) {
        let router = pages.route("/{*path}", get(http_flv::play)).with_state(self.clone());
        http_port::serve(http, router, self.life.clone());
        let stage = self.clone();
        rtmp.serve(self.life.clone(), move |link, from| {
            Player { stage: stage.clone(), from }.serve(link)
        });
    }

    /// Plays these streams without a player, and records those.
    pub(crate) fn read_here(&self, play: Vec<StreamName>, records: Vec<Recording>) {
        for stream in play {
            tokio::spawn(play_without_player(self.clone(), stream));
        }
        for recording in records {
            tokio::spawn(record(self.clone(), recording));
        }
    }
}
