//! Which cell carries what goes between people here and other people's servers.

use std::collections::BTreeSet;

use domicile_core::{locality::CellName, region::Region};
use ruma::ServerName;
use sha2::{Digest, Sha256};

use super::Deployment;

impl Deployment {
    /// Whether a cell carries a region's traffic with other servers.
    pub fn carries(&self, gateway: &CellName, region: &Region) -> bool {
        self.cells.get(gateway).is_some_and(|cell| cell.gateway_for.contains(region))
    }

    /// Whether a cell is a gateway at all.
    pub fn is_gateway(&self, cell: &CellName) -> bool {
        self.cells.get(cell).is_some_and(|cell| !cell.gateway_for.is_empty())
    }

    /// The gateway through which a region talks to a server. Other servers take one transaction at a time, so wherever a gateway carries all
    /// regions that have one, the whole deployment talks to a server through the same. Which one it is, the server's name decides: a gateway
    /// more or less moves few servers.
    pub fn gateway_to(&self, region: &Region, server: &ServerName) -> Option<&CellName> {
        let carried: BTreeSet<&Region> = self.cells.values().flat_map(|cell| &cell.gateway_for).collect();
        let for_region = || self.cells.iter().filter(|(_, cell)| cell.gateway_for.contains(region));
        let for_all = for_region().filter(|(_, cell)| cell.gateway_for.len() == carried.len());
        let weight = |cell: &CellName| -> [u8; 32] { Sha256::digest(format!("{} {server}", cell.as_str())).into() };
        let chosen = for_all.map(|(cell, _)| cell).max_by_key(|cell| weight(cell));
        chosen.or_else(|| for_region().map(|(cell, _)| cell).max_by_key(|cell| weight(cell)))
    }

    /// The cells whose traffic with other servers a gateway carries, itself first if it is one of them.
    pub fn carried_by(&self, gateway: &CellName) -> Vec<&CellName> {
        let mut cells: Vec<&CellName> =
            self.cells.iter().filter(|(_, cell)| self.carries(gateway, &cell.region)).map(|(name, _)| name).collect();
        cells.sort_by_key(|name| (*name != gateway, *name));
        cells
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::region::Region;
    use ruma::ServerName;

    use crate::deployment::{
        Deployment,
        tests::{self, cell, region},
    };

    fn server(number: usize) -> String {
        format!("server{number}.example")
    }

    fn to(deployment: &Deployment, code: &str, number: usize) -> Option<String> {
        let server = server(number);
        let found = deployment.gateway_to(&region(code), <&ServerName>::try_from(server.as_str()).unwrap());
        found.map(|cell| cell.as_str().to_owned())
    }

    #[test]
    fn one_gateway_talks_to_a_server_for_all_regions() {
        let mut deployment = tests::read(&tests::two_cells());
        let codes: Vec<Region> = deployment.regions.keys().cloned().collect();
        let (first, second) = {
            let mut cells = deployment.cells.keys();
            (cells.next().unwrap().clone(), cells.next().unwrap().clone())
        };
        assert_eq!(to(&deployment_without(&deployment), codes[0].as_str(), 1), None);
        for cell in [&first, &second] {
            deployment.cells.get_mut(cell).unwrap().gateway_for = codes.iter().cloned().collect();
        }
        let mut chosen = std::collections::BTreeSet::new();
        for number in 0..50 {
            let by_region: std::collections::BTreeSet<_> =
                codes.iter().map(|code| to(&deployment, code.as_str(), number)).collect();
            assert_eq!(by_region.len(), 1, "one owner of {}", server(number));
            chosen.extend(by_region);
        }
        assert_eq!(chosen.len(), 2, "both do something");
        // One that carries a part only is passed over as long as another carries all.
        deployment.cells.get_mut(&first).unwrap().gateway_for = [codes[0].clone()].into();
        assert!((0..50).all(|number| to(&deployment, codes[0].as_str(), number) == Some(second.as_str().to_owned())));
        assert_eq!(deployment.carried_by(&second).first(), Some(&&second));
        assert!(!deployment.carries(&first, &codes[1]) && deployment.is_gateway(&first));
        assert!(!deployment.is_gateway(&cell("none")));
    }

    fn deployment_without(deployment: &Deployment) -> Deployment {
        let mut deployment = deployment.clone();
        deployment.cells.values_mut().for_each(|cell| cell.gateway_for.clear());
        deployment
    }
}
