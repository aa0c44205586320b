use nearcast_media::{Kind, Unit};

/// Tells of each unit of an ordered sequence which group of pictures it is in.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    gop: Option<u64>,
    next: Option<u64>,
}

impl Groups {
    /// What [`Head::gop`](crate::Head::gop) of `unit` is. After a hole, in which a keyframe may
    /// have been, and before the first keyframe, it is the unit itself.
    pub(crate) fn place(&mut self, unit: &Unit) -> u64 {
        if self.next != Some(unit.number) {
            self.gop = None;
        }
        self.next = Some(unit.number + 1);
        if unit.kind == Kind::Video && unit.keyframe && !unit.header {
            self.gop = Some(unit.number);
        }
        self.gop.unwrap_or(unit.number)
    }
}
