//! Match fields, actions, instructions, and what else is part of several messages.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rust_openflow::Mac;
use rust_openflow::v13::*;

/// A structure of at most twelve fields, each of its own strategy.
macro_rules! each {
    ($name:ident { $($field:ident: $strategy:expr),+ $(,)? }) => {
        ($($strategy,)+).prop_map(|($($field,)+)| $name { $($field),+ })
    };
}
pub(crate) use each;

/// Any value of the type that is wanted there.
pub(crate) fn some<T: Arbitrary + 'static>() -> BoxedStrategy<T> {
    any::<T>().boxed()
}

pub(crate) fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=most)
}

/// A multiple of `unit` bytes, less `short`.
pub(crate) fn aligned(unit: usize, short: usize) -> impl Strategy<Value = Vec<u8>> {
    (1..4usize).prop_flat_map(move |units| vec(any::<u8>(), units * unit - short))
}

pub(crate) fn name(most: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("[a-z0-9-]{{0,{most}}}")).expect("a sound pattern")
}

pub(crate) fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn masked<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Masked<T>> {
    (value.clone(), option::of(value)).prop_map(|(value, mask)| Masked { value, mask })
}

macro_rules! fields {
    (plain $($plain:ident)* ; masked $($masked:ident)* ; macs $($mac:ident)* ; mac $($one:ident)*) => {
        prop_oneof![
            $(any_of(Oxm::$plain),)*
            $(masked(some()).prop_map(Oxm::$masked),)*
            $(masked(any::<[u8; 6]>().prop_map(Mac)).prop_map(Oxm::$mac),)*
            $(mac().prop_map(Oxm::$one),)*
        ]
    };
}

fn any_of<T: Arbitrary + 'static>(make: fn(T) -> Oxm) -> BoxedStrategy<Oxm> {
    any::<T>().prop_map(make).boxed()
}

fn standard_oxm() -> impl Strategy<Value = Oxm> {
    let isid = (0..1u32 << 24).prop_map(Vid24);
    prop_oneof![
        40 => fields! {
            plain InPort InPhyPort EthType VlanPcp IpDscp IpEcn IpProto TcpSrc TcpDst UdpSrc UdpDst
                SctpSrc SctpDst Icmpv4Type Icmpv4Code ArpOp Icmpv6Type Icmpv6Code Ipv6NdTarget
                MplsLabel MplsTc MplsBos;
            masked Metadata VlanVid Ipv4Src Ipv4Dst ArpSpa ArpTpa Ipv6Src Ipv6Dst Ipv6Flabel TunnelId
                Ipv6Exthdr TcpFlags;
            macs EthDst EthSrc ArpSha ArpTha;
            mac Ipv6NdSll Ipv6NdTll
        },
        1 => masked(isid).prop_map(Oxm::PbbIsid),
    ]
}

/// Fields of vendors and experimenters, fields that the specification has not, masks that it has
/// not.
fn foreign_oxm() -> impl Strategy<Value = Oxm> {
    let unknown =
        |(class, field, has_mask, payload)| Oxm::Unknown { class, field, has_mask, payload };
    let of_onf = |field: u8, rest: Vec<u8>| Oxm::Unknown {
        class: 0xffff,
        field,
        has_mask: false,
        payload: [&b"ONF\0"[..], &rest].concat(),
    };
    prop_oneof![
        (prop_oneof![Just(0u16), Just(1), 2..0x8000u16], 0..128u8, any::<bool>(), bytes(255))
            .prop_map(unknown),
        (Just(0x8000u16), 40..128u8, any::<bool>(), bytes(40)).prop_map(unknown),
        // The port of TCP (14) takes no mask.
        (Just(0x8000u16), Just(14), Just(true), bytes(8)).prop_map(unknown),
        (0..42u8, bytes(20)).prop_map(move |(field, rest)| of_onf(field, rest)),
    ]
}

pub(crate) fn oxm() -> impl Strategy<Value = Oxm> {
    prop_oneof![6 => standard_oxm(), 1 => foreign_oxm()]
}

pub(crate) fn matching() -> impl Strategy<Value = Match> {
    vec(oxm(), 0..8).prop_map(|fields| Match { fields })
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (some(), some()).prop_map(|(port, max_len)| Action::Output { port, max_len }),
        Just(Action::CopyTtlOut),
        Just(Action::CopyTtlIn),
        some().prop_map(Action::SetMplsTtl),
        Just(Action::DecMplsTtl),
        some().prop_map(Action::PushVlan),
        Just(Action::PopVlan),
        some().prop_map(Action::PushMpls),
        some().prop_map(Action::PopMpls),
        some().prop_map(Action::SetQueue),
        some().prop_map(Action::Group),
        some().prop_map(Action::SetNwTtl),
        Just(Action::DecNwTtl),
        oxm().prop_map(Action::SetField),
        some().prop_map(Action::PushPbb),
        Just(Action::PopPbb),
        (some(), prop_oneof![Just(Vec::new()), aligned(8, 0)])
            .prop_map(|(experimenter, data)| Action::Experimenter { experimenter, data }),
        (prop_oneof![1..11u16, 13..15u16, 28..0xffffu16], aligned(8, 4))
            .prop_map(|(kind, body)| Action::Unknown { kind, body }),
    ]
}

pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 0..5)
}

pub(crate) fn instruction() -> impl Strategy<Value = Instruction> {
    prop_oneof![
        some().prop_map(Instruction::GotoTable),
        (some(), some()).prop_map(|(metadata, mask)| Instruction::WriteMetadata { metadata, mask }),
        actions().prop_map(Instruction::WriteActions),
        actions().prop_map(Instruction::ApplyActions),
        Just(Instruction::ClearActions),
        some().prop_map(Instruction::Meter),
        (some(), bytes(20))
            .prop_map(|(experimenter, data)| Instruction::Experimenter { experimenter, data }),
        (7..0xffffu16, bytes(20)).prop_map(|(kind, body)| Instruction::Unknown { kind, body }),
    ]
}

pub(crate) fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    vec(instruction(), 0..4)
}

pub(crate) fn bucket() -> impl Strategy<Value = Bucket> {
    each!(Bucket { weight: some(), watch_port: some(), watch_group: some(), actions: actions() })
}

pub(crate) fn group_type() -> impl Strategy<Value = GroupType> {
    prop_oneof![
        Just(GroupType::All),
        Just(GroupType::Select),
        Just(GroupType::Indirect),
        Just(GroupType::FastFailover),
        (4..=255u8).prop_map(GroupType::Other),
    ]
}

pub(crate) fn band() -> impl Strategy<Value = MeterBand> {
    prop_oneof![
        (some(), some()).prop_map(|(rate, burst)| MeterBand::Drop { rate, burst }),
        (some(), some(), some()).prop_map(|(rate, burst, prec_level)| MeterBand::DscpRemark {
            rate,
            burst,
            prec_level
        }),
        (some(), some(), some(), bytes(12)).prop_map(|(rate, burst, experimenter, data)| {
            MeterBand::Experimenter { rate, burst, experimenter, data }
        }),
        (3..0xffffu16, bytes(12)).prop_map(|(kind, body)| MeterBand::Unknown { kind, body }),
    ]
}

pub(crate) fn port() -> impl Strategy<Value = Port> {
    each!(Port {
        number: some(),
        hw_addr: mac(),
        name: name(15),
        config: some(),
        state: some(),
        curr: some(),
        advertised: some(),
        supported: some(),
        peer: some(),
        curr_speed: some(),
        max_speed: some(),
    })
}

pub(crate) fn experimenter() -> impl Strategy<Value = Experimenter> {
    each!(Experimenter { experimenter: some(), exp_type: some(), data: bytes(40) })
}
