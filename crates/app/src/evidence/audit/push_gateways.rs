//! Push gateways, which people's apps choose: where notifications go, and whether the operator has listed whoever runs them.

use std::collections::BTreeMap;

use domicile_core::config::Processor;
use domicile_store::table::pushers;
use serde::Serialize;

use super::Audits;
use crate::{Result, push::pushers::gateway_of};

/// Pushers that one step looks at.
const PAGE: i64 = 1_000;
/// Gateways that a report names; what goes to more is counted together.
const NAMED: usize = 1_000;
/// The kind of processor that they are.
const KIND: &str = "push";

/// Where notifications go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct PushGateways {
    /// Each by its host.
    pub all: Vec<PushGateway>,
    /// Pushers of further ones.
    pub further: u64,
    /// Pushers that nobody can read any more: their owner's key is gone.
    pub unreadable: u64,
}

/// Where some go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct PushGateway {
    /// The host.
    pub host: String,
    /// How many apps it notifies.
    pub pushers: u64,
    /// Whether the operator has it among the processors.
    pub listed: bool,
}

impl Audits {
    /// Opens all pushers and counts them by the host to which they send.
    pub(super) async fn push_gateways(&self) -> Result<PushGateways> {
        let (mut by_host, mut found, mut after) = (BTreeMap::<String, u64>::new(), PushGateways::default(), i64::MIN);
        loop {
            let read =
                self.parts.store.read(move |snapshot| async move { pushers::after(&snapshot, after, PAGE).await });
            let page = read.await?;
            let Some(last) = page.last() else { break };
            after = last.pusher_num;
            for pusher in &page {
                match gateway_of(&self.parts.keystore, pusher).await {
                    Ok(Some(host)) if by_host.len() < NAMED || by_host.contains_key(&host) => {
                        *by_host.entry(host).or_default() += 1;
                    }
                    Ok(Some(_)) => found.further += 1,
                    // Nothing that goes to a gateway.
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%error, "a pusher could not be read");
                        found.unreadable += 1;
                    }
                }
            }
        }
        let processors = &self.parts.declared.processors;
        let listed: Vec<Processor<'_>> = processors.iter().filter_map(|text| Processor::parse(text).ok()).collect();
        let is_listed =
            |host: &str| listed.iter().any(|known| known.kind == KIND && known.endpoint.eq_ignore_ascii_case(host));
        let gateways = by_host.into_iter().map(|(host, pushers)| {
            let listed = is_listed(&host);
            PushGateway { host, pushers, listed }
        });
        found.all = gateways.collect();
        Ok(found)
    }
}
