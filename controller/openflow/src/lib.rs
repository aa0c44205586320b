//! OpenFlow 1.3 messages: nom in, encode out.
