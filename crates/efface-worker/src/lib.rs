//! efface-worker
