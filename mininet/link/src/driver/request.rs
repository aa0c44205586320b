//! What each request does.

use std::path::PathBuf;

use nearcast_machine::Time;
use nix::sys::epoll::Epoll;
use serde_json::{Map, Value};

use super::capture::Capture;
use super::clock;
use super::error::RequestError;
use super::host;
use super::link::{Link, Shared};
use super::links::Links;
use super::timing::Histogram;
use crate::control::{
    Done, LinkName, Listing, PROTOCOL, Process, Request, Stats, Version, Which, reply_line,
};
use crate::model::{Input, LinkParams};

/// What requests are carried out on.
pub(super) struct World<'a, T: Fn(usize) -> u64> {
    pub(super) links: &'a mut Links,
    pub(super) epoll: &'a Epoll,
    pub(super) token: T,
    pub(super) started: Time,
    pub(super) realtime: bool,
}

impl<T: Fn(usize) -> u64> World<'_, T> {
    /// The line that answers `line`, and whether the process is to end.
    pub(super) fn answer(&mut self, line: &[u8]) -> (Vec<u8>, bool) {
        let request = serde_json::from_slice::<Request>(line).map_err(RequestError::Malformed);
        let quit = matches!(request, Ok(Request::Quit {}));
        let reply = match request {
            Ok(Request::Stats { reset_timing }) => reply_line(Ok(&self.stats(reset_timing))),
            Ok(Request::List {}) => {
                reply_line(Ok(&Listing { links: self.links.iter().map(Link::info).collect() }))
            }
            Ok(Request::Version {}) => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                reply_line(Ok(&Version { version, protocol: PROTOCOL }))
            }
            request => match request.and_then(|request| self.act(request)) {
                Ok(()) => reply_line(Ok(&Done {})),
                Err(error) => reply_line::<Done>(Err(&error.to_string())),
            },
        };
        (reply, quit)
    }

    /// Carries out a request that is answered by [`Done`].
    fn act(&mut self, request: Request) -> Result<(), RequestError> {
        match request {
            Request::Add { name, a, b, a_to_b, b_to_a } => {
                let params = [a_to_b, b_to_a];
                self.links.add(name.clone(), [a, b], params, self.epoll, &self.token)?;
                let Some(folder) = &self.links.pcap_dir else { return Ok(()) };
                let path = folder.join(format!("{name}.pcap"));
                self.capture(&name, Which::Both, path).inspect_err(|_| {
                    self.links.remove(&name).expect("it was just made");
                })
            }
            Request::Set { name, direction, params } => self
                .links
                .with(&name, |link, shared| configure(link, direction, &params, shared))?,
            Request::Up { name } => self.set_up(&name, true),
            Request::Down { name } => self.set_up(&name, false),
            Request::Remove { name } => self.links.remove(&name),
            Request::Pcap { name, direction, path } => {
                // The old capture ends first: the new one may be to the same file.
                let before = self.links.with(&name, |link, _| link.capture.take())?;
                if let Some(capture) = before {
                    let path = capture.path().to_owned();
                    capture.finish().map_err(|source| RequestError::Capture { path, source })?;
                }
                let Some(path) = path else { return Ok(()) };
                self.capture(&name, direction, path)
            }
            Request::Quit {} => Ok(()),
            Request::Stats { .. } | Request::List {} | Request::Version {} => {
                unreachable!("these have answers of their own")
            }
        }
    }

    /// Begins to capture a link that is not captured.
    fn capture(
        &mut self,
        name: &LinkName,
        direction: Which,
        path: PathBuf,
    ) -> Result<(), RequestError> {
        let capture = Capture::new(&path, direction)
            .map_err(|source| RequestError::Capture { path, source })?;
        self.links.with(name, |link, _| link.capture = Some(capture))
    }

    fn set_up(&mut self, name: &LinkName, up: bool) -> Result<(), RequestError> {
        self.links.with(name, |link, shared| link.set_up(up, clock::now(), shared))
    }

    fn stats(&mut self, reset_timing: bool) -> Stats {
        let (user, system) = host::cpu_time();
        let stats = Stats {
            links: self.links.iter().map(Link::stats).collect(),
            timing: self.links.shared.timing.summary(),
            process: Process {
                uptime: clock::now().since(self.started),
                user,
                system,
                realtime: self.realtime,
                held_bytes: self.links.shared.pool.held() as u64,
            },
        };
        if reset_timing {
            self.links.shared.timing = Histogram::new();
        }
        stats
    }
}

/// Changes the parameters named. Both directions are checked before either is changed.
fn configure(
    link: &mut Link,
    direction: Which,
    changes: &Map<String, Value>,
    shared: &mut Shared,
) -> Result<(), RequestError> {
    let ends = || (0..2).filter(|end| direction.covers(*end));
    let changed =
        ends().map(|end| patched(link.params(end), changes)).collect::<Result<Vec<_>, _>>()?;
    for (end, params) in ends().zip(changed) {
        link.handle(end, clock::now(), Input::Configure(Box::new(params)), shared);
    }
    Ok(())
}

/// `params` with some fields changed, as a JSON merge patch would (RFC 7396): an object is merged
/// into one that is there, and `null` takes away.
fn patched(params: &LinkParams, changes: &Map<String, Value>) -> Result<LinkParams, RequestError> {
    let mut value = serde_json::to_value(params).map_err(RequestError::Params)?;
    for (field, change) in changes {
        match (&mut value[field], change) {
            (Value::Object(old), Value::Object(new)) => old.extend(new.clone()),
            (old, change) => *old = change.clone(),
        }
    }
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    serde_json::from_value(value).map_err(RequestError::Params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patch(params: Value, changes: Value) -> Result<Value, String> {
        let params: LinkParams = serde_json::from_value(params).expect("parameters");
        let Value::Object(changes) = changes else { panic!("changes are an object") };
        let patched = patched(&params, &changes).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(patched).expect("JSON"))
    }

    #[test]
    fn what_is_named_changes_and_nothing_else() {
        let before = json!({"rate": "4Mbit/s", "delay": "8ms",
            "gilbert_elliott": {"good_to_bad": 0.1, "bad_to_good": 0.5}});
        let after = patch(before.clone(), json!({"delay": "30ms"})).expect("a change");
        assert_eq!((&after["rate"], &after["delay"]), (&json!("4Mbit/s"), &json!("30ms")));
        let after = patch(before.clone(), json!({"gilbert_elliott": {"bad_to_good": 0.2}}));
        assert_eq!(after.expect("a change")["gilbert_elliott"]["good_to_bad"], json!(0.1));
        let after = patch(before, json!({"rate": null, "delay": null, "loss": "1%"}));
        let after = after.expect("a change");
        assert_eq!((&after["delay"], &after["loss"]), (&json!("0s"), &json!(0.01)));
        assert_eq!(after.get("rate"), None);
    }

    #[test]
    fn a_change_that_makes_no_sense_is_refused_with_its_field() {
        for (changes, says) in [
            (json!({"delya": "8ms"}), "unknown field `delya`"),
            (json!({"jitter": "9ms"}), "jitter must be at most the delay"),
            (json!({"loss": 30}), "loss: 30 is not a chance"),
            (json!({"gilbert_elliott": {}}), "missing field `good_to_bad`"),
        ] {
            let error = patch(json!({"delay": "8ms"}), changes.clone()).expect_err("no sense");
            assert!(error.contains(says), "{changes}: {error}");
        }
    }
}
