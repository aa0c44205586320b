//! One emulated link as a machine, and the userspace driver that runs all links of a topology on TAP devices.
