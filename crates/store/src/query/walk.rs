//! Walk along an index in the order of a list. A filter that the index does not serve is applied to a window of rows,
//! so that a page costs the same however rare its entries are: a page that finds too few ends with the position at
//! which the next one continues.

use std::collections::HashMap;

use latchkey_core::time::Timestamp;
use latchkey_management::ports::{EventFilter, ListPart, OrderValue, Position, TimeRange};
use sea_orm::Value;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait, LikeExpr, Order, SelectStatement};

use crate::error::StoreError;
use crate::pool::PooledConnection;

/// Rows that are compared with a filter for one page.
const WINDOW: u64 = 10_000;
/// Rows of one statement, after the first one of a page has found too few records.
const BATCH: usize = 500;
/// Rows that are read for one page, where the database finds more than match in the end.
const MOST_ROWS: usize = 2_000;

/// Column of a walk: the alias of its table, and its name.
pub(super) type ColumnName = (&'static str, &'static str);

/// Order of a walk, and the rows that it passes.
pub(super) struct Walk {
    /// Tables with the conditions that the index serves.
    pub(super) base: SelectStatement,
    /// Identifier of a row.
    pub(super) id: ColumnName,
    /// Column that the rows are ordered by before their identifier, and whether it is text.
    pub(super) value: Option<(ColumnName, bool)>,
    pub(super) descending: bool,
}

impl Walk {
    /// Returns the statement for positions in order.
    fn ordered(&self) -> SelectStatement {
        let direction = if self.descending { Order::Desc } else { Order::Asc };
        let mut query = self.base.clone();
        query.expr_as(Expr::col(self.id), "id");
        if let Some((value, _)) = self.value {
            query.expr_as(Expr::col(value), "value").order_by(value, direction.clone());
        }
        query.order_by(self.id, direction).take()
    }

    fn values(&self, position: &Position) -> (Expr, Expr) {
        match (self.value, &position.value) {
            (Some((column, _)), Some(value)) => {
                let value: Value = match value {
                    OrderValue::Number(number) => (*number).into(),
                    OrderValue::Text(text) => text.as_str().into(),
                };
                let columns = [Expr::col(column), Expr::col(self.id)];
                (Expr::tuple(columns), Expr::tuple([Expr::val(value), Expr::val(position.id)]))
            }
            (_, _) => (Expr::col(self.id), Expr::val(position.id)),
        }
    }

    /// Returns the condition for rows behind a position.
    fn behind(&self, position: &Position) -> Expr {
        let (row, place) = self.values(position);
        if self.descending { row.lt(place) } else { row.gt(place) }
    }

    /// Returns the condition for rows up to a position, which is included.
    fn up_to(&self, position: &Position) -> Expr {
        let (row, place) = self.values(position);
        if self.descending { row.gte(place) } else { row.lte(place) }
    }

    fn position(&self, row: &QueryResult) -> Result<Position, StoreError> {
        let value = match self.value {
            None => None,
            Some((_, true)) => Some(OrderValue::Text(row.try_get("", "value")?)),
            Some((_, false)) => Some(OrderValue::Number(row.try_get("", "value")?)),
        };
        Ok(Position { value, id: row.try_get("", "id")? })
    }
}

/// Reader of a page: positions of rows that match as far as the database can tell, and the records found.
pub(super) struct PageReader<T> {
    walk: Walk,
    filter: Condition,
    after: Option<Position>,
    /// End of the window, if rows follow it.
    end: Option<Position>,
    limit: usize,
    /// Rows that were read.
    rows: usize,
    ended: bool,
    positions: Vec<Position>,
    found: Vec<T>,
    /// Position of the last record found, once there is another one.
    next: Option<Position>,
}

impl<T> PageReader<T> {
    /// Begins a page. With `windowed`, the filter is applied to a window of the walk alone.
    pub(super) async fn begin(
        connection: &PooledConnection,
        walk: Walk,
        filter: Condition,
        windowed: bool,
        (after, limit): (Option<Position>, u32),
    ) -> Result<Self, StoreError> {
        let mut end = None;
        if windowed && !filter.is_empty() {
            let mut query = walk.ordered();
            query.and_where_option(after.as_ref().map(|after| walk.behind(after)));
            query.limit(1).offset(WINDOW - 1);
            let rows = connection.query_all(&query).await?;
            end = rows.first().map(|row| walk.position(row)).transpose()?;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (positions, found) = (Vec::new(), Vec::new());
        Ok(Self { walk, filter, after, end, limit, rows: 0, ended: false, positions, found, next: None })
    }

    /// Returns the identifiers of the rows that can complete the page; `None` if it is complete, or at its end.
    pub(super) async fn more(
        &mut self,
        connection: &PooledConnection,
    ) -> Result<Option<Vec<Uuid>>, StoreError> {
        if self.rows >= MOST_ROWS && !self.ended {
            self.next = self.next.take().or(self.after.take());
        }
        if self.ended || self.next.is_some() {
            return Ok(None);
        }
        // One more than needed shows whether there is a next page.
        let missing = self.limit.saturating_sub(self.found.len()).saturating_add(1);
        let missing = if self.rows == 0 { missing } else { missing.max(BATCH) };
        let mut query = self.walk.ordered();
        query.and_where_option(self.after.as_ref().map(|after| self.walk.behind(after)));
        query.and_where_option(self.end.as_ref().map(|end| self.walk.up_to(end)));
        query.cond_where(self.filter.clone()).limit(missing as u64);
        let rows = connection.query_all(&query).await?;
        self.positions = rows.iter().map(|row| self.walk.position(row)).collect::<Result<_, _>>()?;
        self.ended = rows.len() < missing;
        self.rows += rows.len();
        Ok(Some(self.positions.iter().map(|position| position.id).collect()))
    }

    /// Takes the records of the rows, by identifier. A row without a record is passed over.
    pub(super) fn take(&mut self, mut records: HashMap<Uuid, T>) {
        for position in std::mem::take(&mut self.positions) {
            if let Some(record) = records.remove(&position.id) {
                if self.found.len() == self.limit {
                    self.next.clone_from(&self.after);
                    return;
                }
                self.found.push(record);
            }
            self.after = Some(position);
        }
    }

    /// Returns the page.
    pub(super) fn finish(self) -> ListPart<T> {
        ListPart { items: self.found, next: self.next.or(self.end) }
    }
}

/// Returns whether a column has a text as a part. The column is in lower case, as far as the database knows cases;
/// letters outside of ASCII that have a case match any text, so the records must be compared again.
pub(super) fn contains(column: Expr, part: &str) -> Expr {
    let mut pattern = String::from("%");
    for character in part.to_lowercase().chars() {
        match character {
            '%' | '_' | '\\' => pattern.extend(['\\', character]),
            // A letter without upper and lower case is the same in every database.
            plain if plain.is_ascii() || !plain.is_alphabetic() => pattern.push(plain),
            letter if letter.to_uppercase().eq([letter]) => pattern.push(letter),
            _ if pattern.ends_with('%') && !pattern.ends_with("\\%") => {}
            _ => pattern.push('%'),
        }
    }
    pattern.push('%');
    column.like(LikeExpr::new(pattern).escape('\\'))
}

/// Returns the condition for times in a range, in milliseconds.
pub(super) fn within(column: &Expr, range: TimeRange) -> Condition {
    Condition::all()
        .add_option(range.from.map(|from| column.clone().gte(from.0)))
        .add_option(range.until.map(|until| column.clone().lt(until.0)))
}

/// Returns the condition for events of a filter. `never` is the value of a row without the event.
pub(super) fn event(column: &Expr, filter: EventFilter, never: i64) -> Condition {
    if filter.matches_all() {
        return Condition::all();
    }
    let absent = column.clone().eq(never);
    if filter.time.is_unlimited() {
        return Condition::all().add(absent);
    }
    // The value of an event that never happened is smaller or larger than every time.
    let (from, until) = (filter.time.from, filter.time.until);
    let lower = from.or((never < 0 && !filter.never).then(|| Timestamp(never + 1)));
    let upper = until.or((never > 0 && !filter.never).then_some(Timestamp(never)));
    let joined = filter.never && (if never < 0 { from.is_some() } else { until.is_some() });
    let range = within(column, TimeRange { from: lower, until: upper });
    if joined { Condition::any().add(range).add(absent) } else { range }
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{Query, SqliteQueryBuilder};

    use super::*;

    fn sql(condition: Condition) -> String {
        let query = Query::select().expr(Expr::val(1)).from("t").cond_where(condition).take();
        let text = query.to_string(SqliteQueryBuilder);
        text.split_once(" WHERE ").map(|(_, text)| text.to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_part_of_a_name_is_no_pattern_and_letters_outside_of_ascii_match_any() {
        let like = |part: &str| sql(Condition::all().add(contains(Expr::col("n"), part)));
        assert_eq!(like("a_b%"), "\"n\" LIKE '%a\\_b\\%%' ESCAPE '\\'");
        assert_eq!(like("Grüße"), "\"n\" LIKE '%gr%e%' ESCAPE '\\'");
        assert_eq!(like("日本"), "\"n\" LIKE '%日本%' ESCAPE '\\'");
        assert_eq!(like("Ключ 7"), "\"n\" LIKE '% 7%' ESCAPE '\\'");
    }

    #[test]
    fn a_range_of_events_leaves_out_those_that_never_happened() {
        let column = Expr::col("e");
        let time = TimeRange { from: None, until: Some(Timestamp(9)) };
        let filter = |never| EventFilter { time, never };
        assert_eq!(
            sql(event(&column, filter(false), i64::MIN)),
            "\"e\" >= -9223372036854775807 AND \"e\" < 9"
        );
        assert_eq!(sql(event(&column, filter(true), i64::MIN)), "\"e\" < 9");
        assert_eq!(sql(event(&column, filter(false), i64::MAX)), "\"e\" < 9");
        assert_eq!(sql(event(&column, filter(true), i64::MAX)), "\"e\" < 9 OR \"e\" = 9223372036854775807");
        assert_eq!(sql(event(&column, EventFilter::default(), i64::MAX)), "TRUE");
    }
}
