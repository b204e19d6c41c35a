//! Lists: newest first, a page at a time, by cursor.

use entity::ids::InvalidId;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{Enum, Object};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Value,
};

use crate::web::json::problem::{Code, Problem};

/// What `object` says of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ListObject {
    /// A list.
    List,
}

/// One page of a list, newest first.
#[derive(Debug, Object)]
pub struct List<T: ParseFromJSON + ToJSON + Type> {
    /// Always `list`.
    pub object: ListObject,
    /// The entries of this page.
    pub data: Vec<T>,
    /// True when there are more in the direction of the cursor.
    pub has_more: bool,
}

impl<T: ParseFromJSON + ToJSON + Type> List<T> {
    /// A list that is whole.
    pub fn whole(data: Vec<T>) -> Self {
        Self { object: ListObject::List, data, has_more: false }
    }

    /// A page, from one row more than it may show: the surplus row only proves that there are more.
    pub fn page<R, I>(mut rows: Vec<R>, cursor: &Cursor<I>, show: impl Fn(R) -> T) -> Self {
        let has_more = rows.len() > cursor.limit;
        if has_more {
            // The surplus row is the one farthest from the cursor: first when paging backwards.
            if cursor.before.is_some() {
                rows.remove(0)
            } else {
                rows.remove(cursor.limit)
            };
        }
        Self { object: ListObject::List, data: rows.into_iter().map(show).collect(), has_more }
    }
}

/// Where a page starts.
#[derive(Debug)]
pub struct Cursor<I> {
    pub limit: usize,
    pub after: Option<I>,
    pub before: Option<I>,
}

impl<I: std::str::FromStr<Err = InvalidId>> Cursor<I> {
    /// Reads the three query parameters.
    pub fn read(limit: u64, after: Option<String>, before: Option<String>) -> Result<Self, Problem> {
        let id = |name: &str, text: Option<String>| {
            let parsed = text.map(|text| text.parse::<I>()).transpose();
            parsed.map_err(|wrong| Problem::field(Code::InvalidField, name, wrong.to_string()))
        };
        let cursor = Self { limit: limit as usize, after: id("after", after)?, before: id("before", before)? };
        match (&cursor.after, &cursor.before) {
            (Some(_), Some(_)) => Err(Problem::field(Code::InvalidField, "before", "give either `after` or `before`, not both")),
            _ => Ok(cursor),
        }
    }

    /// One more than the page shows tells whether there are more.
    pub fn fetch(&self) -> usize {
        self.limit + 1
    }

    /// The rows of this page, newest first, and one more when there are more.
    pub async fn rows<E>(&self, db: &DatabaseConnection, of_account: Select<E>, id: E::Column) -> Result<Vec<E::Model>, DbErr>
    where
        E: EntityTrait,
        I: Into<Value> + Copy,
    {
        let fetch = self.fetch() as u64;
        if let Some(before) = self.before {
            // Towards the newer end: nearest first, then turned round.
            let mut rows = of_account.filter(id.gt(before)).order_by_asc(id).limit(fetch).all(db).await?;
            rows.reverse();
            return Ok(rows);
        }
        let select = of_account.order_by_desc(id).limit(fetch);
        match self.after {
            Some(after) => select.filter(id.lt(after)).all(db).await,
            None => select.all(db).await,
        }
    }
}

/// Entries of a page, unless the request says otherwise.
pub fn default_limit() -> u64 {
    20
}
