//! Thin handlers for every API that the server speaks.
