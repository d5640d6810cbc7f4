//! What a setting may be: one description per field, from which the structs,
//! the checks and the suggestions are made.

/// Checks the shape of a text; the refusal is read after "path ".
/// It never quotes the text, which may be a secret in the wrong place.
pub(crate) type Shape = fn(&str) -> Result<(), String>;

/// What a setting holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A text.
    Text(Shape),
    /// A text that has no default and must be there.
    Needed(Shape),
    /// A list of texts.
    Texts(Shape),
    /// A whole number between two bounds, both included.
    Whole(i64, i64),
    /// A list of whole numbers, each between two bounds, and how many at most.
    Wholes(i64, i64, usize),
    /// Whole numbers between two bounds, by names that are free.
    Named(i64, i64),
    /// A number above zero, up to a bound.
    Positive(f64),
    /// True or false.
    Flag,
    /// A secret: by value, by `_file`, or as `env:NAME`.
    Secret(Shape),
    /// A section below this one.
    Section(&'static [Field]),
    /// Sections named by their id, with the defaults each starts from.
    Each(&'static [Field], fn(&str) -> toml::Table),
    /// A vendor's own table, free in form.
    Vendor,
}

/// One setting of a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

impl Field {
    /// The `<name>_file` form of a secret that has no such field of its own.
    pub(crate) fn file_form(&self, fields: &[Field]) -> Option<String> {
        let form = format!("{}_file", self.name);
        let taken = fields.iter().any(|f| f.name == form);
        (matches!(self.kind, Kind::Secret(_)) && !taken).then_some(form)
    }
}

/// Writes a section once: the struct that is read and the description that is
/// checked cannot drift apart.
macro_rules! section {
    ($(#[$about:meta])* $name:ident {
        $( $(#[$doc:meta])* $field:ident : $ty:ty = $kind:expr; )*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $( $(#[$doc])* pub $field: $ty, )*
        }
        impl $name {
            pub(crate) const FIELDS: &'static [$crate::schema::Field] = &[
                $( $crate::schema::Field { name: stringify!($field), kind: $kind } ),*
            ];
        }
    };
}
pub(crate) use section;

/// The name among `known` that `wrong` was probably meant to be.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let wrong = plain(wrong);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &plain(name)), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
