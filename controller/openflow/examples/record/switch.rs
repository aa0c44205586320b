//! A switch's end of a connection, for `ovs-ofctl` to command.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rust_openflow::{Framer, Header, VERSION_10, VERSION_13, v10, v13};

use crate::Folder;
use crate::ovs::Ovs;

/// What is called what, its type on the wire, and what follows `ovs-ofctl -O VERSION`; `SWITCH`
/// stands for where we are.
pub(crate) type Command = (&'static str, u8, &'static [&'static str]);

/// Has `ovs-ofctl` carry out each command, and keeps the first message of its type.
pub(crate) fn record(
    ovs: &Ovs,
    version: &str,
    commands: &[Command],
    folder: &mut Folder,
) -> io::Result<()> {
    for (name, kind, command) in commands {
        let path = ovs.path(&format!("{version}-{name}.sock"));
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        let socket = format!("unix:{}", path.display());
        let arguments: Vec<&str> = ["-O", version, "--no-names", "--timeout=5"]
            .into_iter()
            .chain(command.iter().map(|a| if *a == "SWITCH" { socket.as_str() } else { *a }))
            .collect();
        let mut child = ovs.command("ovs-ofctl", &arguments).stdout(Stdio::null()).spawn()?;
        // It may connect first to ask about ports, and then again.
        let message = loop {
            match accept(&listener, &mut child).and_then(|stream| obey(stream, version, *kind)) {
                Ok(None) => {}
                Ok(Some(message)) => break Ok(message),
                Err(error) => break Err(error),
            }
        };
        // What was to be heard was heard: ovs-ofctl may still wait for an answer.
        let _ = child.kill();
        let _ = child.wait();
        let message = message.map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        let said =
            command.iter().map(|a| if a.contains(' ') { format!("'{a}'") } else { a.to_string() });
        let how = format!("`ovs-ofctl -O {version} {}`", said.collect::<Vec<_>>().join(" "));
        folder.keep(name, &how, &message)?;
    }
    Ok(())
}

fn accept(listener: &UnixListener, child: &mut Child) -> io::Result<UnixStream> {
    for _ in 0..1000 {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                return Ok(stream);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!(
                "ovs-ofctl ended ({status}) without the message that it should send"
            )));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(io::Error::other("ovs-ofctl did not connect within five seconds"))
}

/// Answers like a switch until a message of type `wanted` comes, or the connection ends.
fn obey(mut stream: UnixStream, version: &str, wanted: u8) -> io::Result<Option<Vec<u8>>> {
    let version = if version == "OpenFlow10" { VERSION_10 } else { VERSION_13 };
    stream.write_all(&[version, 0, 0, 8, 0, 0, 0, 1])?;
    let mut framer = Framer::new();
    let mut buffer = [0; 65536];
    loop {
        while let Some(frame) = framer.next_frame().map_err(io::Error::other)? {
            let header = Header::parse(&frame).map_err(io::Error::other)?;
            if header.kind == wanted {
                return Ok(Some(frame));
            }
            let answer = match version {
                VERSION_10 => answer_10(&frame),
                _ => answer_13(&frame),
            };
            stream.write_all(&answer.map_err(io::Error::other)?)?;
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            n => framer.push(&buffer[..n]),
        }
    }
}

fn answer_10(frame: &[u8]) -> Result<Vec<u8>, rust_openflow::Error> {
    use v10::{Body, ErrorMessage, ErrorType, Features, Message, Port};
    let question = v10::Message::parse(frame)?;
    let ports =
        vec![Port { number: 1, name: "p1".into(), hw_addr: [2; 6].into(), ..Port::default() }];
    let body = match question.body {
        Body::FeaturesRequest => Body::FeaturesReply(Features {
            datapath_id: 1,
            n_tables: 1,
            ports,
            ..Features::default()
        }),
        Body::BarrierRequest => Body::BarrierReply,
        Body::GetConfigRequest => {
            Body::GetConfigReply(v10::SwitchConfig { flags: 0, miss_send_len: 128 })
        }
        // No extension of Nicira's is known here.
        Body::Vendor(_) => {
            let kind = ErrorType::BAD_REQUEST;
            Body::Error(ErrorMessage { kind, code: 3, data: frame.to_vec() })
        }
        _ => return Ok(Vec::new()),
    };
    let mut out = Vec::new();
    Message::new(question.xid, body).encode(&mut out);
    Ok(out)
}

fn answer_13(frame: &[u8]) -> Result<Vec<u8>, rust_openflow::Error> {
    use v13::{Body, Message, MultipartReply, Port, Reply, Request};
    let question = v13::Message::parse(frame)?;
    let body = match question.body {
        Body::FeaturesRequest => Body::FeaturesReply(v13::Features::of(1, 254)),
        Body::BarrierRequest => Body::BarrierReply,
        Body::GetConfigRequest => {
            Body::GetConfigReply(v13::SwitchConfig { flags: 0, miss_send_len: 128 })
        }
        Body::MultipartRequest(request) => match request.body {
            Request::PortDesc => {
                let port = Port { hw_addr: [2; 6].into(), ..Port::new(1, "p1") };
                Body::MultipartReply(MultipartReply::new(Reply::PortDesc(vec![port])))
            }
            _ => return Ok(Vec::new()),
        },
        _ => return Ok(Vec::new()),
    };
    let mut out = Vec::new();
    Message::new(question.xid, body).encode(&mut out);
    Ok(out)
}
