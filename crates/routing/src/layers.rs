//! Where routing asks the gate. Each place alone must hold, so tests switch the others off.

/// A place where the gate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// When it is decided where a referral goes.
    Router,
    /// When a cut comes in force, about all that is open.
    Sweep,
    /// Before another nation's referral is taken.
    Door,
    /// Before a referral is carried to another nation.
    Courier,
    /// Before a hand-over begins.
    Offer,
    /// Before its last frame.
    LastFrame,
    /// About the sidecars' streams.
    Streams,
}

/// Test-only: the places where the gate is not asked. A node asks everywhere.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    off: Vec<Layer>,
}

impl Layers {
    /// All but these.
    pub fn without(off: impl IntoIterator<Item = Layer>) -> Self {
        Self { off: off.into_iter().collect() }
    }

    pub(crate) fn asks(&self, layer: Layer) -> bool {
        !self.off.contains(&layer)
    }
}
