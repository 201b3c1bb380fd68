//! Lists that come page by page, as one stream.

use std::future::Future;

use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::error::Result;

/// All items; `fetch` gets a page token, empty at first, and gives a page and the next token.
pub(crate) fn paged<T, F>(
    fetch: impl Fn(String) -> F + Send + 'static,
) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<(Vec<T>, String)>> + Send + 'static,
{
    let start = (fetch, Vec::new().into_iter(), Some(String::new()));
    let items = stream::try_unfold(start, async |(fetch, mut page, mut token)| {
        loop {
            if let Some(item) = page.next() {
                return Ok(Some((item, (fetch, page, token))));
            }
            let Some(wanted) = token else {
                return Ok(None);
            };
            let (items, next) = fetch(wanted).await?;
            page = items.into_iter();
            token = Some(next).filter(|next| !next.is_empty());
        }
    });
    items.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use futures_util::TryStreamExt as _;

    async fn page(token: String) -> Result<(Vec<u32>, String)> {
        let (items, next) = match token.as_str() {
            "" => (vec![1, 2], "b"),
            // A page may be empty although others follow.
            "b" => (vec![], "c"),
            "c" => (vec![3], ""),
            other => return Err(Error::new("INVALID_FIELD", other)),
        };
        Ok((items, next.to_owned()))
    }

    #[tokio::test]
    async fn every_page_is_asked_for_once() {
        let items: Vec<u32> = paged(page).try_collect().await.unwrap();
        assert_eq!(items, [1, 2, 3]);
    }

    #[tokio::test]
    async fn an_error_comes_after_the_items_before_it_and_ends_the_list() {
        let mut items = paged(|token| async {
            match token.as_str() {
                "" => Ok((vec![1], "x".to_owned())),
                _ => page(token).await,
            }
        });
        assert_eq!(items.try_next().await.unwrap(), Some(1));
        assert_eq!(items.try_next().await.unwrap_err().message, "x");
        assert_eq!(items.try_next().await, Ok(None));
    }

    #[tokio::test]
    async fn no_page_is_asked_for_before_it_is_needed() {
        let mut items = paged(|token: String| async move {
            assert_eq!(token, "", "the second page was not needed");
            Ok((vec![1], "b".to_owned()))
        });
        assert_eq!(items.try_next().await.unwrap(), Some(1));
    }
}
