//! From meaning to bytes.

use super::super::map::Form;
use super::super::{Body, BufferMap, News, Report, Request};
use super::*;

impl Datagram {
    /// Writes the datagram to the end of `out`, so that one buffer serves many.
    ///
    /// # Panics
    /// If a request or a map spans more than [`SPAN_MAX`] chunks of a layer: no machine makes such.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        match self {
            Datagram::Peer { stream, epoch, message } => {
                let Message { key, body } = message;
                begin(kind(body), *stream, out);
                out.extend(epoch.to_be_bytes());
                out.extend(key.to_be_bytes());
                encode_body(body, out);
            }
            Datagram::Question { stream, question } => match question {
                Question::Announce { token, want } => {
                    begin(code::ANNOUNCE, *stream, out);
                    out.extend(token.to_be_bytes());
                    out.push(*want);
                }
                Question::Depart { token } => {
                    begin(code::DEPART, *stream, out);
                    out.extend(token.to_be_bytes());
                }
            },
            Datagram::Answer { stream, answer } => match answer {
                Answer::Peers(peers) => {
                    begin(code::PEERS, *stream, out);
                    let count = u8::try_from(peers.len()).expect("an answer names few peers");
                    out.push(count);
                    out.extend(peers.iter().flat_map(|peer| peer.0.to_be_bytes()));
                }
                Answer::Token(token) => {
                    begin(code::TOKEN, *stream, out);
                    out.extend(token.to_be_bytes());
                }
            },
            Datagram::KeyWanted { stream, nonce } => {
                begin(code::KEY_WANTED, *stream, out);
                out.extend(nonce.to_be_bytes());
                out.extend([0; 32]);
            }
            Datagram::Key { stream, nonce, key } => {
                begin(code::KEY, *stream, out);
                out.extend(nonce.to_be_bytes());
                out.extend(key.unwrap_or_default());
            }
        }
    }

    /// How many bytes [`encode`](Datagram::encode) writes.
    pub fn encoded_len(&self) -> usize {
        const BEGIN: usize = 3 + 8;
        match self {
            Datagram::Peer { message, .. } => message.size(),
            Datagram::Question { question: Question::Announce { .. }, .. } => BEGIN + 8 + 1,
            Datagram::Question { question: Question::Depart { .. }, .. } => BEGIN + 8,
            Datagram::Answer { answer: Answer::Peers(peers), .. } => BEGIN + 1 + 8 * peers.len(),
            Datagram::Answer { answer: Answer::Token(_), .. } => BEGIN + 8,
            Datagram::KeyWanted { .. } | Datagram::Key { .. } => BEGIN + 8 + 32,
        }
    }
}

fn begin(kind: u8, stream: StreamId, out: &mut Vec<u8>) {
    out.extend([MAGIC, VERSION, kind]);
    out.extend(stream.0);
}

fn kind(body: &Body<Bytes>) -> u8 {
    match body {
        Body::Seek { .. } => code::SEEK,
        Body::Accept { .. } => code::ACCEPT,
        Body::Confirm { .. } => code::CONFIRM,
        Body::Decline => code::DECLINE,
        Body::Leave => code::LEAVE,
        Body::News(_) => code::NEWS,
        Body::Chunk { .. } => code::CHUNK,
    }
}

fn encode_body(body: &Body<Bytes>, out: &mut Vec<u8>) {
    match body {
        Body::Seek { key } | Body::Accept { key } | Body::Confirm { key } => {
            out.extend(key.to_be_bytes());
        }
        Body::Decline | Body::Leave => {}
        Body::News(news) => encode_news(news, out),
        Body::Chunk { chunk, news } => {
            out.push(chunk.lc.layer);
            out.extend(chunk.lc.seq.to_be_bytes());
            out.extend(chunk.unit.to_be_bytes());
            out.extend(chunk.time.to_be_bytes());
            out.push(chunk.tag.bits());
            let length = news.as_ref().map_or(0, |news| news.size());
            let length = u16::try_from(length).expect("news fit a datagram");
            out.extend(length.to_be_bytes());
            if let Some(news) = news {
                encode_news(news, out);
            }
            out.extend(&chunk.payload);
        }
    }
}

fn encode_news(news: &News, out: &mut Vec<u8>) {
    let News { number, map, request } = news;
    out.extend(number.to_be_bytes());
    let has_map = if map.is_some() { code::HAS_MAP } else { 0 };
    let has_request = if request.is_some() { code::HAS_REQUEST } else { 0 };
    out.push(has_map | has_request);
    if let Some(Report { map, edge, hops, stamp, echo, held }) = map {
        out.extend(edge.to_be_bytes());
        out.push(*hops);
        [stamp, echo, held].into_iter().for_each(|word| out.extend(word.to_be_bytes()));
        encode_map(map, out);
    }
    if let Some(request) = request {
        encode_request(request, out);
    }
}

fn encode_map(map: &BufferMap, out: &mut Vec<u8>) {
    out.push(map.layers());
    for layer in 0..map.layers() {
        let base = map.base(layer);
        out.extend(base.to_be_bytes());
        out.extend(map.kbits(layer).to_be_bytes());
        let form = map.form(layer);
        let length = u16::try_from(form.len()).expect("a map fits a datagram");
        match form {
            Form::Bits(_) => {
                out.extend(length.to_be_bytes());
                let words = map.bits(layer);
                let shift = base % 64;
                let shifted = words.iter().enumerate().flat_map(|(at, word)| {
                    let next = words.get(at + 1).copied().unwrap_or(0);
                    // Of a shift by 64 nothing is left.
                    let carried = next.checked_shl(64 - shift).unwrap_or(0);
                    (word >> shift | carried).to_le_bytes()
                });
                out.extend(shifted.take(length.into()));
            }
            Form::Runs(_) => {
                out.extend((code::RUNS | length).to_be_bytes());
                for mut run in map.runs(layer) {
                    while run >= 0x80 {
                        out.push(run as u8 | 0x80);
                        run >>= 7;
                    }
                    out.push(run as u8);
                }
            }
        }
    }
}

fn encode_request(request: &Request, out: &mut Vec<u8>) {
    let patience = u16::try_from(request.patience.as_millis()).unwrap_or(u16::MAX);
    out.extend(patience.to_be_bytes());
    let firsts = firsts(request);
    let layers = firsts.iter().zip(0..).filter(|(first, _)| first.is_some());
    out.push(layers.fold(0, |layers, (_, layer)| layers | 1u8 << layer));
    firsts.iter().flatten().for_each(|first| out.extend(first.to_be_bytes()));
    out.extend((request.wanted.len() as u16).to_be_bytes());
    for lc in &request.wanted {
        let first = firsts[usize::from(lc.layer)].expect("every layer has a first chunk");
        let offset = lc.seq - first;
        assert!(offset < SPAN_MAX, "the chunks of a request lie within one window");
        out.extend((u16::from(lc.layer) << 13 | offset as u16).to_be_bytes());
    }
}
