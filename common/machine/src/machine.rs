use crate::Time;

/// A state machine that is handed the time and its input, and asked for its output.
///
/// The order of calls: [`handle`](Machine::handle) or [`expire`](Machine::expire), then
/// [`poll`](Machine::poll) until it answers `None`, then sleep until
/// [`deadline`](Machine::deadline) or the next input. Time never goes backwards from one call to
/// the next.
///
/// ```
/// use nearcast_machine::{Machine, Span, Time};
///
/// /// Says "tick" one second after it was last spoken to.
/// struct Metronome { due: Option<Time>, said: Option<&'static str> }
///
/// impl Machine for Metronome {
///     type Input = ();
///     type Output = &'static str;
///     fn handle(&mut self, now: Time, (): ()) { self.due = Some(now + Span::from_secs(1)); }
///     fn expire(&mut self, now: Time) {
///         if self.due.take_if(|due| *due <= now).is_some() { self.said = Some("tick"); }
///     }
///     fn poll(&mut self) -> Option<&'static str> { self.said.take() }
///     fn deadline(&self) -> Option<Time> { self.due }
/// }
///
/// let mut machine = Metronome { due: None, said: None };
/// machine.handle(Time::ZERO, ());
/// let due = machine.deadline().expect("it was spoken to");
/// machine.expire(due);
/// assert_eq!(machine.poll(), Some("tick"));
/// assert_eq!(machine.deadline(), None);
/// ```
pub trait Machine {
    /// What a driver hands in.
    type Input;
    /// What a driver is asked to do.
    type Output;

    /// Takes one input that arrived at `now`.
    fn handle(&mut self, now: Time, input: Self::Input);

    /// Does whatever has come due by `now`; calling it early does nothing.
    fn expire(&mut self, now: Time);

    /// The next thing the driver should do, oldest first; `None` when there is nothing left.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When [`expire`](Machine::expire) wants to be called next. Looking does not change anything.
    fn deadline(&self) -> Option<Time>;
}
