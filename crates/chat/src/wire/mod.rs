//! What a client speaks on the wire: which protocol, HTTP, WebSocket.

pub mod detect;
pub mod http;
pub mod websocket;
