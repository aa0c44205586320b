//! The LayerP2P mesh as a whole, in a virtual world.

mod systems;
mod world;
