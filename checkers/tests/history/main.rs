//! Histories, read from each form and written to each.

mod corpus;
mod formats;
mod importers;
