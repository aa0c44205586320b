use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use nix::sched::{CloneFlags, setns};

use super::Error;

/// A host's network namespace, held open: it stays enterable whatever becomes of its processes.
#[derive(Debug)]
pub(super) struct Namespace {
    file: File,
}

impl Namespace {
    /// The one that process `pid` is in.
    pub(super) fn of(pid: u32) -> Result<Namespace, Error> {
        let path = format!("/proc/{pid}/ns/net");
        let file = File::open(&path).map_err(Error::system(format!("open {path}")))?;
        Ok(Namespace { file })
    }

    /// What the kernel calls it; two processes with the same number are in the same namespace.
    pub(super) fn inode(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(Error::system("look at a namespace"))?.ino())
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` on a thread of its own inside the namespace. Sockets opened there stay in it
    /// wherever they are used afterwards.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let inside = || {
            // Only this thread, which ends right after, so nothing has to be put back.
            setns(&self.file, CloneFlags::CLONE_NEWNET)
                .map_err(Error::system("enter a host's network namespace"))?;
            Ok(work())
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}
