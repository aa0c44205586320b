use std::fmt;
use std::str::FromStr;

use nearcast_machine::{Bitrate, Bytes, Span, UnitError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::probability::{NumberOrPercent, Probability};

/// How one direction of a link behaves. The default is a perfect wire.
///
/// In TOML or JSON every field may be left out, an unknown one is refused, and a value that is
/// wrong or out of range is refused with the field's name and what is allowed:
///
/// ```
/// use nearcast_link::LinkParams;
/// use nearcast_machine::Span;
///
/// let params: LinkParams = toml::from_str(r#"
///     rate = "10Mbit/s"
///     delay = "8ms"
///     queue = "100packets"
/// "#).unwrap();
/// assert_eq!(params.delay, Span::from_millis(8));
///
/// let error = toml::from_str::<LinkParams>("rate = \"10mbps\"").unwrap_err();
/// assert!(error.to_string().contains("rate: `10mbps` is not a rate such as"));
/// ```
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct LinkParams {
    /// Bits of Ethernet frame (header and payload, as a capture shows them; no preamble, checksum
    /// or gap, as with `tc`) per second; `None` serialises in no time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Bitrate>,
    /// Propagation delay, one way.
    pub delay: Span,
    /// The delay wanders this much to either side, without reordering.
    pub jitter: Span,
    /// Independent loss.
    pub loss: Probability,
    /// Loss in bursts, besides the independent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gilbert_elliott: Option<GilbertElliott>,
    /// The chance that a packet arrives twice, the copy right behind it.
    pub duplicate: Probability,
    /// Packets that are overtaken by later ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder: Option<Reorder>,
    /// What may wait for the transmitter; the packet on the transmitter is not counted.
    pub queue: Queue,
}

impl LinkParams {
    /// The slowest rate that is accepted: a full frame then takes 12 s.
    pub const MIN_RATE: Bitrate = Bitrate::from_bits_per_sec(1_000);
    /// The longest delay that is accepted: past any terrestrial or lunar path.
    pub const MAX_DELAY: Span = Span::from_secs(60);
    /// The deepest queue that is accepted, in packets.
    pub const MAX_QUEUE_PACKETS: u32 = 1_000_000;
    /// The deepest queue that is accepted, in bytes.
    pub const MAX_QUEUE_BYTES: Bytes = Bytes::new(1 << 30);

    /// Checks what the types leave open. Deserialising has done so already.
    ///
    /// # Errors
    /// Names the field and what is allowed.
    pub fn validate(&self) -> Result<(), ParamError> {
        let outside = |field, allowed| Err(ParamError { field, allowed });
        if self.rate.is_some_and(|rate| rate < Self::MIN_RATE) {
            return outside("rate", "at least 1kbit/s; leave it out for unlimited");
        }
        if self.delay > Self::MAX_DELAY {
            return outside("delay", "at most 60s");
        }
        if self.jitter > self.delay {
            return outside("jitter", "at most the delay, as it goes to either side of it");
        }
        if self.reorder.is_some_and(|reorder| reorder.extra > Self::MAX_DELAY) {
            return outside("reorder.extra", "at most 60s");
        }
        let queue = match self.queue {
            Queue::Packets(packets) => packets <= Self::MAX_QUEUE_PACKETS,
            Queue::Bytes(bytes) => bytes <= Self::MAX_QUEUE_BYTES,
        };
        if !queue {
            return outside("queue", "at most 1000000packets or 1GiB");
        }
        Ok(())
    }
}

/// A parameter outside its range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field} must be {allowed}")]
pub struct ParamError {
    /// Which one, as it is written.
    pub field: &'static str,
    /// What would have been accepted.
    pub allowed: &'static str,
}

/// Loss in bursts: a chain of two states that advances once per packet (Gilbert 1960, Elliott
/// 1963). In `tc`'s terms: p, r, 1-h and 1-k.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GilbertElliott {
    /// p: the chance that a good packet is followed by a bad one.
    #[serde(deserialize_with = "field::good_to_bad")]
    pub good_to_bad: Probability,
    /// r: the chance that a bad packet is followed by a good one; bursts last 1/r packets.
    #[serde(deserialize_with = "field::bad_to_good")]
    pub bad_to_good: Probability,
    /// 1-h: loss in the bad state; everything, unless said otherwise.
    #[serde(default = "always", deserialize_with = "field::loss_in_bad")]
    pub loss_in_bad: Probability,
    /// 1-k: loss in the good state; nothing, unless said otherwise.
    #[serde(default, deserialize_with = "field::loss_in_good")]
    pub loss_in_good: Probability,
}

impl GilbertElliott {
    /// The share of packets lost in the long run; that of the good state if the chain never moves.
    pub fn mean_loss(&self) -> f64 {
        let (p, r) = (self.good_to_bad.get(), self.bad_to_good.get());
        let bad = if p > 0.0 { p / (p + r) } else { 0.0 };
        bad * self.loss_in_bad.get() + (1.0 - bad) * self.loss_in_good.get()
    }
}

impl Default for GilbertElliott {
    fn default() -> GilbertElliott {
        GilbertElliott {
            good_to_bad: Probability::NEVER,
            bad_to_good: Probability::ALWAYS,
            loss_in_bad: Probability::ALWAYS,
            loss_in_good: Probability::NEVER,
        }
    }
}

/// Reordering: with `probability` a packet is held `extra` longer than its turn, while those behind
/// it go on. How many overtake it follows from the traffic.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// The chance that a packet is held back.
    #[serde(deserialize_with = "field::reorder_probability")]
    pub probability: Probability,
    /// How long it is held back.
    #[serde(deserialize_with = "field::reorder_extra")]
    pub extra: Span,
}

/// The bound of a drop-tail queue. Written `"100packets"` or as a size, `"150kB"`.
///
/// In bytes a packet is refused if it would take the queue past its bound, so that small packets
/// may still enter where a large one did not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// At most this many packets.
    Packets(u32),
    /// At most this many bytes of packets.
    Bytes(Bytes),
}

impl Default for Queue {
    /// A thousand packets, Linux's `txqueuelen` and netem's `limit`.
    fn default() -> Queue {
        Queue::Packets(1000)
    }
}

impl FromStr for Queue {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Queue, UnitError> {
        let trimmed = text.trim();
        let packets = trimmed.strip_suffix("packets").or_else(|| trimmed.strip_suffix("packet"));
        let queue = match packets {
            Some(number) => number.trim_end().parse().ok().map(Queue::Packets),
            None => trimmed.parse().ok().map(Queue::Bytes),
        };
        queue.ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a bound such as \"100packets\" or \"150kB\"",
        })
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Queue::Packets(packets) => write!(f, "{packets}packets"),
            Queue::Bytes(bytes) => fmt::Display::fmt(bytes, f),
        }
    }
}

impl Serialize for Queue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Queue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Queue, D::Error> {
        field::queue(deserializer)
    }
}

/// [`LinkParams`] as written, before its ranges are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename = "LinkParams")]
struct Unchecked {
    #[serde(deserialize_with = "field::rate")]
    rate: Option<Bitrate>,
    #[serde(deserialize_with = "field::delay")]
    delay: Span,
    #[serde(deserialize_with = "field::jitter")]
    jitter: Span,
    #[serde(deserialize_with = "field::loss")]
    loss: Probability,
    gilbert_elliott: Option<GilbertElliott>,
    #[serde(deserialize_with = "field::duplicate")]
    duplicate: Probability,
    reorder: Option<Reorder>,
    queue: Queue,
}

impl Default for Unchecked {
    fn default() -> Unchecked {
        let LinkParams { rate, delay, jitter, loss, gilbert_elliott, duplicate, reorder, queue } =
            LinkParams::default();
        Unchecked { rate, delay, jitter, loss, gilbert_elliott, duplicate, reorder, queue }
    }
}

impl TryFrom<Unchecked> for LinkParams {
    type Error = ParamError;

    fn try_from(written: Unchecked) -> Result<LinkParams, ParamError> {
        let Unchecked { rate, delay, jitter, loss, gilbert_elliott, duplicate, reorder, queue } =
            written;
        let params =
            LinkParams { rate, delay, jitter, loss, gilbert_elliott, duplicate, reorder, queue };
        params.validate()?;
        Ok(params)
    }
}

fn always() -> Probability {
    Probability::ALWAYS
}

/// One reader per field, as serde's own messages do not say which field they are about.
mod field {
    use super::*;

    /// Reads a value that is written as text.
    struct Text<T> {
        field: &'static str,
        example: &'static str,
        kind: std::marker::PhantomData<T>,
    }

    impl<T: FromStr<Err = UnitError>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} as text with a unit, such as \"{}\"", self.field, self.example)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|error| E::custom(format_args!("{}: {error}", self.field)))
        }
    }

    macro_rules! text {
        ($($name:ident: $kind:ty = $field:literal, $example:literal;)*) => {$(
            pub(super) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<$kind, D::Error> {
                let kind = std::marker::PhantomData;
                from.deserialize_str(Text { field: $field, example: $example, kind })
            }
        )*};
    }
    text! {
        some_rate: Bitrate = "rate", "10Mbit/s";
        delay: Span = "delay", "8ms";
        jitter: Span = "jitter", "1ms";
        reorder_extra: Span = "reorder.extra", "5ms";
        queue: Queue = "queue", "100packets";
    }

    /// A rate, or JSON's `null` for none.
    pub(super) fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bitrate>, D::Error> {
        #[derive(Deserialize)]
        struct Rate(#[serde(deserialize_with = "some_rate")] Bitrate);
        Ok(Option::<Rate>::deserialize(from)?.map(|Rate(rate)| rate))
    }

    macro_rules! chance {
        ($($name:ident = $field:literal;)*) => {$(
            pub(super) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<Probability, D::Error> {
                from.deserialize_any(NumberOrPercent($field))
            }
        )*};
    }
    chance! {
        loss = "loss";
        duplicate = "duplicate";
        reorder_probability = "reorder.probability";
        good_to_bad = "gilbert_elliott.good_to_bad";
        bad_to_good = "gilbert_elliott.bad_to_good";
        loss_in_bad = "gilbert_elliott.loss_in_bad";
        loss_in_good = "gilbert_elliott.loss_in_good";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let text = r#"{"rate":"4Mbit/s","delay":"30ms","jitter":"1ms","loss":"1%",
            "gilbert_elliott":{"good_to_bad":0.01,"bad_to_good":0.3},"duplicate":0.001,
            "reorder":{"probability":0.02,"extra":"5ms"},"queue":"150kB"}"#;
        let params: LinkParams = serde_json::from_str(text).expect("all fields");
        assert_eq!(params.queue, Queue::Bytes(Bytes::new(150_000)));
        let json = serde_json::to_string(&params).expect("text");
        assert_eq!(serde_json::from_str::<LinkParams>(&json).expect(&json), params);
        let toml = toml::to_string(&params).expect("toml");
        assert_eq!(toml::from_str::<LinkParams>(&toml).expect(&toml), params);
        assert_eq!(serde_json::from_str::<LinkParams>("{}").expect("empty"), LinkParams::default());
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_field_and_what_is_allowed() {
        for (text, says) in [
            (r#"{"rate":"4mbps"}"#, "rate: `4mbps` is not a rate such as"),
            (r#"{"rate":4}"#, "rate as text with a unit, such as \"10Mbit/s\""),
            (r#"{"rate":"10bit/s"}"#, "rate must be at least 1kbit/s"),
            (r#"{"delay":8}"#, "delay as text with a unit, such as \"8ms\""),
            (r#"{"delay":"2min"}"#, "delay must be at most 60s"),
            (r#"{"delay":"1ms","jitter":"2ms"}"#, "jitter must be at most the delay"),
            (r#"{"loss":1.5}"#, "loss: 1.5 is not a chance between 0 and 1"),
            (r#"{"loss":"10"}"#, "loss: `10` is not a chance between 0 and 1"),
            (r#"{"loss":[]}"#, "loss as a chance between 0 and 1"),
            (r#"{"queue":"100"}"#, "queue: `100` is not a bound such as \"100packets\""),
            (r#"{"queue":"-1packets"}"#, "queue: "),
            (r#"{"queue":"2000000packets"}"#, "queue must be at most 1000000packets"),
            (
                r#"{"gilbert_elliott":{"good_to_bad":2,"bad_to_good":1}}"#,
                "gilbert_elliott.good_to_bad: 2",
            ),
            (r#"{"gilbert_elliott":{"good_to_bad":0.1}}"#, "missing field `bad_to_good`"),
            (r#"{"reorder":{"probability":0.1,"extra":5}}"#, "reorder.extra as text"),
            (r#"{"latency":"8ms"}"#, "unknown field `latency`, expected one of `rate`, `delay`"),
        ] {
            let error = serde_json::from_str::<LinkParams>(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
