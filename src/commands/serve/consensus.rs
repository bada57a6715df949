//! `squall serve consensus`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use squall_models::consensus::raft::{self, NodeId};
use squall_models::consensus::server::{self, Config};
use squall_models::consensus::service::Limits;

use super::{data, until_told_to_stop};
use crate::cli::ServeConsensusArgs;
use crate::commands::{Failure, Outcome};

pub(super) fn run(args: &ServeConsensusArgs) -> Outcome {
    let config = config(args)?;
    let _claim = data::claim(&args.data)?;
    eprintln!(
        "serving consensus on {}, data in {}",
        args.listen,
        args.data.display()
    );
    until_told_to_stop(server::serve(config))
}

fn config(args: &ServeConsensusArgs) -> Result<Config, Failure> {
    let peers = args
        .peers
        .iter()
        .map(|peer| parse_peer(peer))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    let own = peers
        .iter()
        .find(|(_, address)| **address == args.listen)
        .map(|(id, _)| *id);
    let Some(own) = own else {
        let problem = anyhow::anyhow!(
            "{} listens for itself: expected it among --peers",
            args.listen
        );
        return Err(Failure::usage(problem));
    };
    if peers.len() != args.peers.len() {
        return Err(Failure::usage(anyhow::anyhow!(
            "--peers names an id twice: expected each once"
        )));
    }
    Ok(Config {
        raft: raft::Config::new(
            own,
            peers.keys().copied().collect(),
            squall_sim::rand::bits(),
        ),
        directory: args.data.clone(),
        listen: args.listen.to_string(),
        peers: peers
            .into_iter()
            .map(|(id, address)| (id, address.to_string()))
            .collect(),
        snapshot_every: 10_000,
        limits: Limits::default(),
    })
}

fn parse_peer(text: &str) -> Result<(NodeId, SocketAddr), Failure> {
    let parsed = text
        .split_once('=')
        .and_then(|(id, address)| Some((NodeId(id.parse().ok()?), address.parse().ok()?)));
    parsed.ok_or_else(|| {
        let problem =
            anyhow::anyhow!("`{text}` is not a peer: expected ID=ADDR, such as 0=127.0.0.1:7000");
        Failure::usage(problem)
    })
}
