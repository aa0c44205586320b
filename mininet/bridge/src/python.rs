use std::ffi::{CStr, CString};
use std::sync::OnceLock;

use nix::libc;
use pyo3::prelude::*;
use pyo3::types::PyModule;
use pyo3::{Python, ffi};
use serde::{Deserialize, Serialize};

use crate::Error;

/// What was found of Python and Mininet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Such as `3.11.2`.
    pub python: String,
    /// Such as `2.3.0`.
    pub mininet: String,
    /// The folder that Mininet was loaded from.
    pub folder: String,
}

/// The versions of the interpreter and of Mininet.
///
/// # Errors
/// If the interpreter has no Mininet that loads.
pub fn versions() -> Result<Versions, Error> {
    attach(|py| {
        let text: PyResult<String> = (|| module(py)?.getattr("versions")?.call0()?.extract())();
        let text = text.map_err(|error| Error::Mininet(one_line(py, &error)))?;
        Ok(serde_json::from_str(&text).expect("our own Python writes it"))
    })
}

/// Runs `work` with the interpreter, which is started if it was not.
pub(crate) fn attach<T>(work: impl FnOnce(Python<'_>) -> Result<T, Error>) -> Result<T, Error> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    match STARTED.get_or_init(start) {
        Ok(()) => Python::attach(work),
        Err(message) => Err(Error::Interpreter(message.clone())),
    }
}

/// Our Python, `drive.py`, loaded once; it imports Mininet.
pub(crate) fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    static MODULE: pyo3::sync::PyOnceLock<Py<PyModule>> = pyo3::sync::PyOnceLock::new();
    let loaded = MODULE.get_or_try_init(py, || {
        let load = |text: &str, file: &CStr, name: &CStr| {
            let text = CString::new(text).expect("our Python has no zero byte");
            PyModule::from_code(py, &text, file, name)
        };
        // `from_code` leaves it in sys.modules, where drive.py imports it from.
        keeping_sigint(|| {
            load(nearcast_topologies::MININET_CLASSES, c"nearcast.py", c"nearcast_mininet")?;
            load(include_str!("drive.py"), c"drive.py", c"nearcast_drive").map(Bound::unbind)
        })
    })?;
    Ok(loaded.bind(py).clone())
}

/// Runs `import` and sees that SIGINT is handled afterwards as it was before: Python's `signal`
/// module takes it when it is first imported (which Mininet does), unless it is handled already,
/// and even in an interpreter that was told to install no handlers.
fn keeping_sigint<T>(import: impl FnOnce() -> T) -> T {
    let mut before = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: reads how one signal is handled, into memory that is there.
    let known =
        unsafe { libc::sigaction(libc::SIGINT, std::ptr::null(), before.as_mut_ptr()) } == 0;
    let imported = import();
    if known {
        // SAFETY: puts back what was read.
        unsafe { libc::sigaction(libc::SIGINT, before.as_ptr(), std::ptr::null_mut()) };
    }
    imported
}

/// An exception in one line, as a person should see it.
pub(crate) fn one_line(py: Python<'_>, error: &PyErr) -> String {
    let value = error.value(py).to_string();
    let words: Vec<&str> = value.split_whitespace().collect();
    let kind = error.get_type(py).name().map_or_else(|_| String::new(), |name| name.to_string());
    match words.is_empty() {
        true => kind,
        false if kind == "Exception" || kind == "NetError" => words.join(" "),
        false => format!("{kind}: {}", words.join(" ")),
    }
}

/// Starts the interpreter, isolated (PEP 587): no signal handlers, no `PYTHON*` variables, no user
/// site folder. Its prefix would be guessed from whichever `python3` comes first on `PATH`, which
/// may be one without Mininet (pyenv, conda), so it is told which program it is.
fn start() -> Result<(), String> {
    let program = CString::new(PROGRAM).expect("a path without a zero byte");
    // SAFETY: the calls are in the order that PEP 587 asks for, `config` is initialised by the
    // first and cleared by us, and this runs once, before anything else of Python.
    unsafe {
        if ffi::Py_IsInitialized() != 0 {
            return Ok(());
        }
        let mut config = std::mem::MaybeUninit::<ffi::PyConfig>::zeroed();
        let config = config.as_mut_ptr();
        ffi::PyConfig_InitIsolatedConfig(config);
        (*config).install_signal_handlers = 0;
        // Nothing is written beside the system's files.
        (*config).write_bytecode = 0;
        let name = &raw mut (*config).program_name;
        let mut status = ffi::PyConfig_SetBytesString(config, name, program.as_ptr());
        if ffi::PyStatus_Exception(status) == 0 {
            status = ffi::Py_InitializeFromConfig(config);
        }
        ffi::PyConfig_Clear(config);
        if ffi::PyStatus_Exception(status) != 0 {
            let message = status.err_msg;
            return Err(match message.is_null() {
                true => "no reason given".to_owned(),
                false => CStr::from_ptr(message).to_string_lossy().into_owned(),
            });
        }
        // Whoever comes first holds the interpreter; `Python::attach` takes it when it is needed.
        ffi::PyEval_SaveThread();
    }
    Ok(())
}

/// The interpreter that this was built for, from `PYO3_PYTHON` in `.cargo/config.toml`.
const PROGRAM: &str = match option_env!("PYO3_PYTHON") {
    Some(program) => program,
    None => "/usr/bin/python3",
};
