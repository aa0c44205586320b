use nearcast_machine::Span;

use crate::Error;

/// Where a node is; what it means is up to [`Delays`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Place {
    /// A row and column of a [`Matrix`](Delays::Matrix).
    Site(u32),
    /// A point of the plane of [`Plane`](Delays::Plane).
    Point {
        /// In the unit that the plane chose.
        x: f32,
        /// In the unit that the plane chose.
        y: f32,
    },
}

/// The first site.
impl Default for Place {
    fn default() -> Place {
        Place::Site(0)
    }
}

/// One-way delays of the core, from any node to any other.
#[derive(Clone, PartialEq, Debug)]
pub enum Delays {
    /// The same between any two, wherever they are.
    Uniform(Span),
    /// Measured between sites. Not necessarily symmetric, and the diagonal is the delay between two
    /// nodes of one site.
    Matrix {
        /// How many sites there are.
        sites: u32,
        /// Row by row: from the row's site to the column's.
        spans: Vec<Span>,
    },
    /// By distance.
    Plane {
        /// However near two nodes are.
        least: Span,
        /// Added per unit of Euclidean distance.
        per_unit: Span,
    },
}

/// None at all.
impl Default for Delays {
    fn default() -> Delays {
        Delays::Uniform(Span::ZERO)
    }
}

impl Delays {
    /// The least there is.
    pub(crate) fn least(&self) -> Span {
        match self {
            Delays::Uniform(span) | Delays::Plane { least: span, .. } => *span,
            Delays::Matrix { spans, .. } => spans.iter().copied().min().unwrap_or(Span::ZERO),
        }
    }

    /// Whether places do not matter.
    pub(crate) fn is_uniform(&self) -> bool {
        matches!(self, Delays::Uniform(_))
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self {
            Delays::Matrix { sites, spans } if u64::from(*sites).pow(2) != spans.len() as u64 => {
                Err(Error::Matrix { sites: *sites, spans: spans.len() })
            }
            _ => Ok(()),
        }
    }

    /// Whether [`between`](Delays::between) knows `place`.
    pub(crate) fn knows(&self, place: Place) -> bool {
        match (self, place) {
            (Delays::Uniform(_), _) => true,
            (Delays::Matrix { sites, .. }, Place::Site(site)) => site < *sites,
            (Delays::Plane { .. }, Place::Point { x, y }) => x.is_finite() && y.is_finite(),
            _ => false,
        }
    }

    /// From one known place to another.
    ///
    /// Distances are computed by operations that IEEE 754 rounds correctly, so that they are the
    /// same on every platform.
    pub(crate) fn between(&self, from: Place, to: Place) -> Span {
        match (self, from, to) {
            (Delays::Uniform(span), ..) => *span,
            (Delays::Matrix { sites, spans }, Place::Site(from), Place::Site(to)) => {
                spans[from as usize * *sites as usize + to as usize]
            }
            (
                Delays::Plane { least, per_unit },
                Place::Point { x: x1, y: y1 },
                Place::Point { x: x2, y: y2 },
            ) => {
                let (dx, dy) = (f64::from(x1) - f64::from(x2), f64::from(y1) - f64::from(y2));
                let distance = (dx * dx + dy * dy).sqrt();
                // The cast saturates.
                *least + Span::from_nanos((distance * per_unit.as_nanos() as f64) as u64)
            }
            _ => unreachable!("places are checked before the run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_read_by_row() {
        let spans = [1, 2, 3, 4].map(Span::from_millis).to_vec();
        let delays = Delays::Matrix { sites: 2, spans };
        assert!(delays.validate().is_ok());
        assert_eq!(delays.between(Place::Site(0), Place::Site(1)), Span::from_millis(2));
        assert_eq!(delays.between(Place::Site(1), Place::Site(0)), Span::from_millis(3));
        assert_eq!(delays.least(), Span::from_millis(1));
        assert!(delays.knows(Place::Site(1)) && !delays.knows(Place::Site(2)));
        assert!(!delays.knows(Place::Point { x: 0.0, y: 0.0 }));
        let short = Delays::Matrix { sites: 3, spans: vec![Span::ZERO; 8] };
        assert!(short.validate().is_err_and(|error| error.to_string().contains("8")));
    }

    #[test]
    fn the_plane_is_euclidean() {
        let delays = Delays::Plane { least: Span::from_millis(2), per_unit: Span::from_millis(1) };
        let at = |x, y| Place::Point { x, y };
        assert_eq!(delays.between(at(0.0, 0.0), at(3.0, 4.0)), Span::from_millis(7));
        assert_eq!(delays.between(at(1.0, 1.0), at(1.0, 1.0)), Span::from_millis(2));
        assert_eq!(delays.least(), Span::from_millis(2));
        assert!(!delays.knows(at(f32::NAN, 0.0)) && !delays.knows(Place::Site(0)));
    }
}
