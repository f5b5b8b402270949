//! The first person of a region comes into a room. People here were told before the copy went there, by whoever let it go
//! (`residency::new_regions`); where that cell was not reached, or it was another server, they are told now.

use domicile_core::locality::Destination;

use super::{Ingest, Round};
use crate::Result;

impl Ingest {
    /// Notes of which regions people are to be told after an event that was taken.
    pub(super) async fn look_at_new_regions(&self, round: &mut Round<'_>) -> Result<()> {
        let first = std::mem::take(&mut round.staging.first_of);
        let view = &round.staging.view;
        let Some(cells) = self.users.localities().cells().filter(|_| !first.is_empty()) else { return Ok(()) };
        if view.is_partial() || view.here == 0 {
            return Ok(());
        }
        for destination_num in &first {
            let Destination::Cell(cell) = self.destinations.name(*destination_num).await? else { continue };
            let Some(region) = cells.new_regions.told_of(&cell) else { continue };
            let mut is_new = true;
            for other in cells.new_regions.cells_of(&region) {
                let other = self.destinations.known(&other).await?;
                is_new &= !other.is_some_and(|other| !first.contains(&other) && view.destinations.contains_key(&other));
            }
            if is_new {
                cells.new_regions.note(&mut round.staging.batch, round.room.info.room_num, &region);
            }
        }
        Ok(())
    }
}
