//! Who comes and goes.
