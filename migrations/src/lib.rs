//! efface-migrations
