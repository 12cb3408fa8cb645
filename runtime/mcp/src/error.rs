//! Why the operator's MCP servers cannot be used.

/// Why the operator's MCP servers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// The address of a server cannot be used.
    #[error(
        "MCP server '{server}': {url} is no address that can be asked; write it as in http://127.0.0.1:8000/mcp"
    )]
    Address {
        /// The server.
        server: String,
        /// The address.
        url: String,
    },
}
