//! From bytes to meaning.

use std::sync::Arc;

use nearcast_machine::Span;
use nom::Parser;
use nom::bytes::complete::take;
use nom::error::context;
use nom::multi::count;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::super::map::{Form, varint_len};
use super::super::tracker::PEERS_MAX;
use super::super::{
    Body, BufferMap, Chunk, LayerBits, Lc, News, PeerId, Report, Request, SEQ_MAX, Tag,
};
use super::*;
use crate::Error;
use crate::reading::{Fail, Read, bytes_of, checked, whole};

impl Datagram {
    /// Reads a datagram. Payloads are slices of it, not copies.
    ///
    /// # Errors
    /// [`Error::Truncated`] if it ends too early, [`Error::Malformed`] if it says what cannot be or
    /// says it otherwise than [`encode`](Datagram::encode) would; both name the field and its
    /// offset.
    pub fn parse(datagram: &Bytes) -> Result<Datagram, Error> {
        if datagram.len() > DATAGRAM_MAX {
            return Err(Error::Malformed { field: "length", offset: DATAGRAM_MAX });
        }
        whole(datagram, read(datagram, datagram))
    }
}

fn read<'a>(whole: &Bytes, input: &'a [u8]) -> Read<'a, Datagram> {
    let (input, ()) = checked("magic", be_u8, |byte| (byte == MAGIC).then_some(()), input)?;
    let (input, ()) = checked("version", be_u8, |byte| (byte == VERSION).then_some(()), input)?;
    let known = |kind| {
        let known = matches!(kind, code::SEEK..=code::CHUNK | code::ANNOUNCE..=code::KEY);
        known.then_some(kind)
    };
    let (input, kind) = checked("type", be_u8, known, input)?;
    let (input, stream) = context("stream", be_u64).parse(input)?;
    let stream = StreamId(stream.to_be_bytes());
    match kind {
        code::ANNOUNCE..=code::TOKEN => return tracker(kind, stream, input),
        code::KEY_WANTED | code::KEY => return key(kind, stream, input),
        _ => {}
    }
    let (input, epoch) = context("epoch", be_u32).parse(input)?;
    let (input, key) = context("key", be_u64).parse(input)?;
    let (input, body) = body(whole, kind, input)?;
    Ok((input, Datagram::Peer { stream, epoch, message: Message { key, body } }))
}

fn tracker(kind: u8, stream: StreamId, input: &[u8]) -> Read<'_, Datagram> {
    if kind == code::PEERS {
        let few = |n: u8| (usize::from(n) <= PEERS_MAX).then_some(n);
        let (input, n) = checked("peers", be_u8, few, input)?;
        let (input, ids) = count(context("peer", be_u64), n.into()).parse(input)?;
        let answer = Answer::Peers(ids.into_iter().map(PeerId).collect());
        return Ok((input, Datagram::Answer { stream, answer }));
    }
    let (input, token) = context("token", be_u64).parse(input)?;
    match kind {
        code::ANNOUNCE => {
            let (input, want) = context("want", be_u8).parse(input)?;
            let question = Question::Announce { token, want };
            Ok((input, Datagram::Question { stream, question }))
        }
        code::DEPART => {
            Ok((input, Datagram::Question { stream, question: Question::Depart { token } }))
        }
        _ => Ok((input, Datagram::Answer { stream, answer: Answer::Token(token) })),
    }
}

fn key(kind: u8, stream: StreamId, input: &[u8]) -> Read<'_, Datagram> {
    let (input, nonce) = context("nonce", be_u64).parse(input)?;
    let wanted = kind == code::KEY_WANTED;
    let fits = |key: &[u8]| {
        let key: [u8; 32] = key.try_into().ok()?;
        let key = (key != [0; 32]).then_some(key);
        (!wanted || key.is_none()).then_some(key)
    };
    let (input, key) = checked("key", take(32usize), fits, input)?;
    Ok((
        input,
        match wanted {
            true => Datagram::KeyWanted { stream, nonce },
            false => Datagram::Key { stream, nonce, key },
        },
    ))
}

fn body<'a>(whole: &Bytes, kind: u8, input: &'a [u8]) -> Read<'a, Body<Bytes>> {
    match kind {
        code::SEEK | code::ACCEPT | code::CONFIRM => {
            let (input, key) = context("key", be_u64).parse(input)?;
            Ok((
                input,
                match kind {
                    code::SEEK => Body::Seek { key },
                    code::ACCEPT => Body::Accept { key },
                    _ => Body::Confirm { key },
                },
            ))
        }
        code::DECLINE => Ok((input, Body::Decline)),
        code::LEAVE => Ok((input, Body::Leave)),
        code::NEWS => news(input).map(|(input, news)| (input, Body::News(Box::new(news)))),
        _ => chunk(whole, input),
    }
}

fn chunk<'a>(whole: &Bytes, input: &'a [u8]) -> Read<'a, Body<Bytes>> {
    let (input, layer) = checked("layer", be_u8, layer, input)?;
    let (input, seq) = checked("seq", be_u32, |seq| (seq < SEQ_MAX).then_some(seq), input)?;
    let (input, unit) = context("unit", be_u32).parse(input)?;
    let (input, time) = context("time", be_u32).parse(input)?;
    let (input, tag) = context("tag", be_u8).parse(input)?;
    let (input, length) = context("news length", be_u16).parse(input)?;
    let (input, news) = match length {
        0 => (input, None),
        _ => {
            let (rest, bytes) = context("news", nom::bytes::complete::take(length)).parse(input)?;
            let (left, news) = news(bytes)?;
            if !left.is_empty() {
                return Err(Fail::malformed("news length", left));
            }
            (rest, Some(Box::new(news)))
        }
    };
    let (input, payload) = bytes_of("payload", whole, input.len(), input)?;
    let lc = Lc { layer, seq };
    let chunk = Chunk { lc, unit, time, tag: Tag::from_bits(tag), payload };
    Ok((input, Body::Chunk { chunk, news }))
}

fn layer(layer: u8) -> Option<u8> {
    (usize::from(layer) < LAYERS_MAX).then_some(layer)
}

fn news(input: &[u8]) -> Read<'_, News> {
    let (input, number) = context("number", be_u32).parse(input)?;
    let known = |parts| (parts & !(code::HAS_MAP | code::HAS_REQUEST) == 0).then_some(parts);
    let (input, parts) = checked("parts", be_u8, known, input)?;
    let (input, map) = match parts & code::HAS_MAP {
        0 => (input, None),
        _ => report(input).map(|(input, report)| (input, Some(report)))?,
    };
    let (input, request) = match parts & code::HAS_REQUEST {
        0 => (input, None),
        _ => request(input).map(|(input, request)| (input, Some(request)))?,
    };
    Ok((input, News { number, map, request }))
}

fn report(input: &[u8]) -> Read<'_, Report> {
    let (input, edge) = context("edge", be_u32).parse(input)?;
    let (input, hops) = context("hops", be_u8).parse(input)?;
    let (input, stamp) = context("stamp", be_u32).parse(input)?;
    let (input, echo) = context("echo", be_u32).parse(input)?;
    let (input, held) = context("held", be_u32).parse(input)?;
    let (input, map) = map(input)?;
    Ok((input, Report { map: Arc::new(map), edge, hops, stamp, echo, held }))
}

/// A layer's base, rate and words.
type LayerRead = (u32, u16, Vec<u64>);

fn map(input: &[u8]) -> Read<'_, BufferMap> {
    let begin = input;
    let few = |n: u8| (usize::from(n) <= LAYERS_MAX).then_some(n);
    let (mut input, n) = checked("layers", be_u8, few, input)?;
    let mut layers: Vec<LayerRead> = Vec::with_capacity(n.into());
    let mut forms = [Form::Bits(0); LAYERS_MAX];
    for form in forms.iter_mut().take(n.into()) {
        let (rest, (layer, read)) = map_layer(input)?;
        layers.push(layer);
        *form = read;
        input = rest;
    }
    let map = BufferMap::new(layers.iter().map(|(base, kbits, words)| LayerBits {
        base: *base,
        kbits: *kbits,
        words,
    }));
    // Each map has one encoding, so that nothing can hide in how it is written.
    let canonical = (0..n).all(|layer| map.form(layer) == forms[usize::from(layer)]);
    if !canonical || map.size() != begin.len() - input.len() {
        return Err(Fail::malformed("map", begin));
    }
    Ok((input, map))
}

fn map_layer(input: &[u8]) -> Read<'_, (LayerRead, Form)> {
    let (input, base) = checked("base", be_u32, |base| (base <= SEQ_MAX).then_some(base), input)?;
    let (input, kbits) = context("rate", be_u16).parse(input)?;
    let (input, form) = context("form", be_u16).parse(input)?;
    let length = usize::from(form & !code::RUNS);
    let (rest, bytes) = context("chunks", nom::bytes::complete::take(length)).parse(input)?;
    let most = SPAN_MAX.min(SEQ_MAX - base);
    let mut words = Words::new(base);
    let fits = match form & code::RUNS {
        0 => bytes.len() <= SPAN_MAX as usize / 8 && words.bits(bytes, most),
        _ => words.runs(bytes, most),
    };
    if !fits {
        return Err(Fail::malformed("chunks", input));
    }
    let form = if form & code::RUNS == 0 { Form::Bits(length) } else { Form::Runs(length) };
    Ok((rest, ((base, kbits, words.words), form)))
}

/// Puts bits into words, of which the first holds that of the base.
struct Words {
    shift: u32,
    words: Vec<u64>,
}

impl Words {
    fn new(base: u32) -> Words {
        Words { shift: base % 64, words: Vec::new() }
    }

    /// Makes room for chunks below `to`, counted from the first bit.
    fn reach(&mut self, to: u32) {
        let words = to.div_ceil(64) as usize;
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }

    /// Sets chunks `from..to`, counted from the base.
    fn set(&mut self, from: u32, to: u32) {
        if from == to {
            return;
        }
        let (from, to) = (from + self.shift, to + self.shift);
        self.reach(to);
        for word in from / 64..to.div_ceil(64) {
            let begin = 64 * word;
            let not_before = u64::MAX << from.saturating_sub(begin);
            let not_behind = u64::MAX >> (begin + 64).saturating_sub(to);
            self.words[word as usize] |= not_before & not_behind;
        }
    }

    /// Answers whether all were below `most`.
    fn bits(&mut self, bytes: &[u8], most: u32) -> bool {
        for (at, &byte) in (0u32..).step_by(8).zip(bytes).filter(|(_, byte)| **byte != 0) {
            let end = at + byte.ilog2() + 1;
            if end > most {
                return false;
            }
            self.reach(end + self.shift);
            let at = at + self.shift;
            let shifted = u128::from(byte) << (at % 64);
            for (word, part) in self.words[(at / 64) as usize..].iter_mut().zip([0, 64]) {
                *word |= (shifted >> part) as u64;
            }
        }
        true
    }

    /// Answers whether all were below `most`, and well-formed.
    fn runs(&mut self, mut bytes: &[u8], most: u32) -> bool {
        let (mut at, mut held) = (0u32, true);
        while !bytes.is_empty() {
            // A length below 2^14 takes two bytes at most.
            let Some(last) = bytes.iter().take(2).position(|byte| byte & 0x80 == 0) else {
                return false;
            };
            let run =
                bytes[..=last].iter().rev().fold(0, |run, byte| run << 7 | u32::from(byte & 0x7f));
            if varint_len(run) != last + 1 || at + run > most {
                return false;
            }
            if held {
                self.set(at, at + run);
            }
            (at, held, bytes) = (at + run, !held, &bytes[last + 1..]);
        }
        true
    }
}

fn request(input: &[u8]) -> Read<'_, Request> {
    let begin = input;
    let (input, patience) = context("patience", be_u16).parse(input)?;
    let (mut input, layers) = context("layers", be_u8).parse(input)?;
    let mut firsts = [None; LAYERS_MAX];
    for layer in (0..LAYERS_MAX).filter(|layer| layers >> layer & 1 != 0) {
        let below = |seq| (seq < SEQ_MAX).then_some(seq);
        let (rest, first) = checked("first", be_u32, below, input)?;
        firsts[layer] = Some(first);
        input = rest;
    }
    let (input, n) = context("wanted", be_u16).parse(input)?;
    // What it takes is there, or the datagram is cut: nothing is allocated on the number's word.
    let (input, bytes) =
        context("chunk", nom::bytes::complete::take(2 * usize::from(n))).parse(input)?;
    let mut wanted = Vec::with_capacity(n.into());
    for pair in bytes.chunks_exact(2) {
        let word = u16::from_be_bytes([pair[0], pair[1]]);
        let layer = (word >> 13) as u8;
        let seq = firsts[usize::from(layer)].map(|first| first + u32::from(word & 0x1fff));
        match seq.filter(|&seq| seq < SEQ_MAX) {
            Some(seq) => wanted.push(Lc { layer, seq }),
            None => return Err(Fail::malformed("chunk", pair)),
        }
    }
    let request = Request { patience: Span::from_millis(patience.into()), wanted };
    // Firsts are first, and of layers that are asked for.
    if super::firsts(&request) != firsts {
        return Err(Fail::malformed("first", begin));
    }
    Ok((input, request))
}
