//! efface-tests
