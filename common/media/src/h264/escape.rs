/// Removes emulation prevention (7.4.1.1): a 3 after two zeros is dropped. At most `limit` bytes
/// are given, so that whoever needs only the beginning of a NAL unit pays only for that.
pub fn unescape(escaped: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(limit.min(escaped.len()));
    let mut zeros = 0;
    for &byte in escaped {
        if out.len() == limit {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Adds emulation prevention to `payload`, and writes it to `out`: no start code can be seen in it.
/// The payload ends in its trailing bits (7.3.2.11), so not in a zero.
pub fn escape(payload: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in payload {
        if zeros == 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(
            payload in prop::collection::vec(prop_oneof![0u8..5, any::<u8>()], 0..200),
        ) {
            let payload = [&payload[..], &[0x80]].concat();
            let mut escaped = Vec::new();
            escape(&payload, &mut escaped);
            prop_assert!(!escaped.windows(3).any(|w| w[..2] == [0, 0] && w[2] < 3));
            prop_assert_eq!(unescape(&escaped, usize::MAX), payload.clone());
            prop_assert_eq!(unescape(&escaped, 5), &payload[..payload.len().min(5)]);
        }
    }
}
