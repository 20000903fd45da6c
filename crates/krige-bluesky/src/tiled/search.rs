//! Searching below a node, page by page.

use super::client::TiledClient;
use super::error::TiledError;
use super::node::{Node, Reply, Resource, pair};
use super::query::Query;

impl TiledClient {
    /// The nodes directly below a path that a query finds. One request is made for each page.
    ///
    /// With a sorted query, nodes that are made in the meantime may move the pages, so that a node comes twice.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if there is no such path, [`TiledError::Refused`] if the catalog does not know a kind of
    /// condition.
    pub fn search(&self, path: &str, query: &Query) -> Result<Vec<Node>, TiledError> {
        let mut parameters = query.filters.clone();
        parameters.extend(query.sort.iter().map(|field| pair("sort", field)));
        let fields = ["structure_family", "specs", "metadata", "structure"];
        parameters.extend(fields.map(|field| pair("fields", field)));
        parameters
            .extend(query.select.iter().map(|expression| pair("select_metadata", expression)));
        let size = query.page_size.min(query.limit);
        parameters.push(pair("page[limit]", size.to_string()));
        let mut nodes = Vec::new();
        let mut page: Option<(String, String)> = None;
        // A limit of none would ask for a page of none, which Tiled refuses.
        while nodes.len() < query.limit {
            let mut asked = parameters.clone();
            asked.extend(page.clone());
            let reply: Reply<Vec<Resource>> =
                self.get_json("search", path, &asked, "a list of nodes")?;
            let next = reply.links.and_then(|links| links.next);
            let empty = reply.data.is_empty();
            nodes.extend(
                reply.data.into_iter().map(|resource| resource.into_node(query.select.is_some())),
            );
            let Some(next) = next else { break };
            let following = next_page(&next);
            if empty || following.is_none() || following == page {
                return Err(TiledError::Protocol {
                    path: path.to_owned(),
                    expected: "a link to a next page that leads on",
                    found: next,
                });
            }
            page = following;
        }
        nodes.truncate(query.limit);
        Ok(nodes)
    }

    /// All nodes directly below a path.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if there is no such path.
    pub fn children(&self, path: &str) -> Result<Vec<Node>, TiledError> {
        self.search(path, &Query::new())
    }
}

/// Where the next page begins. The link itself cannot be followed: it has lost the filters, the fields and the order.
pub(super) fn next_page(link: &str) -> Option<(String, String)> {
    let (_, query) = link.split_once('?')?;
    let decode =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .find(|(name, _)| matches!(name.as_str(), "page[cursor]" | "page[offset]"))
}
