//! The peer of nearcast as a program: broadcaster, viewer and CDN seed.
