//! Topology files: what comes with nearcast, what is wrong, and that Python reads them alike.

use std::process::Command;

use nearcast_link::LinkParams;
use nearcast_machine::{Bitrate, Bytes, Span};
use nearcast_topologies::{Choice, Error, Role, Topology, names};

fn single(setting: &str, viewers: u32) -> Topology {
    let choice = Choice::setting(setting).with_count("viewers", viewers);
    Topology::named("single", &choice).expect("it comes with nearcast")
}

/// Reads `text` as a file and returns what is wrong with it.
fn refused(text: &str) -> String {
    refused_with(text, &Choice::default())
}

fn refused_with(text: &str, choice: &Choice) -> String {
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let error = Topology::load(file.path(), choice).expect_err(text).to_string();
    error.replace(&file.path().display().to_string(), "it.toml")
}

/// The file of `single`, with `from` replaced by `to`.
fn changed(from: &str, to: &str) -> String {
    let text = include_str!("../single.toml");
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

#[test]
fn the_settings_are_the_captions_of_the_paper() {
    for (setting, lan, cdn) in [("fig2", 4_000_000, 4_000_000), ("fig3", 10_000_000, 100_000_000)] {
        let topology = single(setting, 1);
        let direct = topology.path("hb", "hv1").expect("a path");
        assert_eq!(direct.propagation(), Span::from_millis(16));
        assert_eq!(direct.bottleneck(), Some(Bitrate::from_bits_per_sec(lan)));
        let by_cdn =
            [("hb", "hs"), ("hs", "hv1")].map(|(a, b)| topology.path(a, b).expect("a path"));
        assert_eq!(by_cdn.map(|path| path.propagation()), [Span::from_millis(38); 2]);
        let rates = topology.path("hs", "hb").expect("a path").hops.into_iter();
        let rates: Vec<_> =
            rates.map(|hop| hop.params.rate.expect("limited").bits_per_sec()).collect();
        assert_eq!(rates, [cdn, lan]);
    }
}

#[test]
fn the_physical_minimum_counts_every_store_and_forward() {
    let topology = single("fig3", 1);
    let path = topology.path("hb", "hs").expect("a path");
    // 1250 bytes: 1 ms at 10 Mbit/s, 0.1 ms at 100 Mbit/s, and 38 ms of propagation.
    let packet = Bytes::new(1250);
    assert_eq!(
        path.serialisation(packet).collect::<Vec<_>>(),
        [Span::from_millis(1), Span::from_micros(100)]
    );
    assert_eq!(path.minimum(packet), Span::from_micros(39_100));
    // Three at once: the first link takes 3 ms, the second only adds its share of the last.
    assert_eq!(path.minimum_of_burst(&[packet; 3]), Span::from_micros(41_100));
    // The other way the slow link is the second, and the burst waits before it.
    let back = topology.path("hs", "hb").expect("a path");
    assert_eq!(back.minimum_of_burst(&[packet; 3]), Span::from_micros(41_100));
    assert_eq!(path.minimum_of_burst(&[packet]), path.minimum(packet));
    assert_eq!(path.minimum_of_burst(&[]), Span::ZERO);
}

#[test]
fn viewers_are_as_many_as_asked_for() {
    for viewers in [0, 1, 8] {
        let topology = single("fig3", viewers);
        let names: Vec<_> =
            topology.with_role(Role::Viewer).map(|host| host.name.clone()).collect();
        assert_eq!(names, (1..=viewers).map(|i| format!("hv{i}")).collect::<Vec<_>>());
        assert_eq!(topology.links.len(), 2 + viewers as usize);
    }
    let eighth = single("fig3", 8).host("hv8").cloned().expect("a host");
    assert_eq!(eighth.ip.to_string(), "10.0.1.8");
    assert_eq!(eighth.mac(), [2, 0, 10, 0, 1, 8]);
}

#[test]
fn multi_has_two_switches_under_the_cdn() {
    let topology =
        Topology::named("multi", &Choice::setting("fig3")).expect("it comes with nearcast");
    let hops = |a, b| topology.path(a, b).map(|path| path.hops.len());
    assert_eq!(hops("hb", "hv1"), Some(2), "on the broadcaster's switch");
    assert_eq!(hops("hb", "hw1"), Some(4), "on the other");
    assert_eq!(hops("hb", "hs"), Some(3));
    assert_eq!(topology.path("hb", "hs").expect("a path").propagation(), Span::from_millis(38));
    assert_eq!(hops("hb", "hb"), None);
    assert_eq!(hops("hb", "s1"), None, "a path ends at hosts");
}

#[test]
fn interfaces_are_numbered_as_mininet_does() {
    let topology = single("fig3", 2);
    let interface = |node: &str, link: &str| {
        let link = topology.links.iter().find(|other| other.name == link).expect("a link");
        topology.interface(node, link)
    };
    assert_eq!(interface("hv2", "hv2-s1").as_deref(), Some("hv2-eth0"));
    assert_eq!(interface("s1", "hv2-s1").as_deref(), Some("s1-eth4"));
    assert_eq!(interface("hb", "hv2-s1"), None);
}

#[test]
fn a_wrong_unit_is_answered_with_file_line_and_field() {
    let text = changed("fig3]\nlan = { rate = \"10Mbit/s\"", "fig3]\nlan = { rate = \"10mbps\"");
    let line = 1 + text.lines().position(|line| line.contains("mbps")).expect("it is there");
    let error = refused(&text);
    assert!(error.starts_with(&format!("it.toml:{line}:")), "{error}");
    assert!(error.contains(": settings.fig3.lan.rate: `10mbps` is not a rate such as"), "{error}");

    let error = refused(&changed("[settings.fig3]\n", "[settings.fig3]\nslow = { delay = 8 }\n"));
    assert!(error.contains("settings.fig3.slow.delay: "), "{error}");
    assert!(error.contains("such as \"8ms\""), "{error}");
}

#[test]
fn mistakes_are_found_where_they_are() {
    let first_host = "name = \"hb\"\nrole = \"broadcaster\"\nip = \"10.0.0.1\"";
    let cdn_link = "a = \"hs\"\nb = \"s1\"";
    for (from, to, says) in [
        ("name = \"hs\"", "name = \"hb\"", "hosts[1].name: there is another host or switch `hb`"),
        (
            "ip = \"10.0.0.2\"",
            "ip = \"10.0.0.1\"",
            "hosts[1].ip: hs would have 10.0.0.1, which is hb's",
        ),
        ("ip = \"10.0.0.2\"", "ip = \"11.0.0.2\"", "is not one of a host in 10.0.0.0/8"),
        ("ip = \"10.0.0.2\"", "ip = \"10.0.0.256\"", "hosts[1].ip: "),
        (first_host, "name = \"hb\"\nip = \"10.0.0.1\"", "missing field `role`"),
        ("role = \"cdn\"", "role = \"server\"", "unknown variant `server`, expected one of"),
        ("name = \"hs\"", "name = \"hs-1\"", "is not lower-case letters and digits"),
        ("name = \"hv{i}\"", "name = \"hv\"", "hosts[2].name: what repeats needs `{i}`"),
        (cdn_link, "a = \"hx\"\nb = \"s1\"", "links[1].a: there is no host or switch `hx`"),
        (cdn_link, "a = \"s1\"\nb = \"s1\"", "both ends of the link are s1"),
        (cdn_link, "a = \"hb\"\nb = \"s1\"", "there is another link `hb-s1`"),
        (cdn_link, "name = \"x\"\na = \"hb\"\nb = \"s1\"", "hb has 2 links, and a host has one"),
        ("is = \"cdn\"", "is = \"wan\"", "links[1].is: there is no kind of link `wan`"),
        ("is = \"cdn\"", "a_to_b = \"cdn\"", "both `a_to_b` and `b_to_a`"),
        ("is = \"cdn\"", "a_to_b = { speed = 1 }\nb_to_a = {}", "unknown field `speed`"),
        ("datapath_id = 1", "datapath_id = 0", "switches[0].datapath_id: 0 is 0 or taken"),
        ("\"10.0.0.0/8\"", "\"10.0.0.1/8\"", "network: `10.0.0.1/8` has bits set beyond"),
        ("setting = \"fig3\"", "setting = \"fig4\"", "setting: there is no such setting"),
        ("[counts]", "[count]", "unknown field `count`"),
        ("viewers = 1", "viewers = -1", "counts.viewers: "),
        ("[counts]", "[counts", "it.toml:8:"),
    ] {
        let error = refused(&changed(from, to));
        assert!(error.starts_with("it.toml:"), "{to}: {error}");
        assert!(error.contains(says), "{to}: {error}");
    }
    let error = refused(&include_str!("../single.toml").replace("hv{i}", "alongname{i}"));
    assert!(error.contains("hosts[2].name: "), "{error}");
    assert!(error.contains("alongname1-eth0 is 4 characters too long: Linux allows 15"), "{error}");
}

#[test]
fn a_choice_that_the_file_does_not_have_is_refused() {
    let text = include_str!("../single.toml");
    let error = refused_with(text, &Choice::setting("fig4"));
    assert_eq!(error, "it.toml: there is no setting `fig4`; there are fig2, fig3");
    let error = refused_with(text, &Choice::default().with_count("seeds", 1));
    assert_eq!(error, "it.toml: there is no count `seeds`; there are viewers");
    let error = refused_with(text, &Choice::default().with_count("viewers", 4_000_000_000));
    assert!(error.contains("more than 1000"), "{error}");
    let error = refused_with(text, &Choice::default().with_links("wan", LinkParams::default()));
    assert!(error.contains("there is no kind of link `wan`; there are cdn, lan"), "{error}");

    let error = Topology::named("star", &Choice::default()).expect_err("no such topology");
    assert!(error.to_string().contains("there are single, multi, ring"), "{error}");
    let error =
        Topology::load("/nowhere/x.toml".as_ref(), &Choice::default()).expect_err("no file");
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[test]
fn link_parameters_can_be_given_in_place_of_the_files() {
    let params = LinkParams { delay: Span::from_millis(1), ..LinkParams::default() };
    let choice = Choice::setting("fig3").with_links("lan", params.clone());
    let topology = Topology::named("single", &choice).expect("a topology");
    assert_eq!(topology.links[0].a_to_b, params, "a LAN link");
    assert_eq!(topology.links[1].a_to_b.delay, Span::from_millis(30), "the CDN's link");
}

#[test]
fn python_reads_the_same() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/nearcast.py");
    let fig = ["fig2", "fig3"].as_slice();
    let choices: [(&str, &[&str], Option<&str>); 6] = [
        ("single", fig, Some("viewers")),
        ("multi", fig, Some("far")),
        ("ring", &["default"], None),
        ("fat-tree", &["default"], None),
        ("campus", &["default"], Some("third")),
        ("remote", &["close", "apart"], Some("far")),
    ];
    assert_eq!(choices.map(|(name, ..)| name).as_slice(), names().collect::<Vec<_>>());
    for (name, settings, count) in choices {
        for setting in settings {
            let mut choice = Choice::setting(setting);
            let mut arguments =
                vec![script.to_owned(), name.to_owned(), format!("setting={setting}")];
            if let Some(count) = count {
                arguments.push(format!("{count}=3"));
                choice = choice.with_count(count, 3);
            }
            let output =
                Command::new("/usr/bin/python3").args(arguments).output().expect("python3");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            let read: Topology = serde_json::from_slice(&output.stdout).expect("a topology");
            assert_eq!(read, Topology::named(name, &choice).expect("a topology"));
        }
    }
}

#[test]
fn the_larger_topologies_have_the_shape_they_are_named_for() {
    let named = |name: &str| Topology::named(name, &Choice::default()).expect("it comes with us");
    let size = |topology: &Topology| {
        let trunks = topology.links.iter();
        let trunks = trunks
            .filter(|link| topology.host(&link.a).is_none() && topology.host(&link.b).is_none());
        (topology.switches.len(), topology.hosts.len(), trunks.count())
    };
    assert_eq!(size(&named("ring")), (6, 8, 6));
    assert_eq!(size(&named("fat-tree")), (20, 16, 32));
    assert_eq!(size(&named("campus")), (5, 21, 4));
    assert_eq!(size(&named("remote")), (3, 6, 3));
    let hops = |name: &str, from: &str, to: &str| {
        named(name).path(from, to).expect("they are connected").hops.len()
    };
    assert_eq!(hops("ring", "hb", "hs"), 5, "opposite");
    assert_eq!(hops("fat-tree", "hb", "hv1"), 2, "on one edge");
    assert_eq!(hops("fat-tree", "hb", "hv2"), 4, "in one pod");
    assert_eq!(hops("fat-tree", "hb", "hv14"), 6, "across the core");
    assert_eq!(hops("campus", "hb", "he5"), 4);
    let delay = |from: &str, to: &str| {
        named("remote").path(from, to).expect("they are connected").propagation()
    };
    assert_eq!(delay("hb", "hw1"), Span::from_millis(12));
    assert_eq!(delay("hb", "hs") + delay("hs", "hw1"), Span::from_millis(164));
}

#[test]
fn tclink_is_told_what_it_can_do_and_refuses_the_rest() {
    let script = r#"
import nearcast
told = nearcast.nearcast_tc("l", {"rate": "620kbit/s", "delay": "1.5s", "jitter": "0s", "loss": "1%",
                                  "duplicate": 0.0, "queue": "50packets", "reorder": None})
assert told == {"bw": 0.62, "delay": "1500000.000us", "jitter": "0.000us", "loss": 1.0,
                "max_queue_size": 50}, told
assert nearcast.nearcast_tc("l", {"loss": 0.01}) == {"loss": 1.0}
for refused in ({"queue": "150kB"}, {"duplicate": 0.1}, {"rate": "4mbps"}, {"delay": "8"}):
    try:
        nearcast.nearcast_tc("l", refused)
    except ValueError as error:
        assert str(*refused.values()) in str(error), error
    else:
        raise AssertionError(refused)
"#;
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .env("PYTHONPATH", env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
