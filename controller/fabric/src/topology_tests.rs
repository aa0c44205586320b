use super::*;

fn at(switch: u64, port: u32) -> Attachment {
    Attachment { switch: DatapathId(switch), port }
}

fn graph(links: &[[(u64, u32); 2]]) -> Topology {
    let mut topology = Topology::default();
    for [(a, ap), (b, bp)] in links {
        assert!(topology.link_seen(at(*a, *ap), at(*b, *bp), Time::ZERO));
        assert!(topology.link_seen(at(*b, *bp), at(*a, *ap), Time::ZERO));
    }
    topology
}

/// Four switches in a ring.
fn ring() -> Topology {
    graph(&[[(1, 1), (2, 2)], [(2, 1), (3, 2)], [(3, 1), (4, 2)], [(4, 1), (1, 2)]])
}

#[test]
fn paths_take_the_short_way_round() {
    let paths = ring().paths_to(DatapathId(1));
    assert_eq!(paths[&DatapathId(2)].ports, [2]);
    assert_eq!(paths[&DatapathId(4)].ports, [1]);
    assert_eq!(paths[&DatapathId(3)].distance.hops, 2);
    assert_eq!(paths[&DatapathId(3)].ports, [1, 2], "two equal ways");
}

#[test]
fn delays_decide_where_they_are_known() {
    let mut topology = ring();
    let ms = Span::from_millis;
    for (port, delay) in [(at(1, 1), 50), (at(2, 1), 1), (at(3, 1), 1), (at(4, 1), 1)] {
        topology.configure_delay(port, Some(ms(delay)));
    }
    let hop = &topology.paths_to(DatapathId(1))[&DatapathId(2)];
    assert_eq!(
        (hop.ports.as_slice(), hop.distance.hops),
        (&[1][..], 3),
        "three fast links beat a slow one"
    );
    assert_eq!(hop.distance.delay, Some(ms(3)));
    let distance = topology.distance(at(2, 9), at(1, 9)).expect("connected");
    assert_eq!((distance.hops, distance.delay), (5, None), "no delay is set at the hosts");
}

#[test]
fn a_ring_has_a_tree_without_a_loop() {
    let ring = ring();
    let tree = ring.tree();
    assert_eq!(tree.len(), 6, "three links of four");
    let parallel = graph(&[[(1, 1), (2, 1)], [(1, 2), (2, 2)]]);
    assert_eq!(*parallel.tree(), BTreeSet::from([at(1, 1), at(2, 1)]));
}

#[test]
fn a_link_proven_one_way_carries_nothing_but_is_no_place_for_hosts() {
    let mut topology = Topology::default();
    assert!(topology.link_seen(at(1, 1), at(2, 1), Time::ZERO));
    assert!(topology.is_trunk(at(1, 1)) && topology.is_trunk(at(2, 1)));
    assert!(topology.tree().is_empty());
    assert!(topology.paths_to(DatapathId(2)).is_empty());
    assert_eq!(topology.distance(at(1, 9), at(2, 9)), None);
}

#[test]
fn links_go_when_a_port_goes_or_probes_stop() {
    let mut topology = ring();
    assert_eq!(topology.port_down(at(1, 1)), BTreeSet::from([at(2, 2)]));
    assert_eq!(topology.port_down(at(1, 1)), BTreeSet::new());
    let hop = &topology.paths_to(DatapathId(1))[&DatapathId(2)];
    assert_eq!(hop.distance.hops, 3, "the long way round is left");
    assert!(!topology.link_seen(at(4, 1), at(1, 2), Time::from_nanos(9)));
    assert_eq!(topology.expire_links(Time::from_nanos(5), |_| true).len(), 5);
    assert!(topology.is_trunk(at(4, 1)));
}

#[test]
fn equal_ways_are_shared_out_by_name_and_kept() {
    let ports = [3, 5, 8, 9];
    let chosen = |ports: &[u32], n: u32| choose(ports, &n.to_be_bytes(), DatapathId(7));
    let mut shares = BTreeMap::new();
    for n in 0..1000 {
        let port = chosen(&ports, n).expect("one of them");
        assert_eq!(chosen(&ports, n), Some(port), "the same each time");
        if port != 5 {
            assert_eq!(chosen(&[3, 8, 9], n), Some(port), "who did not use the port stays");
        }
        *shares.entry(port).or_insert(0) += 1;
    }
    assert_eq!(shares.len(), 4);
    assert!(shares.values().all(|share| (180..320).contains(share)), "{shares:?}");
    assert_eq!(choose(&[], &[], DatapathId(7)), None);
}

#[test]
fn a_measured_delay_counts_unless_one_is_configured() {
    let ms = Span::from_millis;
    let mut topology = graph(&[[(1, 1), (2, 1)], [(1, 2), (2, 2)]]);
    for ports in [1, 2] {
        assert_eq!(topology.measured(at(2, ports), ms(4)), Some(ms(4)));
    }
    assert_eq!(topology.paths_to(DatapathId(1))[&DatapathId(2)].ports, [1, 2]);
    assert_eq!(topology.measured(at(2, 2), ms(1)), Some(ms(1)));
    let hop = topology.paths_to(DatapathId(1))[&DatapathId(2)].clone();
    assert_eq!((hop.ports, hop.distance.delay), (vec![2], Some(ms(1))));
    topology.configure_delay(at(1, 2), Some(ms(9)));
    assert_eq!(topology.measured(at(2, 2), ms(3)), None);
    assert_eq!(topology.paths_to(DatapathId(1))[&DatapathId(2)].ports, [1]);
}
