//! Which conduits does a worker have, now that the configuration is another?
//!
//! ```text
//! same cell        follows: sessions and device connections live on
//! gone             retires: its sessions end with policy_changed and say goodbye, then it is forgotten
//! gone, same name  retires, and the new one goes on with what was spent
//! new              begins
//! ```

use std::{
    cell::{self, RefCell},
    rc::Rc,
    sync::Arc,
};

use sluicegate_proto::vocab::Cause;

use super::{Cell, CellKey, Shared, World};
use crate::engine::Estate;

/// The conduits of one worker.
pub(crate) struct Crew {
    /// Which worker.
    number: usize,
    pub(super) shared: Rc<Shared>,
    cells: RefCell<Vec<Rc<Cell>>>,
    epoch: cell::Cell<u64>,
}

impl Crew {
    /// Every conduit of `world` that lives here, from the start.
    pub(super) fn new(number: usize, shared: Rc<Shared>, world: &Arc<World>) -> Rc<Self> {
        let crew = Self { number, shared, cells: RefCell::default(), epoch: cell::Cell::new(0) };
        crew.follow(world);
        Rc::new(crew)
    }

    /// All conduits, those included that are saying goodbye.
    pub(super) fn cells(&self) -> Vec<Rc<Cell>> {
        self.cells.borrow().clone()
    }

    /// A conduit that takes sessions.
    pub(super) fn cell(&self, key: CellKey) -> Option<Rc<Cell>> {
        self.cells.borrow().iter().find(|cell| cell.key == key && !cell.is_retired()).map(Rc::clone)
    }

    /// What the ticker says counts for the world that it speaks of: another one's schedules have other bits.
    pub(super) fn look_at_schedules(&self) {
        let (epoch, holding) = *self.shared.schedules.borrow();
        if epoch == self.epoch.get() {
            self.shared.clock.follow(holding);
        }
    }

    /// This world is in force. When it returns, nothing here is judged by an earlier one any more.
    pub(super) fn follow(&self, world: &Arc<World>) {
        if self.epoch.replace(world.epoch.max(self.epoch.get())) >= world.epoch {
            return;
        }
        self.shared.clock.follow(world.schedules);
        self.look_at_schedules();
        let mut estates: Vec<(Arc<str>, Estate)> = Vec::new();
        for cell in self.cells() {
            if world.conduit_of(cell.key).is_some() {
                cell.follow(world);
            } else if !cell.is_retired() {
                estates.push((Arc::clone(&cell.name), cell.retire(Cause::PolicyChanged)));
            }
        }
        self.cells.borrow_mut().retain(|cell| !cell.is_gone());
        for (conduit, berth) in world.site.conduits.iter().zip(&world.berths) {
            if berth.worker == self.number && self.cell(berth.key).is_none() {
                let cell = Cell::new(berth.key, world, Rc::clone(&self.shared));
                if let Some(place) = estates.iter().position(|(name, _)| **name == *conduit.name) {
                    cell.inherit(estates.swap_remove(place).1);
                }
                cell.start_timer();
                self.cells.borrow_mut().push(cell);
            }
        }
    }
}
