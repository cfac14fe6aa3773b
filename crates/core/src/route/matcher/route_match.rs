//! Result of the search for a route, and reasons why none may take a call.

use std::borrow::Cow;

use crate::route::Route;
use crate::route::canonical::PathError;

/// Result of a search for the route of a call.
#[derive(Clone, Copy, Debug)]
pub enum RouteMatch<'r> {
    /// The route of this index applies.
    Found(usize, &'r Route),
    /// No route has the path.
    Unmatched,
    /// The call must not pass, whatever the profile says about calls without a route.
    Refused(RouteRefusal),
}

/// Reason why no route may take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteRefusal {
    /// Routes have the path, and none of them takes the method.
    Method,
    /// A server that ignores letter case would choose another route.
    LetterCase,
    /// Servers that read the path in another way would choose another route or resource.
    Readings,
    /// A server that drops the suffix of the last segment would choose another route.
    Suffix,
    /// A server that reads a path behind a script would choose another route or resource.
    PathInfo,
    /// The path has no canonical form.
    NonCanonical(PathError),
    /// The path has an encoded slash, and its route does not permit one.
    EncodedSlash,
}

impl RouteRefusal {
    /// Returns the human-readable message.
    #[must_use]
    pub fn message(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Method => "This path is not open to this method.",
            Self::LetterCase => "This path differs from a route in letter case or in encoded characters.",
            Self::Readings => "The path can be read in more than one way.",
            Self::Suffix => "This path differs from a route in a suffix of its last segment.",
            Self::PathInfo => "Some servers read this path as what follows a script or a session in it.",
            Self::EncodedSlash => "The path has an encoded slash.",
            Self::NonCanonical(error) => {
                let text = error.to_string();
                let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
                return Cow::Owned(format!("{}{rest}.", first.to_uppercase()));
            }
        })
    }
}

impl<'r> RouteMatch<'r> {
    /// Returns the route, if one was found.
    #[must_use]
    pub fn found(self) -> Option<(usize, &'r Route)> {
        match self {
            Self::Found(number, route) => Some((number, route)),
            Self::Unmatched | Self::Refused(_) => None,
        }
    }

    pub(super) fn refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Returns true if the call is refused by its path. Scopes of Envoy's route can let a refused method pass, so that other
    /// readings of such a path still count.
    pub(super) fn refused_for_path(self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal != RouteRefusal::Method)
    }

    /// Returns true if both results lead to routes with the same requirements, or to none.
    pub(super) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Found(one, route), Self::Found(two, other)) => one == two || route.requires_same(other),
            (Self::Unmatched, Self::Unmatched) => true,
            (Self::Refused(one), Self::Refused(two)) => one == two,
            (Self::Found(..) | Self::Unmatched | Self::Refused(_), _) => false,
        }
    }
}
