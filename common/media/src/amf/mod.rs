//! AMF0 (Adobe, 2007) and the part of AMF3 (2006) that RTMP commands use.
