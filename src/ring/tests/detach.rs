//! How an end detaches from memory that is mapped, as `src/segment/` does by system calls: for tests, and for models.

use crate::ring::leave::{Words, leave};
use crate::ring::memory::{Memory, Parking, Role};

/// Detaches the holder of `role` in order; with `hands_over` the ring is handed over, so that nothing counts as told.
pub(crate) fn detach<M: Memory>(memory: &M, role: Role, generation: u64, hands_over: bool) {
    let parking = memory.parking();
    let words = Words {
        presence: memory.presence(role),
        parking_and_wakes: parking.map(|parking| (parking.parking(role), parking.wakes(role))),
        told: (role == Role::Consumer && !hands_over).then(|| memory.told()),
        peer: memory.presence(role.peer()),
    };
    leave(&words, generation);
    if let Some(parking) = parking {
        parking.wake(role, false);
    }
}
