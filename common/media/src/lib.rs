//! RTMP, FLV and H.264 without I/O: chunks, commands, NAL units, temporal layers and the frame stamp.
