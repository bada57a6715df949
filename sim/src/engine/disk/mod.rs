//! The simulated disk of one node.
