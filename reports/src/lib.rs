//! Reports: one self-contained HTML page for a failure, one for a campaign, one for a history that
//! was recorded elsewhere.
//!
//! Every page is a pure function from values to a `String`: equal values give equal bytes. A page
//! needs no network, no server and no other file; it works from `file://` and as an artifact of a
//! build. Histories are untrusted: every text is escaped, and a malformed history is drawn as far
//! as it can be.
//!
//! This crate runs nothing and judges nothing. In reading order: [`failure_page`] and
//! [`history_page`] are assembled from the sections `cycle`, `witness`, `timeline`, `faults`, `plots`
//! and `logs`; [`campaign_index`] stands alone; `html` is the shell around all; [`write_atomically`] is
//! the only function that touches the disk. The scripts and styles are in `assets/`.

pub use campaign::{CampaignPage, FailureRow, FaultCount, ScenarioRow, campaign_index};
pub use failure::{FailurePage, failure_page};
pub use foreign::{HistoryPage, history_page};
pub use write::write_atomically;

mod campaign;
mod cycle;
mod display;
mod failure;
mod faults;
mod foreign;
mod headline;
mod html;
mod logs;
mod plots;
mod scene;
mod timeline;
mod witness;
mod write;
