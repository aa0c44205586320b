//! The sans-IO controller: switches, hosts, paths, streams and peerings; OpenFlow messages in, messages out.
