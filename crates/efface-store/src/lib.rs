//! efface-store
