//! efface-registry
