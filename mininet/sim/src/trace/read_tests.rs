use std::{fs, io};

use proptest::prelude::*;

use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Trace, TraceError> {
    Trace::read(text.as_ref(), Path::new("day.csv"))
}

fn refused(text: impl AsRef<[u8]>) -> String {
    parse(text).expect_err("refused").to_string()
}

#[test]
fn columns_come_in_any_order_and_comments_anywhere() {
    let text = "# made by hand\ndeparture_s, id ,capacity_kbit_s,arrival_s\n\
                3.5,a,320,0\r\n# another\n1e1,b,0,2.25\n";
    let trace = parse(text).expect("a trace");
    let [a, b] = trace.sessions() else { panic!("two sessions: {trace:?}") };
    assert_eq!((&*a.id, a.length()), ("a", Span::from_millis(3_500)));
    assert_eq!(a.capacity, Some(Bitrate::from_bits_per_sec(320_000)));
    assert_eq!((&*b.id, b.length()), ("b", Span::from_millis(7_750)));
    assert_eq!(b.capacity, Some(Bitrate::from_bits_per_sec(0)));
    let without = parse("\u{feff}id,arrival_s,departure_s\na,0,1").expect("without capacities");
    assert_eq!(without.sessions()[0].capacity, None);
}

#[test]
fn errors_name_file_and_line() {
    let header = "# a comment\nid,arrival_s,departure_s,capacity_kbit_s\na,0,10,256\n";
    for (line, expected) in [
        (
            "b,5,3,256",
            "day.csv, line 4: session `b` departs at 3.000000000s, not after its arrival",
        ),
        ("b,5,5,256", "day.csv, line 4: session `b` departs"),
        ("a,9.9,12,256", "day.csv, line 4: `a` is there already, by the session of line 3"),
        ("b,0,1,NaN", "day.csv, line 4: capacity_kbit_s is `NaN`, and not a rate in kbit/s"),
        ("b,0,1,inf", "line 4: capacity_kbit_s is `inf`"),
        ("b,0,1,-1", "line 4: capacity_kbit_s is `-1`"),
        ("b,0,1,", "line 4: capacity_kbit_s is ``"),
        ("b,nan,1,1", "line 4: arrival_s is `nan`, and not a number of seconds"),
        ("b,0,1e300,1", "line 4: departure_s is `1e300`"),
        ("b,-0.1,1,1", "line 4: arrival_s is `-0.1`"),
        ("b,12:30,1,1", "line 4: arrival_s is `12:30`"),
        (",0,1,1", "line 4: id is ``, and not 1 to 64 bytes"),
        ("b,0,1", "line 4: 3 fields, where the first line names 4 columns"),
        ("b,0,1,1,1", "line 4: 5 fields"),
    ] {
        let text = refused(format!("{header}{line}\nz,0,1,1\n"));
        assert!(text.contains(expected), "{line}: {text}");
    }
    // Quotes mean nothing, and do not join lines.
    let text = refused(format!("{header}\"b,0,1,1\nc,1,0,1\n"));
    assert!(text.contains("line 5: session `c`"), "{text}");
    // Later lines of the file may be earlier in time.
    let text = refused("id,arrival_s,departure_s\n\na,5,9\n\n\na,0,6\n");
    assert!(text.contains("line 6: `a` is there already, by the session of line 3"), "{text}");
}

#[test]
fn what_is_no_trace_is_refused() {
    assert!(refused("").contains("day.csv: there are no sessions"));
    assert!(refused("# only\n# comments\n").contains("no sessions"));
    assert!(refused("id,arrival_s,departure_s\n").contains("no sessions"));
    assert!(refused("id,arrival_s\na,0\n").contains("line 1: there is no column `departure_s`"));
    assert!(refused("id,arrival_s,departure_s,id\n").contains("column `id` is unknown or there"));
    assert!(refused("id,arrival_s,departure_s,speed\n").contains("column `speed` is unknown"));
    assert!(refused(b"id,arrival_s,departure_s\n\xff\xfe,0,1\n").contains("line 2: not UTF-8"));
    let missing = Trace::open(Path::new("/nowhere/day.csv")).expect_err("not there").to_string();
    assert!(missing.starts_with("/nowhere/day.csv: "), "{missing}");
}

/// Zeros for ever, counting how many were taken.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 += buffer.len() as u64;
        buffer.fill(b'0');
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_an_end_is_not_collected() {
    let mut endless = Endless(0);
    let header: &[u8] = b"# comment\nid,arrival_s,departure_s\n";
    let error = Trace::read(header.chain(&mut endless), Path::new("day.csv")).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "day.csv, line 3: longer than 4096 bytes; a trace has one session per line"
    );
    assert!(endless.0 < 1 << 20, "{} bytes were read", endless.0);
}

#[test]
fn too_many_sessions_are_not_collected() {
    /// Lines for ever.
    struct Lines(u64);
    impl Read for Lines {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            let line = format!("{},0,1\n", self.0);
            buffer[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }
    let lines = io::Cursor::new("id,arrival_s,departure_s\n").chain(io::BufReader::new(Lines(0)));
    let error = Trace::read(lines, Path::new("day.csv")).expect_err("refused");
    assert_eq!(error.to_string(), "day.csv, line 10000002: more than 10000000 sessions");
}

#[test]
fn saving_replaces_the_whole_file_or_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("day.csv");
    let trace = parse("id,arrival_s,departure_s\na,0.000000001,1\n").expect("a trace");
    trace.save(&path, "made in a test\nin two lines").expect("saved");
    let text = fs::read_to_string(&path).expect("there");
    assert_eq!(
        text,
        "# made in a test\n# in two lines\nid,arrival_s,departure_s\na,0.000000001,1\n"
    );
    assert_eq!(Trace::open(&path).expect("read back"), trace);

    // The rename fails, as a folder is in the way; nothing else is left behind.
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inside")).expect("a folder");
    let error = trace.save(&taken, "").expect_err("refused").to_string();
    assert!(error.starts_with(taken.to_str().expect("text")), "{error}");
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).expect("there").map(|e| e.expect("one").file_name()).collect();
    left.sort();
    assert_eq!(left, ["day.csv", "taken"]);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        sessions in prop::collection::vec(
            ("[a-z]{1,3}", 0u64..100_000_000_000_000, 1u64..100_000_000_000_000, 0u64..10_000_000),
            1..40,
        ),
        capacities: bool,
    ) {
        let sessions = sessions.into_iter().map(|(id, arrival, length, rate)| Session {
            id: id.into(),
            arrival: Time::from_nanos(arrival),
            departure: Time::from_nanos(arrival + length),
            capacity: capacities.then(|| Bitrate::from_bits_per_sec(rate)),
        });
        // Whoever overlaps is told so; the rest is a trace.
        if let Ok(trace) = Trace::new(sessions.collect()) {
            let mut text = Vec::new();
            trace.write(&mut text, "comment").expect("memory");
            prop_assert_eq!(parse(text).expect("a trace"), trace);
        }
    }

    #[test]
    fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let mut text = b"id,arrival_s,departure_s\n".to_vec();
        text.extend(bytes);
        let _ = parse(&text);
    }
}
