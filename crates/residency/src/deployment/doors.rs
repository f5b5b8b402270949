//! Where else people sign in.

use domicile_core::locality::CellName;

use super::Deployment;

/// Names that are told at most.
const TOLD: usize = 12;

impl Deployment {
    /// A sentence that tells somebody at a cell where else people of this deployment sign in: the names that regions have for that. It is the same for
    /// everybody, so that nobody learns from it where an account is.
    pub fn other_doors(&self, cell: &CellName) -> String {
        let own = self.region_of(cell);
        let others = self.regions.iter().filter(|(region, _)| own != Some(*region));
        let names: Vec<&str> = others.filter_map(|(_, policy)| policy.provider.as_deref()).collect();
        if names.is_empty() || names.len() > TOLD {
            return "You were told the address together with your account, or when it moved.".to_owned();
        }
        format!("Its other addresses: {}.", names.join(", "))
    }

    /// What somebody whose home is a cell types into a client: the name of its region where that leads to this cell alone, else the cell's own address.
    pub fn door_of(&self, cell: &CellName) -> Option<String> {
        let of_cell = self.cells.get(cell)?;
        let is_alone = self.cells.values().filter(|other| other.region == of_cell.region).count() == 1;
        let provider = self.regions.get(&of_cell.region).and_then(|policy| policy.provider.as_deref());
        let address = of_cell.client_url.as_str();
        let address = address.strip_prefix("https://").unwrap_or(address).trim_end_matches('/');
        Some(provider.filter(|_| is_alone).unwrap_or(address).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::deployment::tests::{cell, read, two_cells};

    #[test]
    fn other_regions_are_named_by_the_names_that_they_have_for_that() {
        let text = two_cells();
        assert!(read(&text).other_doors(&cell("eu1")).contains("together with your account"));
        let named = |code: &str, text: &str| {
            text.replacen(
                &format!("code = \"{code}\"\n"),
                &format!("code = \"{code}\"\nprovider = \"{code}.chat.example.org\"\n"),
                1,
            )
        };
        let document = read(&named("ru", &named("eu", &text)));
        assert_eq!(document.other_doors(&cell("eu1")), "Its other addresses: ru.chat.example.org.");
        assert_eq!(document.other_doors(&cell("ru1")), "Its other addresses: eu.chat.example.org.");
        assert_eq!(document.door_of(&cell("eu1")).as_deref(), Some("eu.chat.example.org"));
        assert_eq!(document.door_of(&cell("zz9")), None);
        let own = read(&text).door_of(&cell("eu1"));
        assert!(own.is_some_and(|own| !own.contains('/') && text.contains(&format!("https://{own}"))));
    }
}
