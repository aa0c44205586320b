//! The OpenFlow controller of nearcast as a program.
