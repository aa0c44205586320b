use crate::errors::errors;

errors! {
    section "7.4.4";
    /// No version in common, or not permitted.
    HELLO_FAILED = 0, "hello_failed": [0 "incompatible", 1 "eperm"];
    /// The request was not understood.
    BAD_REQUEST = 1, "bad_request": [
        0 "bad_version", 1 "bad_type", 2 "bad_multipart", 3 "bad_experimenter", 4 "bad_exp_type",
        5 "eperm", 6 "bad_len", 7 "buffer_empty", 8 "buffer_unknown", 9 "bad_table_id", 10 "is_slave",
        11 "bad_port", 12 "bad_packet", 13 "multipart_buffer_overflow",
    ];
    /// An action is wrong.
    BAD_ACTION = 2, "bad_action": [
        0 "bad_type", 1 "bad_len", 2 "bad_experimenter", 3 "bad_exp_type", 4 "bad_out_port",
        5 "bad_argument", 6 "eperm", 7 "too_many", 8 "bad_queue", 9 "bad_out_group",
        10 "match_inconsistent", 11 "unsupported_order", 12 "bad_tag", 13 "bad_set_type",
        14 "bad_set_len", 15 "bad_set_argument",
    ];
    /// An instruction is wrong.
    BAD_INSTRUCTION = 3, "bad_instruction": [
        0 "unknown_inst", 1 "unsup_inst", 2 "bad_table_id", 3 "unsup_metadata",
        4 "unsup_metadata_mask", 5 "bad_experimenter", 6 "bad_exp_type", 7 "bad_len", 8 "eperm",
    ];
    /// A match is wrong.
    BAD_MATCH = 4, "bad_match": [
        0 "bad_type", 1 "bad_len", 2 "bad_tag", 3 "bad_dl_addr_mask", 4 "bad_nw_addr_mask",
        5 "bad_wildcards", 6 "bad_field", 7 "bad_value", 8 "bad_mask", 9 "bad_prereq",
        10 "dup_field", 11 "eperm",
    ];
    /// A flow table could not be changed.
    FLOW_MOD_FAILED = 5, "flow_mod_failed": [
        0 "unknown", 1 "table_full", 2 "bad_table_id", 3 "overlap", 4 "eperm", 5 "bad_timeout",
        6 "bad_command", 7 "bad_flags",
    ];
    /// A group could not be changed.
    GROUP_MOD_FAILED = 6, "group_mod_failed": [
        0 "group_exists", 1 "invalid_group", 2 "weight_unsupported", 3 "out_of_groups",
        4 "out_of_buckets", 5 "chaining_unsupported", 6 "watch_unsupported", 7 "loop",
        8 "unknown_group", 9 "chained_group", 10 "bad_type", 11 "bad_command", 12 "bad_bucket",
        13 "bad_watch", 14 "eperm",
    ];
    /// A port could not be changed.
    PORT_MOD_FAILED = 7, "port_mod_failed": [
        0 "bad_port", 1 "bad_hw_addr", 2 "bad_config", 3 "bad_advertise", 4 "eperm",
    ];
    /// A table could not be changed.
    TABLE_MOD_FAILED = 8, "table_mod_failed": [0 "bad_table", 1 "bad_config", 2 "eperm"];
    /// Queues could not be told.
    QUEUE_OP_FAILED = 9, "queue_op_failed": [0 "bad_port", 1 "bad_queue", 2 "eperm"];
    /// The configuration could not be changed.
    SWITCH_CONFIG_FAILED = 10, "switch_config_failed": [0 "bad_flags", 1 "bad_len", 2 "eperm"];
    /// The role could not be changed.
    ROLE_REQUEST_FAILED = 11, "role_request_failed": [0 "stale", 1 "unsup", 2 "bad_role"];
    /// A meter could not be changed.
    METER_MOD_FAILED = 12, "meter_mod_failed": [
        0 "unknown", 1 "meter_exists", 2 "invalid_meter", 3 "unknown_meter", 4 "bad_command",
        5 "bad_flags", 6 "bad_rate", 7 "bad_burst", 8 "bad_band", 9 "bad_band_value",
        10 "out_of_meters", 11 "out_of_bands",
    ];
    /// Table features could not be set.
    TABLE_FEATURES_FAILED = 13, "table_features_failed": [
        0 "bad_table", 1 "bad_metadata", 2 "bad_type", 3 "bad_len", 4 "bad_argument", 5 "eperm",
    ];
    /// An experimenter's error; see [`ErrorMessage::experimenter`].
    EXPERIMENTER = 0xffff, "experimenter": [];
}

impl ErrorMessage {
    /// An experimenter's error: `code` is of the experimenter's own, and the data that follow its
    /// number.
    pub fn of_experimenter(experimenter: u32, code: u16, data: &[u8]) -> ErrorMessage {
        let data = [&experimenter.to_be_bytes(), data].concat();
        ErrorMessage { kind: ErrorType::EXPERIMENTER, code, data }
    }

    /// Of an experimenter's error: who defined it, and what its data are.
    pub fn experimenter(&self) -> Option<(u32, &[u8])> {
        let (number, data) = self.data.split_first_chunk()?;
        (self.kind == ErrorType::EXPERIMENTER).then_some((u32::from_be_bytes(*number), data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_their_names_where_they_have_one() {
        let error = |kind, code| ErrorMessage { kind, code, data: Vec::new() }.to_string();
        assert_eq!(error(ErrorType::BAD_MATCH, 9), "bad_match/bad_prereq");
        assert_eq!(error(ErrorType::BAD_MATCH, 99), "bad_match/99");
        assert_eq!(error(ErrorType(77), 1), "type 77/1");
    }

    #[test]
    fn an_experimenters_error_begins_with_its_number() {
        let error = ErrorMessage::of_experimenter(0x4f4e_4600, 2300, &[1, 2]);
        assert_eq!(error.data, [0x4f, 0x4e, 0x46, 0x00, 1, 2]);
        assert_eq!(error.experimenter(), Some((0x4f4e_4600, &[1, 2][..])));
        assert_eq!(error.to_string(), "experimenter/2300");
        assert_eq!(ErrorMessage { kind: ErrorType(3), ..error }.experimenter(), None);
    }
}
