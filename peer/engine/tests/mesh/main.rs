//! The LayerP2P mesh as a whole, in a virtual world.

mod alone;
mod hostile;
mod neighbours;
mod order;
mod scheduling;
mod systems;
mod world;
