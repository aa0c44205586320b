//! The interpreter is the system's, whatever the environment says.

use std::process::Command;

/// Set for the copy of this test program that has a misleading environment.
const HELPER: &str = "NEARCAST_TEST_PYTHON";

#[test]
fn a_foreign_python_does_not_mislead() {
    let folder = tempfile::tempdir().expect("a folder");
    // Comes first on PATH, as pyenv's and conda's do.
    let foreign = folder.path().join("bin");
    std::fs::create_dir_all(folder.path().join("lib/python3.11")).expect("made");
    std::fs::write(folder.path().join("lib/python3.11/os.py"), "raise SystemExit")
        .expect("written");
    std::fs::create_dir(&foreign).expect("made");
    std::os::unix::fs::symlink("/bin/false", foreign.join("python3")).expect("linked");
    let path = format!("{}:{}", foreign.display(), std::env::var("PATH").expect("a PATH"));

    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "helper_with_a_misleading_environment", "--ignored", "--nocapture"])
        .env(HELPER, "1")
        .env("PATH", path)
        .env("PYTHONHOME", "/nowhere")
        .env("PYTHONPATH", folder.path())
        .output()
        .expect("a copy of this test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("mininet in /usr/lib/python3/dist-packages/mininet"), "{said}");
    assert!(said.contains("signals untouched"), "{said}");
}

/// Not a test by itself.
#[test]
#[ignore = "started by another test"]
fn helper_with_a_misleading_environment() {
    if std::env::var_os(HELPER).is_none() {
        return;
    }
    let before = caught_signals();
    let versions = nearcast_bridge::versions().expect("Mininet");
    println!("mininet in {}", versions.folder);
    // Python's own start-up would take SIGINT.
    assert_eq!(caught_signals(), before);
    println!("signals untouched");
}

/// The masks of signals that are ignored or caught.
fn caught_signals() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let masks = status.lines().filter(|l| l.starts_with("SigIgn") || l.starts_with("SigCgt"));
    masks.map(str::to_owned).collect()
}
