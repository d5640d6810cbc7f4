//! mailchimp
