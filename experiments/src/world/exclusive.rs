use std::fs::File;

use super::{Error, registry};

/// The machine to oneself: held by runs whose timing counts, and by tests that build a world, so
/// that two of them do not share the processors. It is let go when dropped, or when its holder
/// dies.
#[derive(Debug)]
pub struct Exclusive {
    _lock: File,
}

impl Exclusive {
    /// Waits for whoever holds it.
    pub fn acquire() -> Result<Exclusive, Error> {
        let lock = open()?;
        lock.lock().map_err(Error::system("take the lock of /run/nearcast"))?;
        Ok(Exclusive { _lock: lock })
    }

    /// `None` if somebody holds it.
    pub fn try_acquire() -> Result<Option<Exclusive>, Error> {
        let lock = open()?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Exclusive { _lock: lock })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(Error::system("take the lock of /run/nearcast")(error))
            }
        }
    }
}

fn open() -> Result<File, Error> {
    let path = registry::folder()?.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    file.map_err(Error::system(format!("open {}", path.display())))
}
