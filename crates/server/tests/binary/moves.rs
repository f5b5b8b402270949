//! People move between two cells, each a real process, and at every step that either of them logs a cell is killed. It is started again, and the move
//! comes to its end by itself: each person has one home, and there everything that they had, once.

mod person;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use domicile_testkit::plays::cells::{Deployment, Plan};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    PROGRAM,
    watched::{Line, Watched, move_of, to_be_watched},
};
use person::{Friend, Letter, Person};

/// How long a move may take after a kill: a step that failed waits for a minute at most.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the cell that is left is held up at the line of which somebody writes to whoever moves.
const WRITING: Duration = Duration::from_millis(400);
/// Kills to which no step came any more: what is logged only where one came late.
const MISSES: usize = 2;
/// States of a move in which a cell is killed: all from the order to the end. Nothing is done while one is only announced.
const STATES: [&str; 6] = ["copying", "handed_over", "issued", "left", "erased", "done"];
/// The word of a line that a state is next, and the state in which letters come that the vault does not have.
const NEXT: &str = "is next";
const LET_GO: &str = "handed_over";
const DONE: &str = "done";

/// A line, and which of the two cells logs it: 0 is the one that is left, 1 is the new home.
type Sight = (usize, Line);

/// Where letters are brought to be sent, each with where it is told that it was.
type Post = Sender<(Letter, Sender<()>)>;

/// Who goes where.
struct Journey {
    cells: [&'static str; 2],
    to: &'static str,
    /// The cell that is killed.
    victim: usize,
}

/// What is seen of a move, and what is to happen.
#[derive(Default)]
struct Scene {
    /// At which line a cell is killed.
    aim: Option<Sight>,
    victim: Option<Pid>,
    was_hit: bool,
    /// How far the move is.
    state: String,
    /// What is sent to whoever moves when they are let go.
    letter: Option<(Letter, Post)>,
    seen: Vec<Sight>,
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Scene>, Condvar)>);

impl Shared {
    /// What follows from a line that a cell has logged.
    fn see(&self, cell: usize, line: Line) {
        let (scene, changed) = &*self.0;
        let mut scene = scene.lock().unwrap();
        if cell == 0 && line.what == NEXT {
            scene.state.clone_from(&line.of);
        }
        let is_let_go = cell == 0 && line.what == NEXT && line.of == LET_GO;
        let sight = (cell, line);
        if scene.aim.as_ref() == Some(&sight) {
            kill_process(scene.victim.unwrap(), Signal::KILL).unwrap();
            (scene.aim, scene.was_hit) = (None, true);
        } else if is_let_go && let Some((letter, post)) = scene.letter.take() {
            // It is sent before this cell comes much further. If it cannot be, it is sent all the same.
            let (sent, is_sent) = mpsc::channel();
            post.send((letter, sent)).unwrap();
            is_sent.recv_timeout(WRITING).ok();
        }
        if !scene.seen.contains(&sight) {
            scene.seen.push(sight);
        }
        changed.notify_all();
    }

    /// Waits until something is so of the scene.
    #[expect(clippy::disallowed_methods, reason = "how long it takes is the machine's own time")]
    fn until(&self, what: &str, is_so: impl Fn(&Scene) -> bool) {
        let (scene, changed) = &*self.0;
        let began = Instant::now();
        let mut scene = scene.lock().unwrap();
        while !is_so(&scene) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            assert!(!left.is_zero(), "{what} was not seen; the move is {}", scene.state);
            scene = changed.wait_timeout(scene, left).unwrap().0;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Scene) -> T) -> T {
        act(&mut self.0.0.lock().unwrap())
    }
}

/// Two cells that are watched.
struct Stage {
    journey: Journey,
    deployment: Deployment,
    shared: Shared,
    watched: [Option<Watched>; 2],
    friend: Friend,
    post: Post,
    people: Vec<Person>,
}

impl Stage {
    fn set(journey: Journey, folder: &Path) -> Self {
        let plan = Plan { cells: &[("eu1", "eu"), ("ch1", "ch")], rule: "allow", ..Plan::default() };
        let mut deployment = Deployment::found(Path::new(PROGRAM), folder, &plan).unwrap();
        let shared = Shared::default();
        journey.cells.iter().for_each(|name| to_be_watched(deployment.cell_mut(name).unwrap()));
        let watched = [0, 1].map(|cell| Some(watch(&deployment, &journey, &shared, cell)));
        let friend = Friend::register(deployment.cell(journey.cells[0]).unwrap());
        let (post, letters) = mpsc::channel::<(Letter, Sender<()>)>();
        let writer = friend.clone();
        thread::spawn(move || {
            for (letter, sent) in letters {
                writer.sends(&letter);
                sent.send(()).ok();
            }
        });
        Self { journey, deployment, shared, watched, friend, post, people: Vec::new() }
    }

    /// Has somebody move, and kills the victim at a line. Gives how far the move was then, if the line came.
    fn play(&mut self, aim: Option<Sight>) -> Option<String> {
        let [from, _] = self.journey.cells;
        let cell = self.deployment.cell(from).unwrap();
        let person = Person::settle(cell, &format!("mover{}", self.people.len()), &self.friend);
        let pid = self.watched[self.journey.victim].as_ref().unwrap().pid();
        let letter = (person.letter(), self.post.clone());
        let has_aim = aim.is_some();
        self.shared.with(|scene| {
            (scene.aim, scene.victim, scene.was_hit) = (aim, Some(pid), false);
            scene.letter = Some(letter);
            "copying".clone_into(&mut scene.state);
        });
        let order =
            ["move", &person.id, "--to", self.journey.to, "--no-wait", "--as", "the test", "--reason", "a test"];
        // A cell that is killed at the first line may not have answered yet.
        let ordered = cell.run(&order).unwrap();
        let is_over = |scene: &Scene| scene.state == DONE;
        self.shared.until("a kill or an end", |scene| scene.was_hit || is_over(scene));
        let was_hit = self.shared.with(|scene| scene.was_hit);
        assert!(ordered.status.success() || was_hit, "{}", String::from_utf8_lossy(&ordered.stderr));
        let mut state = self.shared.with(|scene| scene.state.clone());
        if was_hit {
            let victim = self.journey.victim;
            self.watched[victim].take().unwrap().bury();
            if victim == 0 {
                // All that it did has been seen.
                state = self.shared.with(|scene| scene.state.clone());
            }
            self.watched[victim] = Some(watch(&self.deployment, &self.journey, &self.shared, victim));
            if victim == 0 {
                self.ask_for_an_end(&person);
            }
        }
        self.shared.until("the end of a move", is_over);
        // Where it was killed before it could be sent.
        if let Some((letter, _)) = self.shared.with(|scene| scene.letter.take()) {
            self.friend.sends(&letter);
        }
        self.shared.with(|scene| scene.aim = None);
        self.people.push(person);
        (has_aim && was_hit).then_some(state)
    }

    /// A cell that is killed between the write that a move is done and the line that tells of it does not tell of it again.
    fn ask_for_an_end(&self, person: &Person) {
        let cell = self.deployment.cell(self.journey.cells[0]).unwrap();
        if move_of(cell, &person.id)["state"] == DONE {
            self.shared.with(|scene| DONE.clone_into(&mut scene.state));
        }
    }

    /// One home, and everything there; nothing of anybody where it must not be.
    fn at_the_end(&self) {
        let [from, to] = self.journey.cells.map(|name| self.deployment.cell(name).unwrap());
        for person in &self.people {
            person.has_moved(from, to);
            for cell in [from, to] {
                let home = cell.json(&["explain", &person.id, "--as", "the test", "--reason", "a test"]).unwrap();
                assert_eq!(home["cell"], self.journey.cells[1], "{home}");
            }
        }
        for (name, cell) in self.deployment.cells() {
            let audit = cell.json(&["audit"]).unwrap();
            assert_eq!(audit["body"]["passed"], true, "{name}: {}", audit["body"]["foreign"]);
        }
    }
}

fn watch(deployment: &Deployment, journey: &Journey, shared: &Shared, cell: usize) -> Watched {
    let shared = shared.clone();
    Watched::start(deployment.cell(journey.cells[cell]).unwrap(), move |line| shared.see(cell, line))
}

/// Kills the victim at each line that either cell logs, in a move of somebody else each time.
#[expect(clippy::print_stdout, reason = "where a test failed, it is read at what a cell was killed last")]
fn killed_at_every_step(journey: Journey) {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(journey, folder.path());
    // What there is to see of a move in which nothing happens.
    stage.play(None);
    let (mut tried, mut states, mut missed) = (Vec::new(), BTreeSet::new(), Vec::new());
    while let Some(sight) = stage.shared.with(|scene| scene.seen.iter().find(|sight| !tried.contains(*sight)).cloned())
    {
        tried.push(sight.clone());
        match stage.play(Some(sight.clone())) {
            Some(state) => {
                println!(
                    "{} was killed in `{state}`, when {sight:?} was logged",
                    stage.journey.cells[stage.journey.victim]
                );
                states.insert(state);
            }
            None => missed.push(sight),
        }
    }
    println!("{} lines, of which came once: {missed:#?}", tried.len());
    stage.at_the_end();
    assert!(missed.len() <= MISSES, "of {} lines, {} came once", tried.len(), missed.len());
    assert_eq!(states, STATES.map(str::to_owned).into(), "a kill in every state");
}

#[test]
fn the_cell_that_is_left_is_killed_at_every_step_of_a_move() {
    killed_at_every_step(Journey { cells: ["eu1", "ch1"], to: "ch", victim: 0 });
}

#[test]
fn the_new_home_is_killed_at_every_step_of_a_move() {
    killed_at_every_step(Journey { cells: ["ch1", "eu1"], to: "eu", victim: 1 });
}
