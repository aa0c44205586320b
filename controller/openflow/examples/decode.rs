//! Says what is in a file of OpenFlow messages, such as those in `tests/captures`.
//!
//!     cargo run -p rust_openflow --example decode controller/openflow/tests/captures/v13/flow.bin

use std::process::ExitCode;
use std::{env, fs};

use rust_openflow::{Error, Framer, Header, VERSION_10, v10, v13};

fn main() -> ExitCode {
    let files: Vec<_> = env::args_os().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: decode FILE...");
        return ExitCode::FAILURE;
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let file = file.to_string_lossy();
        let said = fs::read(&*file).map_err(|error| error.to_string());
        if let Err(error) = said.and_then(|bytes| decode(&bytes).map_err(|error| error.to_string()))
        {
            eprintln!("{file}: {error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn decode(bytes: &[u8]) -> Result<(), Error> {
    let mut framer = Framer::new();
    framer.push(bytes);
    while let Some(frame) = framer.next_slice()? {
        // Hello and error are alike in all versions, so 1.3 reads those of versions that we have
        // not.
        if Header::parse(frame)?.version == VERSION_10 {
            let message = v10::Message::parse(frame)?;
            println!("1.0 {} 0x{:08x} {:#?}", message.body.name(), message.xid, message.body);
        } else {
            let message = v13::Message::parse(frame)?;
            println!("1.3 {} 0x{:08x} {:#?}", message.body.name(), message.xid, message.body);
        }
    }
    if framer.pending() > 0 {
        println!("{} bytes of a message that ends beyond the file", framer.pending());
    }
    Ok(())
}
