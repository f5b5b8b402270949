//! Words that every layer uses: ids, clock, randomness, limits, configuration.
