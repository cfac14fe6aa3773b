//! Lists of keys, tenants and users: the common parts of their requests. A request names an order and a filter, and
//! the page token is bound to both. A token is sealed, since the position that it names can be that of an entry that
//! the caller may not see.

mod keys;
pub(super) mod names;
mod tenants;
mod users;

use latchkey_core::choices::not_one_of;
use latchkey_core::error::{RequestError, SystemError};

pub use self::keys::ListKeys;
pub use self::tenants::ListTenants;
pub use self::users::ListUsers;
use super::ManagementService;
use super::encoding::Encoder;
use super::field_validator::FieldValidator;
use super::page::{self, Page};
use crate::ports::{EventFilter, ListPart, Position, TimeRange};

/// Names of an order in a request: the first is shown in errors.
type OrderNames<O> = (&'static [&'static str], O);

/// Parses `order_by`: the name of an order, and ` desc` behind it for the reverse order. An empty text is the first
/// order, reversed.
fn order<O: Copy>(
    fields: &mut FieldValidator<'_>,
    text: &str,
    orders: &[OrderNames<O>],
) -> Option<(O, bool)> {
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.to_lowercase().replace('-', "_")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, descending) = match words.as_slice() {
        [] => return orders.first().map(|(_, order)| (*order, true)),
        [name] | [name, "asc"] => (*name, false),
        [name, "desc"] => (*name, true),
        _ => ("", false),
    };
    let found = orders.iter().find(|(names, _)| names.contains(&name)).map(|(_, order)| (*order, descending));
    if found.is_none() {
        let names: Vec<&str> = orders.iter().filter_map(|(names, _)| names.first().copied()).collect();
        fields.reject("order_by", format!("{} (\" desc\" behind it reverses it)", not_one_of(text, names)));
    }
    found
}

/// Checks the limits of a range, whose fields are `{name}_after` and `{name}_before`.
fn range(fields: &mut FieldValidator<'_>, name: &str, range: TimeRange) {
    if range.from.zip(range.until).is_some_and(|(from, until)| until <= from) {
        fields.reject(&format!("{name}_before"), format!("must be later than {name}_after"));
    }
}

/// Returns the text of a filter; `None` if it is empty.
fn optional(fields: &mut FieldValidator<'_>, field: &str, text: &str, most: usize) -> Option<String> {
    fields.text(field, text, 0..=most);
    (!text.is_empty()).then(|| text.to_owned())
}

fn encode_range(encoder: Encoder, range: TimeRange) -> Encoder {
    encoder.optional(range.from, |e, at| e.signed(at.0)).optional(range.until, |e, at| e.signed(at.0))
}

fn encode_event(encoder: Encoder, filter: EventFilter) -> Encoder {
    encode_range(encoder, filter.time).number(filter.never.into())
}

impl ManagementService {
    /// Returns the position after which a page begins; `None` for the first page.
    fn position(&self, token: &str, list: &Encoder) -> Result<Option<Position>, RequestError> {
        page::sealed_cursor(&self.parts.sealer, token, list)
    }

    /// Creates the page of a part of a list.
    fn page<T>(&self, part: ListPart<T>, list: &Encoder) -> Result<Page<T>, SystemError> {
        let mut random = (self.parts.random)();
        let next = match part.next {
            None => String::new(),
            Some(next) => page::sealed_token(&self.parts.sealer, &mut random, &next, list)?,
        };
        Ok(Page { items: part.items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: &[OrderNames<u8>] = &[(&["created", "create_time"], 1), (&["last_used"], 2)];

    fn parsed(text: &str) -> Result<(u8, bool), String> {
        let mut fields = FieldValidator::new("");
        let order = order(&mut fields, text, ORDERS);
        order.ok_or_else(|| fields.into_violations().pop().unwrap().description)
    }

    #[test]
    fn an_order_is_a_name_with_a_direction() {
        assert_eq!(parsed(""), Ok((1, true)));
        assert_eq!(parsed("created"), Ok((1, false)));
        assert_eq!(parsed(" create_time  ASC"), Ok((1, false)));
        assert_eq!(parsed("last-used desc"), Ok((2, true)));
    }

    #[test]
    fn an_unknown_order_is_rejected_with_the_choices() {
        let expected = "\"age\" is not one of created, last_used (\" desc\" behind it reverses it)";
        assert_eq!(parsed("age"), Err(expected.to_owned()));
        for text in ["created down", "created desc desc", "desc", "created, name"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
