use crate::errors::errors;

errors! {
    section "5.4.4";
    /// No version in common, or not permitted.
    HELLO_FAILED = 0, "hello_failed": [0 "incompatible", 1 "eperm"];
    /// The request was not understood.
    BAD_REQUEST = 1, "bad_request": [
        0 "bad_version", 1 "bad_type", 2 "bad_stat", 3 "bad_vendor", 4 "bad_subtype", 5 "eperm",
        6 "bad_len", 7 "buffer_empty", 8 "buffer_unknown",
    ];
    /// An action is wrong.
    BAD_ACTION = 2, "bad_action": [
        0 "bad_type", 1 "bad_len", 2 "bad_vendor", 3 "bad_vendor_type", 4 "bad_out_port",
        5 "bad_argument", 6 "eperm", 7 "too_many", 8 "bad_queue",
    ];
    /// A flow table could not be changed.
    FLOW_MOD_FAILED = 3, "flow_mod_failed": [
        0 "all_tables_full", 1 "overlap", 2 "eperm", 3 "bad_emerg_timeout", 4 "bad_command",
        5 "unsupported",
    ];
    /// A port could not be changed.
    PORT_MOD_FAILED = 4, "port_mod_failed": [0 "bad_port", 1 "bad_hw_addr"];
    /// Queues could not be told.
    QUEUE_OP_FAILED = 5, "queue_op_failed": [0 "bad_port", 1 "bad_queue", 2 "eperm"];
}
