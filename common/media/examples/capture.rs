//! Records one RTMP connection between two programs, as the captures under `tests/captures/` were.
//!
//! ```text
//! cargo run -p nearcast-media --example capture -- LISTEN TARGET FILE
//! ```
//!
//! It accepts one connection on `LISTEN`, connects to `TARGET`, passes all bytes on, and writes
//! them to `FILE` in the order in which they came: a byte 0 (from the client) or 1 (from the
//! server), a length in four bytes, big-endian, and as many bytes. It records up to 36 KiB and
//! passes the rest on unseen.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::{env, thread};

const RECORDED_MAX: usize = 36 << 10;

struct Record {
    file: File,
    left: usize,
}

fn pass(
    side: u8,
    mut from: TcpStream,
    mut to: TcpStream,
    record: &Mutex<Record>,
) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return to.shutdown(Shutdown::Write);
        }
        let mut record = record.lock().expect("no writer panics");
        if n <= record.left {
            record.left -= n;
            record.file.write_all(&[side])?;
            record.file.write_all(&(n as u32).to_be_bytes())?;
            record.file.write_all(&buffer[..n])?;
        } else {
            record.left = 0;
        }
        drop(record);
        to.write_all(&buffer[..n])?;
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [listen, target, path] = &arguments[..] else {
        return Err(io::Error::other("usage: capture LISTEN TARGET FILE"));
    };
    let record = Mutex::new(Record { file: File::create(path)?, left: RECORDED_MAX });
    let (client, _) = TcpListener::bind(listen)?.accept()?;
    let server = TcpStream::connect(target)?;
    thread::scope(|scope| {
        let up = (client.try_clone()?, server.try_clone()?);
        // One side closing ends that direction; an error is the end of both, and no failure here.
        scope.spawn(|| pass(0, up.0, up.1, &record));
        let _ = pass(1, server, client, &record);
        Ok(())
    })
}
