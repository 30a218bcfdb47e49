//! Where a scenario plays: two programs in a direction, chance, and time.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;

use crate::peer::{Peer, Program};
use crate::ring::{Ring, Role, Track};

/// What a scenario is given.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The program that produces, or holds a role first.
    pub first: &'a Program,
    /// The program that consumes, or follows.
    pub second: &'a Program,
    /// Chance.
    pub random: Rng,
    /// How long a scenario that goes on at random does so.
    pub time: Duration,
    notes: Vec<String>,
    end: Instant,
    bound: Duration,
}

impl<'a> Stage<'a> {
    /// Opens a stage for one scenario.
    #[must_use]
    pub fn new(first: &'a Program, second: &'a Program, seed: u64, time: Duration, bound: Duration) -> Stage<'a> {
        let (random, notes) = (Rng::with_seed(seed), Vec::new());
        Stage { first, second, random, time, notes, end: Instant::now() + bound, bound }
    }

    /// Checks that the scenario is within its bound. Each single wait has a limit of its own.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check_time(&self) -> Result<()> {
        ensure!(Instant::now() < self.end, "it has taken longer than its bound of {:?}", self.bound);
        Ok(())
    }

    /// Starts one of the programs.
    ///
    /// # Errors
    ///
    /// The system refuses, or time is up.
    pub fn start(&self, program: &Program) -> Result<Peer> {
        self.check_time()?;
        program.start()
    }

    /// Starts one of the programs, and has it take a role. The ring is there afterwards.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn enter(&self, program: &Program, ring: &Ring, role: Role) -> Result<Peer> {
        let mut peer = self.start(program)?;
        self.attach(&mut peer, program, ring, role)?;
        Ok(peer)
    }

    /// Has a program take a role.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub fn attach(&self, peer: &mut Peer, program: &Program, ring: &Ring, role: Role) -> Result<()> {
        self.make_for(program, ring)?;
        peer.ok(&ring.attach(role)).map(drop)
    }

    /// Makes a ring for a program that makes none itself.
    ///
    /// # Errors
    ///
    /// The library refuses.
    pub fn make_for(&self, program: &Program, ring: &Ring) -> Result<()> {
        if program.lacks.iter().any(|lack| lack == "create") { ring.create() } else { Ok(()) }
    }

    /// Has both programs come to a new ring: the first one produces, the second one consumes.
    ///
    /// # Errors
    ///
    /// One of them is refused.
    pub fn open(&self, ring: &Ring) -> Result<(Peer, Peer, Track)> {
        let tx = self.enter(self.first, ring, Role::Producer)?;
        let rx = self.enter(self.second, ring, Role::Consumer)?;
        Ok((tx, rx, Track::new(ring.shape)))
    }

    /// Returns whether a program has all of this; notes what is left out.
    pub fn has(&mut self, program: &Program, wanted: &[&str]) -> bool {
        let missing = wanted.iter().find(|wanted| program.lacks.iter().any(|lack| lack == **wanted));
        if let Some(missing) = missing {
            self.note(format!("left out: {} lacks {missing}", program.title));
        }
        missing.is_none()
    }

    /// Adds a remark for the table.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Returns the remarks.
    #[must_use]
    pub fn notes(&self) -> String {
        self.notes.join("; ")
    }
}
