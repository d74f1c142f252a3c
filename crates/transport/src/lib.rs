//! mutual TLS and HTTP/2 windows, alike on both ends of every gRPC connection
