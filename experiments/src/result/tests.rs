use super::*;
use crate::kept_schema::KeptSchema;

const SCHEMA: KeptSchema = KeptSchema("result.schema.json");

fn sample() -> serde_json::Value {
    serde_json::to_value(synthetic::outcome()).expect("plain data")
}

#[test]
fn the_schema_in_docs_is_that_of_the_types() {
    SCHEMA.assert_is(&schema());
}

#[test]
fn an_outcome_fits_the_schema_and_reads_back() {
    let value = sample();
    let validator = SCHEMA.validator();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = synthetic::outcome();
    store(folder.path(), &outcome).expect("stored");
    assert_eq!(load::<Outcome>(folder.path()).expect("loaded"), outcome);
    assert_eq!(kind(folder.path()).expect("it says so"), Kind::Streams);
}

#[test]
fn broken_outcomes_do_not_fit() {
    let validator = SCHEMA.validator();
    let breakages: [(&str, &str, serde_json::Value); 7] = [
        ("a number is text", "/seed", "one".into()),
        ("a time is negative", "/started", (-1).into()),
        ("an unknown system", "/runs/0/system", "carrier pigeon".into()),
        ("an unknown way", "/runs/0/viewers/0/frames/0/way", "air".into()),
        ("no verdict", "/goals/0/verdict", serde_json::Value::Null),
        ("a series is a number", "/runs/0/fidelity/cpu", 3.into()),
        ("an unknown measure", "/runs/0/truth/0/measure", "guess".into()),
    ];
    for (what, pointer, value) in breakages {
        let mut broken = sample();
        *broken.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is in the sample")) =
            value;
        assert!(!validator.is_valid(&broken), "{what} was taken for a result");
        assert!(serde_json::from_value::<Outcome>(broken).is_err(), "{what} was read");
    }
    let mut layer = sample();
    layer["runs"][0]["sent"][0]["layer"] = 9.into();
    assert!(!validator.is_valid(&layer), "a layer beyond all layers was taken");
    let mut extra = sample();
    extra["surprise"] = 1.into();
    assert!(!validator.is_valid(&extra), "an unknown field was taken");
    let mut less = sample();
    less.as_object_mut().expect("an object").remove("versions");
    assert!(!validator.is_valid(&less), "a missing field was taken");
}

#[test]
fn what_cannot_be_read_says_where_and_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = |text: &str| {
        std::fs::write(folder.path().join(RESULT_FILE), text).expect("written");
        load::<Outcome>(folder.path()).expect_err("it is broken").to_string()
    };
    assert!(message("{\"format\": 1,\n\"seed\": }").contains("line 2"));
    assert!(message("{\"format\": 99}").contains("format 99"));
    assert!(message("{\"format\": 1}").contains("missing field"));
    std::fs::remove_file(folder.path().join(RESULT_FILE)).expect("there");
    let error = load::<Outcome>(folder.path()).expect_err("nothing there").to_string();
    assert!(error.contains("result.json") && error.contains("No such file"), "{error}");
}

#[test]
fn a_full_disk_is_told_and_leaves_the_last_result() {
    // /dev/full answers every write with ENOSPC; a link to it stands in for a full disk.
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = synthetic::outcome();
    store(folder.path(), &outcome).expect("stored");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("result.json.partial"))
        .expect("linked");
    let error = store(folder.path(), &outcome).expect_err("the disk is full").to_string();
    assert!(error.contains("No space left") && error.contains("--out"), "{error}");
    assert_eq!(load::<Outcome>(folder.path()).expect("the last one is whole"), outcome);
}

#[test]
fn csv_has_a_row_for_every_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = synthetic::outcome();
    write_csv(folder.path(), &outcome).expect("written");
    let text = std::fs::read_to_string(folder.path().join("csv/frames.csv")).expect("there");
    let frames: usize =
        outcome.runs.iter().flat_map(|run| &run.viewers).map(|viewer| viewer.frames.len()).sum();
    assert_eq!(text.lines().count(), frames + 1);
    assert!(text.lines().nth(1).expect("a row").starts_with("fig3,1,direct,hv1,0,"), "{text:.200}");
}
