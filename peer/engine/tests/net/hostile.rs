//! What others send who mean no good.
