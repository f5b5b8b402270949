//! Answers that are kept until a time of their own: asked for once, however many wait for them.

use std::{hash::Hash, sync::Arc};

use domicile_core::clock::Clock;
use quick_cache::{Equivalent, sync::Cache};

/// Answers by question.
pub(super) struct Kept<K, V> {
    clock: Arc<dyn Clock>,
    answers: Cache<K, (V, i64)>,
}

impl<K: Hash + Eq + Clone, V: Clone> Kept<K, V> {
    /// At most so many answers.
    pub(super) fn new(most: usize, clock: Arc<dyn Clock>) -> Self {
        Self { clock, answers: Cache::new(most) }
    }

    /// The answer, asked for if there is none that is still good. `ask` is told the last one, and gives a new one with the time (in
    /// milliseconds) until which it is good.
    pub(super) async fn get(&self, question: &K, ask: impl AsyncFnOnce(Option<V>) -> (V, i64)) -> V {
        let now = self.clock.now_ms();
        let old = self.answers.remove_if(question, |(_, until)| *until <= now).map(|(_, (value, _))| value);
        match self.answers.get_value_or_guard_async(question).await {
            Ok((value, _)) => value,
            Err(guard) => {
                let (value, until) = ask(old).await;
                // It fails only if the place was taken away meanwhile: then nothing is kept.
                let _ = guard.insert((value.clone(), until));
                value
            }
        }
    }

    /// Forgets an answer.
    pub(super) fn forget<Q>(&self, question: &Q)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.answers.remove(question);
    }
}
