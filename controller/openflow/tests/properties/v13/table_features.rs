//! What tables can do.

use proptest::collection::vec;
use proptest::prelude::*;
use rust_openflow::v13::*;

use super::field::{bytes, each, experimenter, name, some};

fn feature_ids() -> impl Strategy<Value = Vec<FeatureId>> {
    let id = prop_oneof![
        4 => some().prop_map(FeatureId::of),
        1 => bytes(12).prop_map(|experimenter| FeatureId { kind: 0xffff, experimenter }),
    ];
    vec(id, 0..6)
}

fn oxm_ids() -> impl Strategy<Value = Vec<OxmId>> {
    let class = prop_oneof![
        Just((0x8000u16, None)),
        Just((1, None)),
        any::<u32>().prop_map(|number| (0xffff, Some(number))),
    ];
    let id = (class, 0..128u8, some(), some()).prop_map(
        |((class, experimenter), field, has_mask, length)| OxmId {
            class,
            field,
            has_mask,
            length,
            experimenter,
        },
    );
    vec(id, 0..6)
}

fn property() -> impl Strategy<Value = TableProperty> {
    let miss = any::<bool>;
    prop_oneof![
        (miss(), feature_ids())
            .prop_map(|(miss, instructions)| TableProperty::Instructions { miss, instructions }),
        (miss(), bytes(20)).prop_map(|(miss, tables)| TableProperty::NextTables { miss, tables }),
        (miss(), feature_ids())
            .prop_map(|(miss, actions)| TableProperty::WriteActions { miss, actions }),
        (miss(), feature_ids())
            .prop_map(|(miss, actions)| TableProperty::ApplyActions { miss, actions }),
        oxm_ids().prop_map(TableProperty::Match),
        oxm_ids().prop_map(TableProperty::Wildcards),
        (miss(), oxm_ids())
            .prop_map(|(miss, fields)| TableProperty::WriteSetField { miss, fields }),
        (miss(), oxm_ids())
            .prop_map(|(miss, fields)| TableProperty::ApplySetField { miss, fields }),
        (miss(), experimenter())
            .prop_map(|(miss, property)| TableProperty::Experimenter { miss, property }),
        (prop_oneof![Just(9u16), Just(11), 16..0xfffeu16], bytes(20))
            .prop_map(|(kind, body)| TableProperty::Unknown { kind, body }),
    ]
}

pub(super) fn table_features() -> impl Strategy<Value = TableFeatures> {
    each!(TableFeatures {
        table_id: some(),
        name: name(31),
        metadata_match: some(),
        metadata_write: some(),
        config: some(),
        max_entries: some(),
        properties: vec(property(), 0..5),
    })
}
